"""A report as one line of JSON that loads back to an equal report: what `--record` writes and `--replay` reads.

The public document (`document.py`) is a contract for other programs and leaves things out; a recording leaves nothing
out and is only promised to this program. Each line names the fields of every type once and then writes values in that
order, so that a line is read by names whatever order the model has today. What is written with another model is
translated (`recording_v1.py`) or refused, never half understood.

To show an incident to people who must not see whose it is, each name becomes the same pseudonym everywhere in the
report (`container-3`), so that what belongs together still does. Sizes, times, states, rules and the program's own
words stay.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from collectors.model import Owner, ledger, report
from collectors.model.encoding import (
    FOREIGN,
    MODEL,
    Builders,
    Unreadable,
    conforms,
    decode,
    encode,
    enum_named,
    fields_by_type,
    object_named,
)
from collectors.model.ledger import Category, Ledger
from collectors.model.reading import Exact
from collectors.model.report import Report
from collectors.model.settings import Settings
from collectors.report import recording_v1

__all__ = ["Unreadable", "decoded", "dump", "encoded", "load", "reports"]

VERSION = 2


def dump(value: report.Report) -> str:
    """One line, without its newline. ASCII only, so that a recording survives every terminal and mail."""
    document = {"ullage_recording": VERSION, "fields": _fields(), "report": encoded(value)}
    return json.dumps(document, separators=(",", ":"))


def load(line: str) -> report.Report:
    """The report of one line; Unreadable for anything else."""
    try:
        document = json.loads(line)
        if not isinstance(document, dict):
            raise Unreadable("not a recording of this version")
        return _report(decode(document["report"], _builders(document)))
    except Unreadable:
        raise
    except FOREIGN as error:
        raise Unreadable(f"not a recording: {error}") from error


def reports(path: Path) -> list[report.Report]:
    """The reports of a recording, oldest first; lines that are none are skipped. Raises OSError, EOFError; Unreadable
    where no line is one."""
    found: list[report.Report] = []
    reason = "it is empty"
    with _text(path) as lines:
        for line in lines:
            try:
                found.append(load(line))
            except Unreadable as error:
                reason = str(error)
    if not found:
        raise Unreadable(reason)
    return sorted(found, key=lambda one: one.taken_at)


def _text(path: Path) -> TextIO:
    """The file's text, unpacked where its name says that it is packed."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def encoded(value: report.Report) -> object:
    """The report as lists, dicts and plain values."""
    return encode(value)


def decoded(value: object) -> report.Report:
    """What `encoded` gave, as a report again. Raises Unreadable, KeyError, TypeError, ValueError."""
    return _report(decode(value, MODEL))


def _report(loaded: object) -> report.Report:
    if not isinstance(loaded, report.Report):
        raise Unreadable("a recording of something else")
    if not conforms(loaded, report.Report):
        raise Unreadable("a recording whose values are not of their kinds")
    for one in loaded.ledgers:
        if {row.category for row in one.rows} != set(ledger.Category):
            raise Unreadable("a ledger without a row for each category")
    return loaded


def _builders(document: Mapping[str, object]) -> Builders:
    version = document.get("ullage_recording")
    if version == 1:
        return version_1()
    fields = document.get("fields")
    if version != VERSION or not isinstance(fields, dict):
        raise Unreadable("not a recording of this version")
    return MODEL if fields == _fields() else _named(fields)


@cache
def _fields() -> Mapping[str, list[str]]:
    return {name: list(names) for name, names in fields_by_type(report.Report).items()}


def _named(fields: Mapping[str, list[str]]) -> Builders:
    """Of a line whose types have the fields of today in another order, also those that are dropped since, or without
    those that came since (`ADDED`); others are refused by the types themselves."""
    changed = recording_v1.ADDED
    objects = {
        name: object_named(name, tuple(names), recording_v1.DROPPED.get(name, frozenset()), changed.get(name, dict))
        for name, names in fields.items()
        if name in MODEL.objects
    }
    return Builders(objects, MODEL.enums)


@cache
def version_1() -> Builders:
    """Of recordings that name no fields: those of the model at that time, translated."""
    old = recording_v1
    objects = {
        name: object_named(
            old.RENAMED.get(name, name),
            tuple(names.split()),
            old.DROPPED.get(name, frozenset()),
            old.CHANGED.get(name, dict),
        )
        for name, names in old.FIELDS.items()
    }
    back = {new: former for former, new in old.RENAMED.items()}
    enums = {back.get(name, name): enum_named(name, old.VALUES.get(back.get(name, name), {})) for name in MODEL.enums}
    return Builders(objects, enums)


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
    return decoded(_replace(encoded(report), pattern, names))


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
        yield "engine", report.engine.value.address
    if isinstance(report.docker_root, Exact):
        yield "root", report.docker_root.value
    for one in report.ledgers:
        yield from _names_in(one)
    yield from ((bill.by.partition(":")[0], bill.name) for bill in report.bills)
    yield from (("image", churn.repository) for churn in report.trend.churn)


def _names_in(books: Ledger) -> Iterator[tuple[str, str]]:
    mount = books.filesystem.mount
    yield from (("mount", mount.mountpoint), ("device", mount.source)) if mount.mountpoint != "/" else ()
    for category, items in books.items.items():
        kind = _SINGULAR.get(category, "item")
        for item in items:
            yield kind, item.name
            yield from ((kind, part) for part in item.name.split("/") if "/" in item.name)
            yield from ((kind, part.strip()) for part in item.owner.split(","))
            yield from (("path", place.path) for place in item.inside)


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
