"""What can be said of a disk that this process cannot open: from inside a container, or of a remote engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from collectors.filesystems import btrfs as btrfs_source
from collectors.filesystems.reserved import own_blocks
from collectors.inventory import coverage, exact
from collectors.inventory.request import Clock, Request
from collectors.inventory.study import btrfs_report
from collectors.model.engine import EngineView
from collectors.model.filesystem import Filesystem, Mount
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.model.snapshot import FilesystemStudy, SourceReport
from collectors.system.locate import host_view_from_container
from collectors.system.statvfs import space as statvfs

Found = tuple[FilesystemStudy, tuple[SourceReport, ...]]


def from_container(request: Request, mounts: tuple[Mount, ...], view: EngineView, clock: Clock) -> Found | None:
    """The host's filesystem through the bind mount of /etc/hostname: its fill, and on btrfs its allocation.

    None where this is no container, or not one of the engine that was asked (it lists no container of our id).
    """
    seen = host_view_from_container(request.host, mounts)
    if isinstance(seen, Unavailable):
        return None
    inside = seen.value
    if isinstance(view.containers, Exact) and inside.container_id not in {c.id for c in view.containers.value}:
        return None
    mount = next(m for m in mounts if m.mountpoint == inside.path)
    space = statvfs(Path(inside.path), timeout_s=clock.left(at_most=5.0))
    detail = "the Docker root is not mounted in this container: bind it read-only to see who holds the bytes"
    unseen = Unavailable(Why.NOT_REACHABLE, detail, seen.origin)
    btrfs = None
    own = own_blocks(mount, request.host, timeout_s=clock.left(at_most=5.0))
    if mount.fstype == "btrfs":
        btrfs = btrfs_source.filesystem(Path(inside.path), request.host, timeout_s=clock.left(at_most=5.0))
        own = exact.own_bytes(btrfs.value, unseen) if isinstance(btrfs, Exact) else btrfs
    study = FilesystemStudy(Filesystem(mount, space), (), unseen, btrfs, own, unseen, ())
    lines = [
        coverage.line("docker root", unseen),
        coverage.line(f"statvfs through {inside.path}", space),
        coverage.line("bytes by holder", unseen),
        coverage.line("filesystem's own bytes", own),
        coverage.line("deleted but open", unseen),
    ]
    if btrfs is not None:
        lines.append(btrfs_report(btrfs))
    return study, tuple(lines)


def remote_study(why: Unavailable) -> Found:
    """A filesystem of which nothing is known but what the engine claims."""
    origin = Origin("statvfs", "not asked", datetime.now(UTC), 0.0)
    unknown = Unavailable(why.why, why.detail, origin)
    mount = Mount(0, 0, "", "/", "?", (), "unknown", "unknown", ())
    study = FilesystemStudy(Filesystem(mount, unknown), (), unknown, None, unknown, unknown, ())
    return study, (coverage.line("filesystem", unknown),)
