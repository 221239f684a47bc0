"""What can be said of a disk that this process cannot open: from inside a container, or of a remote engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from collectors.filesystems import kind_of
from collectors.inventory import coverage
from collectors.inventory.request import Request
from collectors.inventory.study import facts_line
from collectors.model.engine import EngineView
from collectors.model.filesystem import Filesystem, Mount
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.model.snapshot import FilesystemStudy, SourceReport
from collectors.system.deadline import Clock
from collectors.system.places import host_view_from_container
from collectors.system.statvfs import space as statvfs

Found = tuple[FilesystemStudy, tuple[SourceReport, ...]]


def from_container(request: Request, mounts: tuple[Mount, ...], view: EngineView, clock: Clock) -> Found | None:
    """The host's filesystem through the bind mount of /etc/hostname: its fill, and what the filesystem tells of itself.

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
    kind, timeout_s = kind_of(mount.fstype), clock.left(at_most=5.0)
    found = kind.unopened(mount, Path(inside.path), request.host, unseen, timeout_s=timeout_s)
    own = found.own or kind.own_bytes(mount, request.host, timeout_s=timeout_s)
    here = Filesystem(mount, space)
    study = FilesystemStudy(here, (), unseen, found.facts, own, unseen, (), found.snapshots, found.beyond_mount)
    lines = [
        coverage.line("docker root", unseen),
        coverage.line(f"statvfs through {inside.path}", space),
        coverage.line("bytes by holder", unseen),
        coverage.line("filesystem's own bytes", own),
        coverage.line("deleted but open", unseen),
    ]
    if found.facts is not None:
        lines.append(facts_line(mount, found.facts))
    return study, tuple(lines)


def remote_study(why: Unavailable) -> Found:
    """A filesystem of which nothing is known but what the engine claims."""
    origin = Origin("statvfs", "not asked", datetime.now(UTC), 0.0)
    unknown = Unavailable(why.why, why.detail, origin)
    mount = Mount(0, 0, "", "/", "?", (), "unknown", "unknown", ())
    study = FilesystemStudy(
        Filesystem(mount, unknown), (), unknown, None, unknown, unknown, (), unknown, beyond_mount=False
    )
    return study, (coverage.line("filesystem", unknown),)
