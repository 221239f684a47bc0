"""The exact walk: every committed tree block once, straight from the devices; and its answer: who holds which bytes.

An earlier result is reused where it is still true, else sync, walk, check; late is better than a guess. The last exact
result of each filesystem is a file in the cache folder: a private detail, written whole or not at all; another version
or a damaged one counts as no result. The only part that needs numpy, which is loaded when a walk begins.

A tree block may belong to many subvolumes. Which ones is known for a block when it is known for all blocks that point
to it; so the walk goes down level by level, and each block is read once, however many subvolumes share it. Leaves yield
file extents; what remains is a table {set of subvolumes → bytes}, from which everything else follows.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from collectors.filesystems.btrfs import decode, ioctl
from collectors.filesystems.btrfs.trees import table
from collectors.filesystems.btrfs.trees.table import ChunkFill, Measured, Table
from collectors.model import UnitId, dataclass
from collectors.model.btrfs import Btrfs, LargeFile, Sharing, SplitRule
from collectors.model.reading import Exact, Origin, Reading, Why
from collectors.system import deadline, folders
from collectors.system.deadline import Host

_VERSION = 6
_MAX_BYTES = 256 << 20


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
        return _from_document(json.loads(folders.opened(folders.read_own(_file(folder, uuid), _MAX_BYTES))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def store(folder: Path, uuid: str, kept: KeptTable) -> None:
    """Keep this result instead of the last one. A folder that cannot be written to keeps nothing."""
    content = folders.sealed(json.dumps(_document(kept), separators=(",", ":")).encode())
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=folders.OWN_FOLDER_MODE)
        folders.replace_whole(_file(folder, uuid), content, mode=folders.OWN_MODE, durable=False)


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
        "data_disk": table.data_disk,
        "metadata_disk": table.metadata_disk,
        "fill": None if fill is None else [fill.data_bytes, fill.metadata_bytes, fill.system_bytes, fill.mixed_bytes],
        "fallback": measured.fallback,
        "bookend_bytes": measured.bookend_bytes,
        "compressed_bytes": measured.compressed_bytes,
        "uncompressed_bytes": measured.uncompressed_bytes,
        "unresolved": measured.unresolved,
        "blocks_read": measured.blocks_read,
        "restarts": measured.restarts,
        "blocks_remembered": measured.blocks_remembered,
        "memory_lost": measured.memory_lost,
        "large_files": [(one.path, one.bytes, one.apparent_bytes) for one in measured.large_files],
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
        data_disk=tuple(map(int, document["data_disk"])),
        metadata_disk=None if document["metadata_disk"] is None else tuple(map(int, document["metadata_disk"])),
    )
    columns = [table.data, table.apparent, table.inodes, table.data_disk]
    columns += [column for column in (table.metadata, table.metadata_disk) if column is not None]
    if (table.metadata is None) is not (table.metadata_disk is None):
        return None
    if {len(table.masks)} != {len(column) for column in columns}:
        return None
    if not all(isinstance(unit, str) for unit in table.units):
        return None
    measured = Measured(
        generation=document["generation"],
        table=table,
        fill=None if document["fill"] is None else ChunkFill(*map(int, document["fill"])),
        fallback=str(document["fallback"]),
        bookend_bytes=int(document["bookend_bytes"]),
        compressed_bytes=int(document["compressed_bytes"]),
        uncompressed_bytes=int(document["uncompressed_bytes"]),
        unresolved=tuple(map(str, document["unresolved"])),
        blocks_read=int(document["blocks_read"]),
        restarts=int(document["restarts"]),
        large_files=tuple(LargeFile(str(path), int(taken), int(size)) for path, taken, size in document["large_files"]),
        blocks_remembered=int(document["blocks_remembered"]),
        memory_lost=str(document["memory_lost"]),
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


SOURCE = "btrfs.sharing"
_SYNC_SHARE = 0.5  # of the time that is left


@dataclass(frozen=True, slots=True)
class SharingQuestion:
    mountpoint: Path
    host: Host
    btrfs: Btrfs
    rules: Sequence[SplitRule]
    folder: Path | None  # for the last result


def answered(asked: SharingQuestion, deadline_s: float) -> Reading[Sharing]:
    """The table now; the last exact one where the deadline runs out."""
    ends = time.monotonic() + deadline_s
    found = deadline.read(SOURCE, f"trees of {asked.mountpoint}", lambda: _now(asked, ends), timeout_s=deadline_s)
    if isinstance(found, Exact) or found.why is not Why.TIMED_OUT or asked.folder is None:
        return found
    kept = load(asked.folder, asked.btrfs.uuid)
    if kept is None:
        return found
    origin = Origin(SOURCE, "last result; the deadline ran out", datetime.now(UTC), deadline_s)
    return Exact(_sharing(kept.measured, None, _age_s(kept)), origin)


def _now(asked: SharingQuestion, ends: float) -> Sharing:
    with ioctl.opened(asked.mountpoint) as fd:
        kept = None if asked.folder is None else load(asked.folder, asked.btrfs.uuid)
        if kept is not None and _still_true(kept, asked, fd):
            return _sharing(kept.measured, _live(fd), _age_s(kept))
        _sync(asked, ends)
        # Numpy takes a tenth of a second to load; who reuses a result does without.
        from collectors.filesystems.btrfs.trees.measure import measured

        kept_in = None if asked.folder is None else asked.folder / f"btrfs-{asked.btrfs.uuid}.leaves"
        found = measured(fd, asked.host, asked.btrfs, asked.rules, ends, kept_in)
        now = _live(fd)
    shared = _sharing(found, now, 0.0)
    if asked.folder is not None and shared.residual_data_bytes == 0 and not shared.residual_metadata_bytes:
        store(asked.folder, asked.btrfs.uuid, KeptTable(found, digest(asked.rules), time.time()))
    return shared


def _still_true(kept: KeptTable, asked: SharingQuestion, fd: int) -> bool:
    """Nothing was begun since the generation of the last result was committed, and the question is the same."""
    generation = decode.fs_info(ioctl.fs_info(fd)).generation
    same = generation is not None and generation == kept.measured.generation
    return same and kept.rules == digest(asked.rules)


def _sync(asked: SharingQuestion, ends: float) -> None:
    """Commit what is dirty, for at most half of the time: else the last commit is walked, which is right as well."""

    def work() -> None:
        with ioctl.opened(asked.mountpoint) as fd:
            ioctl.syncfs(fd)

    left = (ends - time.monotonic()) * _SYNC_SHARE
    deadline.read("btrfs.sync", f"syncfs {asked.mountpoint}", work, timeout_s=left)


def _live(fd: int) -> ChunkFill:
    used: Counter[str] = Counter()
    for space in decode.spaces(ioctl.space_info(fd), 1):
        used[space.kind] += space.logical_used_bytes
    return ChunkFill.of(used)


def _sharing(found: Measured, now: ChunkFill | None, age_s: float) -> Sharing:
    drift = (None, None) if now is None else table.remainder(now, found.table)
    residual = drift if found.fill is None else table.remainder(found.fill, found.table)
    metadata = found.table.metadata
    return Sharing(
        generation=found.generation,
        method="tree search" if found.fill is None else "device trees",
        fallback=found.fallback,
        rows=table.rows(found.table),
        holdings=table.holdings(found.table),
        tree_metadata_bytes=None if metadata is None else sum(metadata),
        residual_data_bytes=residual[0],
        residual_metadata_bytes=residual[1],
        drift_data_bytes=drift[0],
        drift_metadata_bytes=drift[1],
        bookend_bytes=found.bookend_bytes,
        compressed_bytes=found.compressed_bytes,
        uncompressed_bytes=found.uncompressed_bytes,
        unresolved=found.unresolved,
        blocks_read=found.blocks_read,
        restarts=found.restarts,
        age_s=age_s,
        large_files=found.large_files,
        blocks_remembered=found.blocks_remembered,
        memory_lost=found.memory_lost,
    )


def _age_s(kept: KeptTable) -> float:
    return max(0.0, time.time() - kept.taken_at)
