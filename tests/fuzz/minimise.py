"""A find made small: pieces taken out for as long as it stays the same find."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.change_json import spans
from tests.fuzz.target import CASE_S, Find, Target, judged, within_time

_MOST_TRIES = 3000


def smallest(target: Target, find: Find) -> Find:
    """The smallest case of the same signature that was found by leaving things out."""
    tries = 0
    shorter = True
    while shorter and tries < _MOST_TRIES:
        shorter = False
        for case in _shorter(find.case):
            tries += 1
            with within_time(CASE_S):
                end = judged(target, case)
            if isinstance(end, Find) and end.signature == find.signature:
                find, shorter = end, True
                break
            if tries >= _MOST_TRIES:
                break
    return find


def _shorter(case: bytes) -> Iterator[bytes]:
    for span in sorted(spans(case), key=lambda span: span.whole - span.end):
        yield case[: span.whole] + case[span.end :]
    size = len(case) // 2
    while size:
        for at in range(0, len(case), size):
            yield case[:at] + case[at + size :]
        size //= 2
