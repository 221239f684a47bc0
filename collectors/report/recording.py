"""A report as one line of JSON that loads back to an equal report: what `--record` writes and `--replay` reads.

The public document (`document.py`) is a contract for other programs and leaves things out; a recording leaves nothing
out and is only promised to this program. Every dataclass and enum of the model is written with its type's name, so a
line of another version is refused rather than half understood.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from datetime import datetime
from types import ModuleType

from collectors.model import btrfs, engine, filesystem, finding, ledger, plan, reading, report, snapshot, store

VERSION = 1
_MODULES: tuple[ModuleType, ...] = (
    btrfs,
    engine,
    filesystem,
    finding,
    ledger,
    plan,
    reading,
    report,
    snapshot,
    store,
)
_TYPES: dict[str, type] = {
    name: thing
    for module in _MODULES
    for name, thing in vars(module).items()
    if isinstance(thing, type) and (dataclasses.is_dataclass(thing) or issubclass(thing, enum.Enum))
}


class Unreadable(ValueError):
    """A line that is not a recording of this version."""


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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"not a recording: {error}") from error


def encoded(value: report.Report) -> object:
    """The report as lists, dicts and plain values."""
    return _encode(value)


def decoded(value: object) -> report.Report:
    """What `encoded` gave, as a report again. Raises Unreadable, KeyError, TypeError, ValueError."""
    loaded = _decode(value)
    if not isinstance(loaded, report.Report):
        raise Unreadable("a recording of something else")
    return loaded


def _encode(value: object) -> object:
    if isinstance(value, enum.Enum):
        return {"e": type(value).__name__, "v": value.value}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"t": type(value).__name__, "f": [_encode(getattr(value, f.name)) for f in dataclasses.fields(value)]}
    if isinstance(value, datetime):
        return {"d": value.isoformat()}
    if isinstance(value, Mapping):
        return {"m": [[_encode(key), _encode(item)] for key, item in value.items()]}
    if isinstance(value, frozenset):
        return {"s": sorted((_encode(item) for item in value), key=repr)}
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"a report holds no {type(value).__name__}")


def _decode(value: object) -> object:
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "e" in value:
        return _TYPES[value["e"]](value["v"])
    if "t" in value:
        return _TYPES[value["t"]](*(_decode(item) for item in value["f"]))
    if "d" in value:
        return datetime.fromisoformat(value["d"])
    if "m" in value:
        return {_decode(key): _decode(item) for key, item in value["m"]}
    if "s" in value:
        return frozenset(_decode(item) for item in value["s"])
    raise Unreadable("an unknown mark")
