"""A report without names: for showing an incident to people who must not see whose it is.

Each name becomes the same pseudonym everywhere in the report (`container-3`), so that what belongs together still does.
Sizes, times, states, rules and the program's own words stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from collectors.model.ledger import Category
from collectors.model.owner import Owner
from collectors.model.reading import Exact
from collectors.model.report import Report
from collectors.model.settings import Settings
from collectors.report import recording

_SINGULAR = {
    Category.IMAGES: "image",
    Category.CONTAINERS: "container",
    Category.LOGS: "container",
    Category.VOLUMES: "volume",
    Category.BUILD_CACHE: "build-step",
    Category.SNAPSHOTS: "snapshot",
}
_SHORTEST = 3  # a shorter name would be found inside ordinary words
_WORD = re.compile(r"\w")


def redacted(report: Report) -> Report:
    """The same report under pseudonyms. Raises recording.Unreadable only for a report that cannot be recorded."""
    report = replace(report, settings=_without_patterns(report.settings))
    names = _vocabulary(report)
    if not names:
        return report
    # Longest first, so that no name is replaced inside a longer one.
    pattern = re.compile("|".join(re.escape(name) for name in sorted(names, key=lambda n: (-len(n), n))))
    return recording.decoded(_replace(recording.encoded(report), pattern, names))


def _without_patterns(settings: Settings) -> Settings:
    """What is to be kept is told by names: the ages and sizes stay, the names do not."""
    keep = replace(settings.keep, labels=(), images=(), containers=(), volumes=(), build_cache=())
    return replace(settings, keep=keep)


def _vocabulary(report: Report) -> dict[str, str]:
    names: dict[str, str] = {}
    for kind, name in _names(report):
        if len(name) >= _SHORTEST and _WORD.search(name):
            names.setdefault(name, f"{kind}-{len(names) + 1}")
    return names


def _names(report: Report) -> Iterator[tuple[str, str]]:
    yield "host", report.host
    if isinstance(report.engine, Exact):
        yield "host", report.engine.value.name
    if isinstance(report.docker_root, Exact):
        yield "root", report.docker_root.value
    ledgers = [report.ledger, *report.other_ledgers]
    for ledger in ledgers:
        if ledger is None:
            continue
        mount = ledger.filesystem.mount
        yield from (("mount", mount.mountpoint), ("device", mount.source)) if mount.mountpoint != "/" else ()
        for category, items in ledger.items.items():
            kind = _SINGULAR.get(category, "item")
            for item in items:
                yield kind, item.name
                yield from ((kind, part) for part in item.name.split("/") if "/" in item.name)
                yield from ((kind, part.strip()) for part in item.owner.split(","))
    yield from (("image", churn.repository) for churn in report.trend.churn)


def _replace(value: Any, pattern: re.Pattern[str], names: dict[str, str]) -> Any:
    """Only free text: the codec's own marks and type names stay."""
    match value:
        case str():
            return pattern.sub(lambda found: names[found.group(0)], value)
        case list():
            return [_replace(one, pattern, names) for one in value]
        case {"t": kind, "f": parts}:
            return {"t": kind, "f": _replace(parts, pattern, names)}
        case {"o": str(owner)}:
            known = Owner.parse(owner)  # its kind is a word of this program's, even where somebody's name is the same
            return {"o": Owner(known.kind, _replace(known.id, pattern, names)).text()}
        case {"m": pairs}:
            return {"m": _replace(pairs, pattern, names)}
        case {"s": parts}:
            return {"s": _replace(parts, pattern, names)}
        case _:
            return value
