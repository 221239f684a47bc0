"""A report as one line of JSON that loads back to an equal report: what `--record` writes and `--replay` reads.

The public document (`document.py`) is a contract for other programs and leaves things out; a recording leaves nothing
out and is only promised to this program. Each line names the fields of every type once and then writes values in that
order, so that a line is read by names whatever order the model has today. What is written with another model is
translated (`recording_v1.py`) or refused, never half understood.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from collectors.model import ledger, report
from collectors.model.conforms import conforms
from collectors.model.encoding import (
    FOREIGN,
    MODEL,
    Builders,
    Unreadable,
    decode,
    encode,
    enum_named,
    fields_by_type,
    object_named,
)
from collectors.report import recording_v1

__all__ = ["Unreadable", "decoded", "dump", "encoded", "load"]

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
    for one in (loaded.ledger, *loaded.other_ledgers):
        if one is not None and {row.category for row in one.rows} != set(ledger.Category):
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
    """Of a line whose types have the fields of today in another order, also those that are dropped since, or a report
    without settings; others are refused by the types themselves."""
    changed = {"Report": recording_v1.with_settings}
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
