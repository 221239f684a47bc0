"""A report as one line of JSON that loads back to an equal report: what `--record` writes and `--replay` reads.

The public document (`document.py`) is a contract for other programs and leaves things out; a recording leaves nothing
out and is only promised to this program: a line of another version is refused rather than half understood.
"""

from __future__ import annotations

import json

from collectors.model import ledger, report
from collectors.model.conforms import conforms
from collectors.model.encoding import FOREIGN, Unreadable, decode, encode

__all__ = ["Unreadable", "decoded", "dump", "encoded", "load"]

VERSION = 1


def dump(value: report.Report) -> str:
    """One line, without its newline. ASCII only, so that a recording survives every terminal and mail."""
    return json.dumps({"ullage_recording": VERSION, "report": encoded(value)}, separators=(",", ":"))


def load(line: str) -> report.Report:
    """The report of one line; Unreadable for anything else."""
    try:
        document = json.loads(line)
        if not isinstance(document, dict) or document.get("ullage_recording") != VERSION:
            raise Unreadable("not a recording of this version")
        return decoded(document["report"])
    except Unreadable:
        raise
    except FOREIGN as error:
        raise Unreadable(f"not a recording: {error}") from error


def encoded(value: report.Report) -> object:
    """The report as lists, dicts and plain values."""
    return encode(value)


def decoded(value: object) -> report.Report:
    """What `encoded` gave, as a report again. Raises Unreadable, KeyError, TypeError, ValueError."""
    loaded = decode(value)
    if not isinstance(loaded, report.Report):
        raise Unreadable("a recording of something else")
    if not conforms(loaded, report.Report):
        raise Unreadable("a recording whose values are not of their kinds")
    for one in (loaded.ledger, *loaded.other_ledgers):
        if one is not None and {row.category for row in one.rows} != set(ledger.Category):
            raise Unreadable("a ledger without a row for each category")
    return loaded
