"""The last exact result of each filesystem, as a file, so that an unchanged filesystem costs no second walk.

The file is a private detail: another version or a damaged file counts as no result. Written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from collectors.filesystems.btrfs.trees.table import Fill, Measured, Table
from collectors.model.btrfs import SplitRule
from collectors.model.ids import UnitId
from collectors.system import whole_files

_VERSION = 2


@dataclass(frozen=True, slots=True)
class KeptTable:
    """`taken_at` is in Unix seconds; `rules` a digest of the split rules."""

    measured: Measured
    rules: str
    taken_at: float


def digest(rules: Sequence[SplitRule]) -> str:
    """The same for the same rules in any order."""
    lines = sorted(f"{rule.path}\0{rule.unit}" for rule in rules)
    return sha256("\0\0".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def load(folder: Path, uuid: str) -> KeptTable | None:
    """The last result for this filesystem, if there is one that can be read."""
    try:
        return _from_document(json.loads(whole_files.opened(_file(folder, uuid).read_bytes())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def store(folder: Path, uuid: str, kept: KeptTable) -> None:
    """Keep this result instead of the last one. A folder that cannot be written to keeps nothing."""
    content = whole_files.sealed(json.dumps(_document(kept), separators=(",", ":")).encode())
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        whole_files.replace_whole(_file(folder, uuid), content, mode=0o600, durable=False)


def _file(folder: Path, uuid: str) -> Path:
    return folder / f"btrfs-{uuid}.json"


def _document(kept: KeptTable) -> dict[str, Any]:
    measured, table, fill = kept.measured, kept.measured.table, kept.measured.fill
    return {
        "version": _VERSION,
        "taken_at": kept.taken_at,
        "rules": kept.rules,
        "generation": measured.generation,
        "units": table.units,
        "masks": [_written(mask) for mask in table.masks],
        "data": table.data,
        "metadata": table.metadata,
        "apparent": table.apparent,
        "inodes": table.inodes,
        "fill": None if fill is None else [fill.data_bytes, fill.metadata_bytes, fill.system_bytes, fill.mixed_bytes],
        "fallback": measured.fallback,
        "bookend_bytes": measured.bookend_bytes,
        "compressed_bytes": measured.compressed_bytes,
        "uncompressed_bytes": measured.uncompressed_bytes,
        "unresolved": measured.unresolved,
        "blocks_read": measured.blocks_read,
        "restarts": measured.restarts,
    }


def _from_document(document: dict[str, Any]) -> KeptTable | None:
    if document["version"] != _VERSION:
        return None
    table = Table(
        units=tuple(UnitId(unit) for unit in document["units"]),
        masks=tuple(_mask(written, len(document["units"])) for written in document["masks"]),
        data=tuple(map(int, document["data"])),
        metadata=None if document["metadata"] is None else tuple(map(int, document["metadata"])),
        apparent=tuple(map(int, document["apparent"])),
        inodes=tuple(map(int, document["inodes"])),
    )
    columns = (table.data, table.data if table.metadata is None else table.metadata, table.apparent, table.inodes)
    if {len(table.masks)} != {len(column) for column in columns}:
        return None
    if not all(isinstance(unit, str) for unit in table.units):
        return None
    measured = Measured(
        generation=document["generation"],
        table=table,
        fill=None if document["fill"] is None else Fill(*map(int, document["fill"])),
        fallback=str(document["fallback"]),
        bookend_bytes=int(document["bookend_bytes"]),
        compressed_bytes=int(document["compressed_bytes"]),
        uncompressed_bytes=int(document["uncompressed_bytes"]),
        unresolved=tuple(map(str, document["unresolved"])),
        blocks_read=int(document["blocks_read"]),
        restarts=int(document["restarts"]),
    )
    return KeptTable(measured, str(document["rules"]), float(document["taken_at"]))


def _written(mask: int) -> str:
    """`5@40` for 5 << 40. Most sets are a few neighbours, far from the first: thousands of zeros say nothing."""
    shift = max(0, (mask & -mask).bit_length() - 1)
    return f"{mask >> shift:x}@{shift}"


def _mask(written: str, units: int) -> int:
    """ValueError for one that names holders which are not there."""
    digits, _, shift = written.partition("@")
    value, by = int(digits, 16), int(shift)
    if value < 0 or by < 0 or by + value.bit_length() > units:
        raise ValueError(f"{written}: there are {units} holders")
    return value << by
