"""Small worlds for accounting tests: units, shares and a snapshot around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from collectors.model import UnitId
from collectors.model.engine import EngineView
from collectors.model.filesystem import Occupancy, OpenFiles, Share, Usage
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import Unit, UnitKind
from tests.owners import owner
from tests.world import a_filesystem, a_view

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Origin("test", "built", NOW, 0.0)
NOT_READ = Unavailable(Why.NOT_PERMITTED, "no privilege", HERE)


def unit(name: str, kind: UnitKind, *owners: str, immutable: bool = False) -> Unit:
    return Unit(UnitId(name), kind, f"/d/{name}", name, frozenset(map(owner, owners)), immutable, None)


def share(count: int, *holders: str, inodes: int = 0) -> Share:
    return Share(frozenset(map(UnitId, holders)), count, 0, inodes)


def occupancy(shares: tuple[Share, ...], unread: tuple[Unavailable, ...] = ()) -> Occupancy:
    held: dict[UnitId, int] = {}
    for one in shares:
        for holder in one.holders:
            held[holder] = held.get(holder, 0) + one.bytes
    usages: Mapping[UnitId, Usage] = {
        holder: Usage(Exact(count, HERE), Exact(count, HERE), Exact(1, HERE), NOT_READ, ())
        for holder, count in held.items()
    }
    return Occupancy("test", usages, shares, (), unread, 0, 0.0, None)


def study(
    units: tuple[Unit, ...],
    holders: Reading[Occupancy],
    *,
    used: int,
    total: int = 10_000,
    own: int = 0,
    inodes: tuple[int, int] | None = None,
    own_inodes: int = 0,
) -> FilesystemStudy:
    """`inodes`: used and all; None: the filesystem has no fixed number of them."""
    filesystem = a_filesystem(total, used, HERE, mountpoint="/d", fstype="ext4", block=1)
    if inodes is not None and isinstance(filesystem.space, Exact):
        left = inodes[1] - inodes[0]
        space = replace(filesystem.space.value, inodes=inodes[1], inodes_free=left, inodes_available=left)
        filesystem = replace(filesystem, space=Exact(space, HERE))
    return FilesystemStudy(
        filesystem,
        units,
        holders,
        None,
        Exact(own, HERE),
        Exact(OpenFiles((), ()), HERE),
        (),
        Exact(False, HERE),
        False,
        Exact(own_inodes, HERE),
    )


def snapshot(one: FilesystemStudy, view: EngineView | None = None) -> Snapshot:
    store = Unavailable(Why.NOT_ASKED, "built by hand", HERE)
    return Snapshot("host", NOW, NOW, Exact("/d", HERE), view or a_view(NOT_READ), store, store, (one,), (), False)
