"""A probe's answer loads back to an equal disk; anything else is refused with its reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.filesystem import FsSpace
from collectors.model.reading import Exact
from collectors.model.snapshot import Disk, FilesystemStudy
from collectors.probe import answer
from collectors.system.deadline import Declined, Malformed
from tests.ledger.build import HERE, share
from tests.probe.build import disk, seen, with_space


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.written_answer(disk()))
    return found


def test_it_is_one_line_that_loads_back_to_an_equal_disk() -> None:
    line = answer.written_answer(disk())
    assert line.isascii()
    assert line.index("\n") == len(line) - 1
    assert answer.read(line.encode()) == disk()


@given(st.binary())
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        answer.read(data)


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_an_answer_that_was_changed_is_refused_or_still_a_disk(at: int, other: str) -> None:
    line = answer.written_answer(disk())
    at %= len(line)
    try:
        found = answer.read((line[:at] + other + line[at + 1 :]).encode())
    except (Malformed, Declined):
        return
    assert isinstance(found, Disk)


def test_another_version_is_a_reason_that_names_both() -> None:
    other = {**document(), "ullage_probe": "0123456789abcdef", "version": "7.0"}
    with pytest.raises(Declined, match=r"the image holds ullage 7\.0, this is"):
        answer.read(json.dumps(other).encode())


def test_a_deep_nest_is_refused() -> None:
    with pytest.raises(Malformed):
        answer.read(b"[" * 100_000)
    nested: Any = None
    for _ in range(500):
        nested = [nested]
    with pytest.raises(Malformed):
        answer.read(json.dumps({**document(), "disk": nested}).encode())


@pytest.mark.parametrize(
    "wrong",
    [
        replace(disk(), root="/d"),  # type: ignore[arg-type]
        replace(disk(), studies=(None,)),  # type: ignore[arg-type]
        disk(replace(seen(), covered=("/a", 7))),  # type: ignore[arg-type]
        disk(with_space(seen(), FsSpace(1, 1, 100, 200, 0, 0, 0, 0, False))),
        disk(with_space(seen(), FsSpace(1, 1, -100, -200, 0, 0, 0, 0, False))),
    ],
)
def test_what_cannot_be_is_refused(wrong: Disk) -> None:
    with pytest.raises(Malformed, match="holds what cannot be"):
        answer.read(answer.written_answer(wrong).encode())


def test_bytes_below_zero_are_refused() -> None:
    one: FilesystemStudy = seen()
    assert isinstance(one.occupancy, Exact)
    shares = (share(-1, "volume"),)
    with pytest.raises(Malformed, match="holds what cannot be"):
        answer.read(
            answer.written_answer(
                disk(replace(one, occupancy=Exact(replace(one.occupancy.value, shares=shares), HERE)))
            ).encode()
        )
