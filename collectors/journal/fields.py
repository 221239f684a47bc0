"""A record as the JSON object of a machine line, and back, field by field. Pure; a wrong type is ValueError.

Maps that hardly change from run to run are written as changes: `{"=": {…}}` (all of it), `{"+": {…}, "-": […]}`
(against the map of the record that the line names as its base), absent (as in the base) or null (unknown). A reader
without the base knows nothing of a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from collectors.journal import Action, Noted, NotedFilesystem, Record
from collectors.model.filesystem import Allocation
from collectors.model.plan import Severity

V = TypeVar("V", int, str)
SAME = object()


class MapKind(Generic[V]):
    """One kind of map: which values it holds. Byte counts or ids."""

    def __init__(self, value_type: type[V]) -> None:
        self._type: type[V] = value_type

    def pack(self, now: Mapping[str, V] | None, base: Mapping[str, V] | None) -> Any:
        """What to write for `now`; `SAME` for "leave it out". Without a base map all of it is written."""
        if now is None:
            return None
        if base is None:
            return {"=": dict(now)}
        changed = {key: value for key, value in now.items() if base.get(key) != value}
        gone = sorted(base.keys() - now.keys())
        if not changed and not gone:
            return SAME
        if len(changed) + len(gone) > len(now):
            return {"=": dict(now)}
        return {"+": changed, "-": gone} if gone else {"+": changed}

    def unpack(self, wire: Any, base: Mapping[str, V] | None) -> Mapping[str, V] | None:
        """The map behind `wire`; None where it is unknown or its base was not read. Raises ValueError."""
        if wire is None:
            return None
        if wire is SAME:
            return base
        if not isinstance(wire, dict):
            raise ValueError("a map is an object")
        if wire.keys() == {"="}:
            return self._checked(wire["="])
        changed, gone = self._change(wire)
        return None if base is None else {key: value for key, value in base.items() if key not in gone} | changed

    def _change(self, wire: Mapping[str, Any]) -> tuple[dict[str, V], set[str]]:
        """What is new or has another value, and the names that are gone."""
        if not {"+"} <= wire.keys() <= {"+", "-"}:
            raise ValueError("a change has + and perhaps -")
        gone = wire.get("-", [])
        if not isinstance(gone, list) or not all(isinstance(key, str) for key in gone):
            raise ValueError("what is gone is a list of names")
        return self._checked(wire["+"]), set(gone)

    def _checked(self, wire: Any) -> dict[str, V]:
        if not isinstance(wire, dict) or not all(type(value) is self._type for value in wire.values()):
            raise ValueError(f"not a map of names to {self._type.__name__}")
        return wire


BYTES = MapKind(int)
IDS = MapKind(str)
# The maps of a record by their names on the wire; a set of names is a map of these to nothing.
_KINDS: Mapping[str, MapKind[Any]] = {
    "owners": BYTES,
    "tags": IDS,
    "dangling": BYTES,
    "orphans": IDS,
    "in_use": IDS,
    "things": BYTES,
    "labels": IDS,
}

Wire = Mapping[str, Any]
VERSION = 1
_HUGE = 1 << 63
# Sums of times stay within the calendar: a record's time may be moved by as much as an uptime, and to another zone.
_FIRST_YEAR, _LAST_YEAR = 1970, 9990
_LONGEST_S = 1e10  # three centuries


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond: what a later line names its base by."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def wire(record: Record, base: Record | None) -> dict[str, Any]:
    """The JSON object of a record. Maps are changes against `base`, or whole without one."""
    out: dict[str, Any] = {
        "v": VERSION,
        "at": stamp(record.at),
        "boot": record.boot_id,
        "up": record.uptime_s,
        "fs": record.filesystem,
        "total": record.total_bytes,
        "used": record.used_bytes,
        "avail": record.available_bytes,
        "sev": record.severity.name if record.severity is not None else None,
        "cat": dict(record.categories),
        "btrfs": _pack_allocation(record.allocation),
        "found": _pack_noted(record.findings),
        "did": [
            [did.action, did.target, did.rule, did.predicted_bytes, did.engine_bytes, did.measured_bytes]
            for did in record.actions
        ],
    }
    if record.trimmed:
        out["cut"] = list(record.trimmed)
    if record.others:
        out["also"] = [_pack_other(other) for other in record.others]
    if base is not None:
        out["base"] = stamp(base.at)
    now, before = _maps(record), _maps(base)
    packed = {name: kind.pack(now[name], before.get(name)) for name, kind in _KINDS.items()}
    return out | {name: value for name, value in packed.items() if value is not SAME}


def record(wire: Wire, base: Record | None) -> Record:
    """The record of a JSON object; maps whose base was not read are unknown. Raises ValueError."""
    before = _maps(base)
    maps = {name: kind.unpack(wire.get(name, SAME), before.get(name)) for name, kind in _KINDS.items()}
    return Record(
        at=_moment(wire),
        boot_id=text_or_none(wire, "boot"),
        uptime_s=_seconds(wire.get("up")),
        filesystem=text_or_none(wire, "fs"),
        total_bytes=_count(wire.get("total")),
        used_bytes=_count(wire.get("used")),
        available_bytes=_count(wire.get("avail")),
        severity=None if wire.get("sev") is None else _severity(wire["sev"]),
        categories={_text(name): _integer(value) for name, value in _object(wire.get("cat")).items()},
        allocation=_allocation(wire.get("btrfs")),
        owners=maps["owners"],
        tags=maps["tags"],
        dangling=maps["dangling"],
        orphans=_as_names(maps["orphans"]),
        findings=tuple(_noted(row) for row in _list(wire.get("found"))),
        actions=tuple(_action(row) for row in _list(wire.get("did"))),
        trimmed=tuple(_text(name) for name in _list(wire.get("cut", []))),
        in_use=_as_names(maps["in_use"]),
        things=maps["things"],
        labels=maps["labels"],
        others=tuple(_other(row) for row in _list(wire.get("also", []))),
    )


def text_or_none(wire: Wire, name: str) -> str | None:
    """A text that may be unknown. Raises ValueError for anything else."""
    value = wire.get(name)
    return None if value is None else _text(value)


def _maps(record: Record | None) -> Mapping[str, Mapping[str, int] | Mapping[str, str] | None]:
    """What `_KINDS` names, of this record; {} without one."""
    if record is None:
        return {}
    sets = {"orphans": _as_map(record.orphans), "in_use": _as_map(record.in_use)}
    return {name: sets[name] if name in sets else getattr(record, name) for name in _KINDS}


def _as_map(names: frozenset[str] | None) -> Mapping[str, str] | None:
    return None if names is None else dict.fromkeys(sorted(names), "")


def _as_names(names: Mapping[str, str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _pack_allocation(value: Allocation | None) -> list[int | None] | None:
    if value is None:
        return None
    return [
        value.data_total_bytes,
        value.data_used_bytes,
        value.metadata_total_bytes,
        value.metadata_used_bytes,
        value.unallocated_bytes,
        value.allocatable_data_bytes,
        value.allocatable_metadata_bytes,
    ]


def _allocation(value: Any) -> Allocation | None:
    if value is None:
        return None
    # Five in a journal from before allocatable was told.
    row = value if isinstance(value, list) and len(value) != 5 else [*_row(value, 5), None, None]
    *four, unallocated, data, metadata = _row(row, 7)
    data_total, data_used, metadata_total, metadata_used = map(_known_count, four)
    may_come = map(_count, (unallocated, data, metadata))
    return Allocation(data_total, data_used, metadata_total, metadata_used, *may_come)


def _pack_noted(findings: Iterable[Noted]) -> list[list[str | int | None]]:
    return [[noted.rule, noted.severity.name, noted.raw.name, noted.bytes] for noted in findings]


def _pack_other(other: NotedFilesystem) -> list[Any]:
    room = (other.total_bytes, other.used_bytes, other.available_bytes)
    chunks = [] if other.allocation is None else [_pack_allocation(other.allocation)]
    return [other.filesystem, *room, _pack_noted(other.findings), *chunks]


def _other(value: Any) -> NotedFilesystem:
    # Five of one that hands out no chunks, and in a journal from before those of others were told.
    row = value if isinstance(value, list) and len(value) == 6 else [*_row(value, 5), None]
    filesystem, *room, findings, chunks = row
    total, used, available = map(_count, room)
    noted = tuple(_noted(row) for row in _list(findings))
    return NotedFilesystem(_text(filesystem), total, used, available, noted, _allocation(chunks))


def _noted(value: Any) -> Noted:
    rule, severity, raw, size = _row(value, 4)
    return Noted(_text(rule), _severity(severity), _severity(raw), _integer(size))


def _action(value: Any) -> Action:
    action, target, rule, *sizes = _row(value, 6)
    return Action(_text(action), _text(target), _text(rule), *(_integer(size) for size in sizes))


def _moment(wire: Wire) -> datetime:
    at = datetime.fromisoformat(_text(wire.get("at")))
    if at.tzinfo is None:
        raise ValueError("a time without its offset")
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError("a time in which nobody ran this")
    return at.astimezone(UTC)


def _severity(value: Any) -> Severity:
    try:
        return Severity[_text(value)]
    except KeyError:
        raise ValueError("no such severity") from None


def _row(value: Any, length: int) -> list[Any]:
    row = _list(value)
    if len(row) != length:
        raise ValueError(f"a row of {length}")
    return row


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _integer(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not -_HUGE < value < _HUGE:
        raise ValueError("not a whole number of bytes")
    return value


def _count(value: Any) -> int | None:
    size = _integer(value)
    if size is not None and size < 0:
        raise ValueError("a negative size")
    return size


def _known_count(value: Any) -> int:
    size = _count(value)
    if size is None:
        raise ValueError("a size that is never unknown")
    return size


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < _LONGEST_S:
        raise ValueError("not a number of seconds")
    return float(value)
