"""What a walk has to be told: where in the tree each unit lies, and which directories other mounts cover. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from collectors.model.filesystem import Mount
from collectors.model.store import Unit, UnitKind
from collectors.system.places import MountTree, below, path_within, within

# Filesystems that ask somebody else, who may not answer. A unit on one of these is not looked up by its path.
_REMOTE = (
    "nfs",
    "cifs",
    "smb",
    "fuse",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "afs",
    "autofs",
    "virtiofs",
    "ocfs",
    "gfs",
)


@dataclass(frozen=True, slots=True)
class Targets:
    """Units are known by their place in `units`; paths in the tree are relative to the walk's root."""

    mount: Mount
    units: tuple[tuple[str, str | None] | None, ...]  # (path, path in the tree); None: not to be looked up
    immutable: frozenset[int]
    tracked: frozenset[int]  # may change, and are to be remembered for as long as they do not
    rotated: frozenset[int]  # a log and the files that it was rotated to
    covered: tuple[str, ...]  # directories that other mounts lie on


def targets(mountpoint: str, units: tuple[Unit, ...], mounts: tuple[Mount, ...]) -> Targets | None:
    """None where `mountpoint` is on no mount of the table.

    A unit may be reached through another mount of the same filesystem (a bind mount, a subvolume's): both paths are
    compared as paths from the filesystem's root. One that a symbolic link leads to is found by its inode, on the way.
    """
    tree = MountTree(mounts)
    mount = tree.of(mountpoint)
    if mount is None:
        return None
    root = path_within(mountpoint, mount)
    # In this order, what lies below a path comes right behind it.
    paths = sorted((os.path.normpath(unit.path) for unit in units), key=lambda path: path.replace("/", "\0"))
    holds_another = {one for one, other in pairwise(paths) if within(other, one)}
    alone = [index for index, unit in enumerate(units) if os.path.normpath(unit.path) not in holds_another]
    return Targets(
        mount=mount,
        units=tuple(_place(os.path.normpath(unit.path), mount, root, tree) for unit in units),
        # Figures of a unit that holds another one would change with the other's place.
        immutable=frozenset(index for index in alone if units[index].immutable),
        tracked=frozenset(index for index in alone if not units[index].immutable),
        rotated=frozenset(index for index, unit in enumerate(units) if unit.kind is UnitKind.LOG),
        covered=tuple(sorted(set(_covered(mount, mountpoint, tree)))),
    )


def _place(path: str, mount: Mount, root: str, tree: MountTree) -> tuple[str, str | None] | None:
    if not path.startswith("/"):
        return None  # a deleted subvolume has no path any more
    on = tree.of(path)
    if on is None:
        return (path, None)
    if on.device == mount.device:
        inside = path_within(path, on)
        return (path, below(inside, root) if within(inside, root) else None)
    return None if on.fstype.startswith(_REMOTE) else (path, None)


def _covered(mount: Mount, mountpoint: str, tree: MountTree) -> Iterator[str]:
    for child in tree.children(mount):
        if not within(child.mountpoint, mountpoint) or child.mountpoint == mountpoint:
            continue
        # Engines bind their own directory onto itself: that hides nothing and is the same directory.
        if child.device == mount.device and child.root == path_within(child.mountpoint, mount):
            yield from _covered(child, mountpoint, tree)
        else:
            yield below(child.mountpoint, mountpoint)
