"""What fills a disk or makes it fail: one folder a cause, and every cause once in this tuple.

Causes that are one thing at several severities (orphans and candidates), or one subject (the engine's settings), share
a folder.

A new cause is a folder, one entry here, its test and its mess in the lab: findings, plan, remedies, reasons, metrics,
alerts and the table of the README follow. `base.py` says what a cause is; code that removes something is in the
folder's `remove.py`, which only `reclaim` loads. `detect` looks for every cause and puts what it found in order. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from collectors.causes import (
    btrfs_metadata,
    btrfs_snapshots,
    build_cache,
    containers_and_volumes,
    deleted_open,
    disk_full,
    engine_leftovers,
    filesystem_health,
    host_files,
    logs_unbounded,
    orphans,
    other_stores,
    unused_images,
)
from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.plan import Finding, Severity
from collectors.model.reading import charged

# In the order in which a plan asks them; of equal findings the worst and largest is told first, whatever stands here.
CAUSES: tuple[Cause, ...] = (
    btrfs_snapshots.PENDING,
    filesystem_health.BOOKENDS,
    btrfs_metadata.CAUSE,
    btrfs_metadata.FORECAST,
    btrfs_metadata.UNALLOCATED,
    btrfs_metadata.DATA,
    build_cache.CAUSE,
    build_cache.CACHE_MOUNTS,
    containers_and_volumes.CONTAINERS,
    unused_images.DANGLING,
    unused_images.CAUSE,
    unused_images.CONTAINERD,
    logs_unbounded.CAUSE,
    engine_leftovers.TEMPORARY,
    engine_leftovers.INTERRUPTED,
    engine_leftovers.LEASED_CAUSE,
    engine_leftovers.BLOBS_CAUSE,
    other_stores.DRIVER,
    orphans.CAUSE,
    orphans.CANDIDATE,
    btrfs_snapshots.CAUSE,
    deleted_open.CAUSE,
    containers_and_volumes.BUILDER,
    containers_and_volumes.VOLUMES,
    host_files.CORES,
    host_files.JOURNALD,
    disk_full.UNKNOWN,
    disk_full.CAUSE,
    disk_full.FORECAST,
    logs_unbounded.NO_ROOT,
    disk_full.INODES,
    disk_full.QUOTA,
    disk_full.RESERVE,
    filesystem_health.READ_ONLY,
    filesystem_health.UNATTRIBUTED,
    logs_unbounded.UNREACHABLE,
    logs_unbounded.PRUNE,
    logs_unbounded.LOGS,
    logs_unbounded.CACHE,
    build_cache.CHURN,
    btrfs_snapshots.OF_ROOT,
    filesystem_health.DEVICE,
    filesystem_health.MISSING,
    filesystem_health.QUOTA,
    filesystem_health.PROFILES,
    filesystem_health.INEXACT,
    orphans.UNKNOWN,
    other_stores.PLUGIN,
    host_files.CONTAINER,
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


def detect(context: FindingContext) -> tuple[Finding, ...]:
    """All findings of one filesystem, worst first, then largest; each with the category of its cause.

    Of another filesystem than the Docker root's they name it.
    """
    mount = "" if context.of_root else context.study.filesystem.mount.mountpoint
    found = [
        replace(finding, category=finding.category or cause.category, claim=placed(finding.claim, mount), mount=mount)
        for cause in CAUSES
        if context.of_root or not cause.of_engine
        for finding in cause.detect(context)
    ]
    return in_order(found)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, then the largest."""
    return tuple(sorted(findings, key=_order))


def placed(claim: str, mount: str) -> str:
    """With the filesystem that it is about, where that is not the Docker root's."""
    return f"{claim} (on {mount})" if mount and mount not in claim else claim


def severity(findings: Iterable[Finding]) -> Severity:
    """The worst of them; OK where there is none."""
    return max((finding.severity for finding in findings), default=Severity.OK)


def is_symptom(finding: Finding) -> bool:
    """Does it say how bad it is, not who it is?"""
    cause = find(finding.rule)
    return cause is not None and cause.symptom


def _order(finding: Finding) -> tuple[int, int, str]:
    return (-int(finding.severity), -_bytes(finding), finding.rule)


def _bytes(finding: Finding) -> int:
    return charged(finding.bytes) if finding.bytes is not None else 0
