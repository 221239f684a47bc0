"""The units of one filesystem: Docker's directories, bind mounts, btrfs subvolumes. A pure join by path.

Owners that only make sense across sources are named here: a log is an owner of its own, so that it can be cut
while its container lives; a proven orphan belongs to itself, and so does what an interrupted write or a former driver
left behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from collectors.inventory import exact
from collectors.model.btrfs import Btrfs, Sharing, SplitRule, Subvolume
from collectors.model.engine import Container
from collectors.model.filesystem import Mount
from collectors.model.ids import UnitId
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Reading
from collectors.model.store import Orphanhood, Store, Unit, UnitKind
from collectors.system.locate import path_within, within


def docker_units(store: Store, mount: Mount, places: Places) -> tuple[Unit, ...]:
    """The units of the store that lie on `mount`, with their owners completed."""
    if not isinstance(store.units, Exact):
        return ()
    orphans: frozenset[UnitId] = frozenset()
    if isinstance(store.orphans, Exact):
        orphans = frozenset(p.unit for p in store.orphans.value if p.verdict is Orphanhood.ORPHAN)
    here = (unit for unit in store.units.value if places.on(unit.path, mount))
    # Podman and containerd clear away by themselves what they did not finish; the graph drivers' engine may not.
    database = f"image/{store.driver}"
    stays = any(u.kind is UnitKind.LAYER_DATABASE and u.name == database for u in store.units.value)
    return tuple(_owned(unit, orphans, stays) for unit in here)


def _owned(unit: Unit, orphans: frozenset[UnitId], stays: bool) -> Unit:
    if unit.kind is UnitKind.LOG:
        names = (owner.id for owner in unit.owners if owner.kind is OwnerKind.CONTAINER)
        return replace(unit, owners=frozenset(Owner(OwnerKind.LOG, name) for name in names))
    if unit.id in orphans:
        return replace(unit, owners=frozenset({Owner(OwnerKind.ORPHAN, unit.path)}))
    if unit.kind is UnitKind.OTHER_DRIVER or (unit.kind is UnitKind.INTERRUPTED_WRITE and stays):
        return replace(unit, owners=frozenset({Owner(OwnerKind.LEFTOVER, unit.path)}))
    return unit


def bind_units(containers: Iterable[Container], docker_root: str, mount: Mount, places: Places) -> tuple[Unit, ...]:
    """Host directories that containers mount, each once, named after their containers.

    They have no owners: removing the container does not remove them. A directory that holds the Docker root, or the
    root of the filesystem, would swallow everything else and is left out.
    """
    users: dict[str, set[str]] = {}
    for container in containers:
        for attached in container.attachments:
            source = os.path.normpath(attached.source) if attached.source.startswith("/") else ""
            if attached.kind != "bind" or not source or within(docker_root, source) or within(source, docker_root):
                continue
            if source != mount.mountpoint and places.on(source, mount):
                users.setdefault(source, set()).add(container.name)
    outer = [path for path in sorted(users) if not any(path != other and within(path, other) for other in users)]
    return tuple(
        Unit(UnitId(path), UnitKind.BIND, path, ", ".join(sorted(users[path])), frozenset(), False, None)
        for path in outer
    )


def subvolume_units(btrfs: Btrfs, mount: Mount, places: Places, units: Iterable[Unit]) -> tuple[Unit, ...]:
    """The subvolumes that no unit of Docker's names: snapshots, others, and those that wait for the cleaner."""
    if not isinstance(btrfs.subvolumes, Exact):
        return ()
    named = {places.inside(unit.path): unit for unit in units}
    former = {path: unit for path, unit in named.items() if unit.kind is UnitKind.OTHER_DRIVER}
    mounted = {m.root.strip("/") for m in places.mounts if m.fstype == "btrfs"}
    answer = []
    for subvolume in btrfs.subvolumes.value:
        if subvolume.deleted:
            owner = Owner(OwnerKind.DELETED, str(subvolume.id))
            name = f"subvolume {subvolume.id}"
            unit = Unit(subvolume.unit, UnitKind.DELETED, "", name, frozenset({owner}), False, subvolume.created_at)
            answer.append(unit)
        elif subvolume.path not in named:
            home = next((unit for path, unit in former.items() if within(subvolume.path, path)), None)
            answer.append(_of_former(subvolume, home) if home else _outside(subvolume, subvolume.path in mounted))
    return tuple(answer)


def _of_former(subvolume: Subvolume, home: Unit) -> Unit:
    """A layer of the btrfs driver that is not in use any more: it goes with its driver's directory."""
    name = f"{home.name}: {subvolume.path.rpartition('/')[2]}"
    return replace(home, id=subvolume.unit, path=subvolume.path, name=name, created_at=subvolume.created_at)


def _outside(subvolume: Subvolume, mounted: bool) -> Unit:
    """A snapshot that is mounted and writable is somebody's live tree (a rolled-back root), not a leftover copy."""
    is_snapshot = bool(subvolume.parent_uuid) and (subvolume.read_only or not mounted)
    kind = UnitKind.SNAPSHOT if is_snapshot else UnitKind.SUBVOLUME
    owners = frozenset({Owner(OwnerKind.SNAPSHOT, subvolume.path)}) if is_snapshot else frozenset[Owner]()
    name = subvolume.path or "top level"
    return Unit(subvolume.unit, kind, subvolume.path, name, owners, subvolume.read_only, subvolume.created_at)


