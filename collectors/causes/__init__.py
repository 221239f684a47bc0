"""What fills a disk or makes it fail: one folder a cause, and every cause once in this tuple.

Causes that are one thing at several severities (orphans and candidates), or one subject (the engine's settings), share
a folder.

A new cause is a folder, one entry here, its test and its mess in the lab: findings, plan, remedies, reasons, metrics,
alerts and the table of the README follow. `base.py` says what a cause is; code that removes something is in the
folder's `remove.py`, which only `reclaim` loads.
"""

from __future__ import annotations

from collectors.causes import (
    btrfs_bookends,
    btrfs_figures,
    btrfs_metadata,
    btrfs_pending,
    btrfs_snapshots,
    build_cache,
    churn,
    core_dumps,
    deleted_open,
    disk_full,
    engine_leftovers,
    engine_settings,
    ext_reserve,
    filesystem_errors,
    host_files,
    inodes_exhausted,
    journald,
    logs_unbounded,
    no_engine,
    orphans,
    other_stores,
    stopped_containers,
    unattributed,
    unused_images,
    unused_volumes,
)
from collectors.causes.base import Cause

# In the order in which a plan asks them; of equal findings the worst and largest is told first, whatever stands here.
CAUSES: tuple[Cause, ...] = (
    btrfs_pending.CAUSE,
    btrfs_bookends.CAUSE,
    btrfs_metadata.CAUSE,
    btrfs_metadata.UNALLOCATED,
    btrfs_metadata.DATA,
    build_cache.CAUSE,
    stopped_containers.CAUSE,
    unused_images.DANGLING,
    unused_images.CAUSE,
    unused_images.CONTAINERD,
    logs_unbounded.CAUSE,
    engine_leftovers.TEMPORARY,
    engine_leftovers.INTERRUPTED,
    other_stores.DRIVER,
    orphans.CAUSE,
    orphans.CANDIDATE,
    btrfs_snapshots.CAUSE,
    deleted_open.CAUSE,
    unused_volumes.BUILDER,
    unused_volumes.CAUSE,
    core_dumps.CAUSE,
    journald.CAUSE,
    disk_full.UNKNOWN,
    disk_full.CAUSE,
    disk_full.FORECAST,
    no_engine.NO_ROOT,
    inodes_exhausted.CAUSE,
    ext_reserve.CAUSE,
    filesystem_errors.READ_ONLY,
    unattributed.CAUSE,
    no_engine.UNREACHABLE,
    engine_settings.PRUNE,
    engine_settings.LOGS,
    engine_settings.CACHE,
    churn.CAUSE,
    btrfs_snapshots.OF_ROOT,
    filesystem_errors.DEVICE,
    filesystem_errors.MISSING,
    btrfs_figures.QUOTA,
    btrfs_figures.PROFILES,
    btrfs_figures.INEXACT,
    orphans.UNKNOWN,
    other_stores.PLUGIN,
    core_dumps.CONTAINER,
    other_stores.NESTED,
    other_stores.FORMER,
    other_stores.ENGINE,
    other_stores.UNKNOWN,
    host_files.BIND,
    host_files.HIDDEN,
    host_files.CAUSE,
)


def find(rule: str) -> Cause | None:
    """The cause with this id; None for none, as of a finding from another version."""
    return next((cause for cause in CAUSES if cause.id == rule), None)


def table() -> str:
    """All causes in Markdown, as the README prints them."""
    rows = (f"| `{cause.id}` | {cause.line} | {_harm(cause)} |" for cause in CAUSES)
    return "\n".join(("| Finding | What it is | Its mildest remedy costs |", "|---|---|---|", *rows))


def _harm(cause: Cause) -> str:
    return "–" if cause.harm is None else cause.harm.name.lower()
