"""What fills a disk or makes it fail: one folder a cause, and every cause once in this tuple.

A new cause is a folder, one entry here, its test and its mess in the lab: findings, plan, remedies, reasons, metrics,
alerts and the table of the README follow. `base.py` says what a cause is; code that removes something is in the
folder's `remove.py`, which only `reclaim` loads.
"""

from __future__ import annotations

from collectors.causes import (
    bind_mounts,
    btrfs_bookends,
    btrfs_device_errors,
    btrfs_inexact,
    btrfs_metadata,
    btrfs_pending,
    btrfs_quotas,
    btrfs_snapshots,
    btrfs_unallocated,
    build_cache,
    builder_volumes,
    churn,
    container_core_dumps,
    core_dumps,
    dangling_images,
    deleted_open,
    disk_forecast,
    disk_full,
    disk_unknown,
    engine_tmp,
    engine_unreachable,
    ext_reserve,
    forced_read_only,
    hidden_below_mount,
    host_files,
    inodes_exhausted,
    interrupted_writes,
    journald,
    logs_unbounded,
    nested_root,
    no_cache_ceiling,
    no_docker_root,
    no_log_rotation,
    orphan_candidates,
    orphans,
    orphans_unknown,
    other_driver,
    plugin_data,
    podman_prune,
    root_snapshotted,
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
    btrfs_unallocated.CAUSE,
    build_cache.CAUSE,
    stopped_containers.CAUSE,
    dangling_images.CAUSE,
    unused_images.CAUSE,
    logs_unbounded.CAUSE,
    engine_tmp.CAUSE,
    interrupted_writes.CAUSE,
    other_driver.CAUSE,
    orphans.CAUSE,
    orphan_candidates.CAUSE,
    btrfs_snapshots.CAUSE,
    deleted_open.CAUSE,
    builder_volumes.CAUSE,
    unused_volumes.CAUSE,
    core_dumps.CAUSE,
    journald.CAUSE,
    disk_unknown.CAUSE,
    disk_full.CAUSE,
    disk_forecast.CAUSE,
    no_docker_root.CAUSE,
    inodes_exhausted.CAUSE,
    ext_reserve.CAUSE,
    forced_read_only.CAUSE,
    unattributed.CAUSE,
    engine_unreachable.CAUSE,
    podman_prune.CAUSE,
    no_log_rotation.CAUSE,
    no_cache_ceiling.CAUSE,
    churn.CAUSE,
    root_snapshotted.CAUSE,
    btrfs_device_errors.CAUSE,
    btrfs_quotas.CAUSE,
    btrfs_inexact.CAUSE,
    orphans_unknown.CAUSE,
    plugin_data.CAUSE,
    container_core_dumps.CAUSE,
    nested_root.CAUSE,
    bind_mounts.CAUSE,
    hidden_below_mount.CAUSE,
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