def unlisted_units(sharing: Sharing, units: Iterable[Unit]) -> tuple[Unit, ...]:
    """The subvolumes that only the exact walk met, where they could not be listed: snapshots or not, nobody knows."""
    named = {unit.id for unit in units}
    answer = []
    for holding in sharing.holdings:
        name = holding.unit
        if name in named or name == exact.UNLINKED or exact.is_tree(name):
            continue
        number = name.removeprefix("<deleted>/")
        if number != name:
            owners = frozenset({Owner(OwnerKind.DELETED, number)})
            answer.append(Unit(name, UnitKind.DELETED, "", f"subvolume {number}", owners, False, None))
        elif name:  # the top level is no snapshot
            answer.append(Unit(name, UnitKind.SUBVOLUME, name, name, frozenset(), False, None))
    return tuple(answer)


def split_rules(units: Iterable[Unit], places: Places) -> tuple[SplitRule, ...]:
    """Directories of the filesystem for the exact walk, by their paths below its top level."""
    return tuple(SplitRule(places.inside(unit.path), unit.id) for unit in units)


def host_directories(mount: Mount, places: Places, docker_root: str, *, most: int = 400) -> tuple[Unit, ...]:
    """Directories outside Docker, two levels deep, so that the exact walk can name what fills `other_files`."""
    # The trees also tell what lies below a mountpoint, where no path leads any more.
    answer = [_host(path) for path in places.covered(mount)]
    home = _device(mount.mountpoint)  # each subvolume has a device number of its own: others are units already
    fringe = [(mount.mountpoint, 0)]
    while fringe and len(answer) < most:
        folder, depth = fringe.pop(0)
        for path in _folders(folder):
            if within(path, docker_root) or not places.under(path, mount) or _device(path) != home:
                continue
            if not within(docker_root, path):
                answer.append(_host(path))
            if depth < 2:
                fringe.append((path, depth + 1))
    return tuple(answer[:most])


def _host(path: str) -> Unit:
    return Unit(UnitId(path), UnitKind.HOST, path, path, frozenset(), False, None)


def _device(path: str) -> int | None:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return None


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:  # vanished or not ours to read: the walk of the trees still counts it, unnamed
        return []


class Places:
    """Which mount a path is on, asked many times. The last mount on a mountpoint is the one that is seen."""

    def __init__(self, mounts: tuple[Mount, ...]) -> None:
        self.mounts = mounts
        self._at = {mount.mountpoint: mount for mount in mounts}

    def mount_of(self, path: str) -> Mount | None:
        """The mount nearest above `path` (absolute, without links)."""
        while True:
            found = self._at.get(path)
            if found is not None or path == "/":
                return found
            path = path.rpartition("/")[0] or "/"

    def widest(self, mount: Mount) -> Mount:
        """The mount that shows the most of the same filesystem and all that `mount` shows; often itself.

        Engines bind their root over itself: seen through that bind, a filesystem would end at the Docker root.
        """
        around = (m for m in self.mounts if m.device == mount.device and within(mount.root, m.root))
        seen = [m for m in around if self._at[m.mountpoint] is m]
        return min(seen, key=lambda m: (len(m.root), not within(mount.mountpoint, m.mountpoint)), default=mount)

    def home_of(self, path: str) -> Mount | None:
        """Through which mount the filesystem of `path` is best studied."""
        mount = self.mount_of(path)
        return None if mount is None else self.widest(mount)

    def on(self, path: str, mount: Mount) -> bool:
        """Whether `path` lies on the filesystem of `mount`, through whatever mount of it.

        dockerd binds `<root>/btrfs` over itself: the same filesystem under another mount.
        """
        here = self.mount_of(path)
        return here is not None and here.device == mount.device

    def under(self, path: str, mount: Mount) -> bool:
        """Whether `path` is reached through `mount` itself."""
        here = self.mount_of(path)
        return here is not None and here.mount_id == mount.mount_id

    def covered(self, mount: Mount) -> tuple[str, ...]:
        """Directories of `mount` that are mountpoints of another filesystem."""
        others = (m.mountpoint for m in self.mounts if m.device != mount.device and m.mountpoint != "/")
        return tuple(sorted({path for path in others if self._above(path) == mount.mount_id}))

    def _above(self, mountpoint: str) -> int | None:
        holder = self.mount_of(mountpoint.rpartition("/")[0] or "/")
        return holder.mount_id if holder is not None else None

    def inside(self, path: str) -> str:
        """`path` from the top of its filesystem, without a leading slash; a mountpoint is the directory below it."""
        here = self.mount_of(path)
        if here is not None and here.mountpoint == path and path != "/":
            above = self.mount_of(path.rpartition("/")[0] or "/")
            here = above if above is not None and above.device != here.device else here
        return (path if here is None else path_within(path, here)).strip("/")


def listed(reading: Reading[tuple[Container, ...]]) -> tuple[Container, ...]:
    """The containers, or none where they could not be listed."""
    return reading.value if isinstance(reading, Exact) else ()
