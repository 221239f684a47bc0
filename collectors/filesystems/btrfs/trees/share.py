"""Who holds which bytes, for the outside: reuse what is still true, sync, walk, check; late is better than a guess."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collectors.filesystems.btrfs import decode, ioctl
from collectors.filesystems.btrfs.trees import cache, table
from collectors.filesystems.btrfs.trees.cache import KeptTable
from collectors.filesystems.btrfs.trees.table import Fill, Measured
from collectors.model.btrfs import Btrfs, Sharing, SplitRule
from collectors.model.reading import Exact, Origin, Reading, Why
from collectors.system import deadline
from collectors.system.host import Host

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
    kept = cache.load(asked.folder, asked.btrfs.uuid)
    if kept is None:
        return found
    origin = Origin(SOURCE, "last result; the deadline ran out", datetime.now(UTC), deadline_s)
    return Exact(_sharing(kept.measured, None, _age_s(kept)), origin)


def _now(asked: SharingQuestion, ends: float) -> Sharing:
    with ioctl.opened(asked.mountpoint) as fd:
        kept = None if asked.folder is None else cache.load(asked.folder, asked.btrfs.uuid)
        if kept is not None and _still_true(kept, asked, fd):
            return _sharing(kept.measured, _live(fd), _age_s(kept))
        _sync(asked, ends)
        # Numpy takes a tenth of a second to load; who reuses a result does without.
        from collectors.filesystems.btrfs.trees.measure import measured

        found = measured(fd, asked.host, asked.btrfs, asked.rules, ends)
        now = _live(fd)
    shared = _sharing(found, now, 0.0)
    if asked.folder is not None and shared.residual_data_bytes == 0 and not shared.residual_metadata_bytes:
        cache.store(asked.folder, asked.btrfs.uuid, KeptTable(found, cache.digest(asked.rules), time.time()))
    return shared


def _still_true(kept: KeptTable, asked: SharingQuestion, fd: int) -> bool:
    """Nothing was begun since the generation of the last result was committed, and the question is the same."""
    generation = decode.fs_info(ioctl.fs_info(fd)).generation
    same = generation is not None and generation == kept.measured.generation
    return same and kept.rules == cache.digest(asked.rules)


def _sync(asked: SharingQuestion, ends: float) -> None:
    """Commit what is dirty, for at most half of the time: else the last commit is walked, which is right as well."""

    def work() -> None:
        with ioctl.opened(asked.mountpoint) as fd:
            ioctl.syncfs(fd)

    left = (ends - time.monotonic()) * _SYNC_SHARE
    deadline.read("btrfs.sync", f"syncfs {asked.mountpoint}", work, timeout_s=left)


def _live(fd: int) -> Fill:
    used: Counter[str] = Counter()
    for space in decode.spaces(ioctl.space_info(fd), 1):
        used[space.kind] += space.logical_used_bytes
    return Fill.of(used)


def _sharing(found: Measured, now: Fill | None, age_s: float) -> Sharing:
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
    )


def _age_s(kept: KeptTable) -> float:
    return max(0.0, time.time() - kept.taken_at)
