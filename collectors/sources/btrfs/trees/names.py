"""Paths and inodes of one committed generation: what a subvolume is called, and which inode a path leads to."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from collectors.model.ids import UnitId
from collectors.sources.bounded import Malformed
from collectors.sources.btrfs import layout
from collectors.sources.btrfs.ioctl import U64_MAX
from collectors.sources.btrfs.trees import crc32c
from collectors.sources.btrfs.trees.blocks import Pointer
from collectors.sources.btrfs.trees.small import Trees

_REF_HEAD = struct.Struct("<QH")
_DIR_HEAD = struct.Struct("<QBQQHHB")
_DEEPEST = 4096  # directories above one another; more is a loop


class Names:
    """Looks names up in the trees and remembers directories, which subvolumes of one driver have in common."""

    def __init__(
        self,
        trees: Trees,
        subvolumes: Mapping[int, Pointer],
        places: Mapping[int, tuple[int, int, str]],
        deleted: set[int],
    ) -> None:
        """`places`: subvolume → (parent, inode of the directory in it, name)."""
        self.subvolumes = subvolumes
        self._trees = trees
        self._places = places
        self._deleted = deleted
        self._paths: dict[int, str | None] = {layout.TOP_LEVEL: ""}
        self._directories: dict[tuple[int, int], str | None] = {}
        self._inodes: dict[tuple[int, int, str], tuple[int, int] | None] = {}

    def unit(self, subvolume: int) -> UnitId:
        """The holder's name: the path below the top level, or "<deleted>/<id>" where none leads to it."""
        path = None if subvolume in self._deleted else self._path(subvolume)
        return UnitId(f"<deleted>/{subvolume}" if path is None else path)

    def inode(self, path: str) -> tuple[int, int] | None:
        """(subvolume, inode) of a path below the top level; None where it leads nowhere."""
        at: tuple[int, int] | None = (layout.TOP_LEVEL, layout.SUBVOLUME_DIRECTORY)
        for name in (part for part in path.split("/") if part and part != "."):
            if at is None:
                return None
            step = (*at, name)
            if step not in self._inodes:
                self._inodes[step] = self._entry(*step)
            at = self._inodes[step]
        return at

    def _path(self, subvolume: int) -> str | None:
        if subvolume not in self._paths:
            self._paths[subvolume] = None  # a loop ends here
            place = self._places.get(subvolume)
            above = self._path(place[0]) if place is not None else None
            within = self._directory(place[0], place[1]) if place is not None else None
            if place is not None and above is not None and within is not None:
                self._paths[subvolume] = "/".join(part for part in (above, within, place[2]) if part)
        return self._paths[subvolume]

    def _directory(self, subvolume: int, inode: int) -> str | None:
        """The path of a directory within its subvolume; subvolumes of one driver ask for the same one."""
        if (subvolume, inode) not in self._directories:
            self._directories[subvolume, inode] = self._climbed(subvolume, inode)
        return self._directories[subvolume, inode]

    def _climbed(self, subvolume: int, inode: int) -> str | None:
        root = self.subvolumes.get(subvolume)
        parts: list[str] = []
        while inode != layout.SUBVOLUME_DIRECTORY:
            low, high = (inode, layout.INODE_REF, 0), (inode, layout.INODE_REF, U64_MAX)
            found = None if root is None else self._trees.first(root, low, high)
            if found is None or len(parts) > _DEEPEST:
                return None
            parts.append(_first_name(found[1]))
            inode = found[0][2]
        return "/".join(reversed(parts))

    def _entry(self, subvolume: int, directory: int, name: str) -> tuple[int, int] | None:
        root = self.subvolumes.get(subvolume)
        if root is None:
            return None
        raw = name.encode("utf-8", "surrogateescape")
        key = (directory, layout.DIR_ITEM, crc32c.name_hash(raw))
        found = self._trees.first(root, key, key)
        target = None if found is None else _target(found[1], raw)
        if target is None:
            return None
        objectid, kind = target
        if kind != layout.ROOT_ITEM:
            return subvolume, objectid
        # In a snapshot, the names of subvolumes that were nested in its source lead to empty directories.
        real = self._places.get(objectid, (0, 0, ""))[0] == subvolume
        return (objectid, layout.SUBVOLUME_DIRECTORY) if real else None


def _first_name(data: bytes) -> str:
    """INODE_REF: the first of the names that an inode has in one directory."""
    if len(data) < _REF_HEAD.size:
        raise Malformed(f"inode reference: {len(data)} bytes")
    _, length = _REF_HEAD.unpack_from(data)
    return data[_REF_HEAD.size : _REF_HEAD.size + length].decode("utf-8", "surrogateescape")


def _target(data: bytes, wanted: bytes) -> tuple[int, int] | None:
    """DIR_ITEM: (objectid, type) of the entry of this name; names of one hash share the item."""
    at = 0
    while at + _DIR_HEAD.size <= len(data):
        objectid, kind, _, _, data_length, name_length, _ = _DIR_HEAD.unpack_from(data, at)
        at += _DIR_HEAD.size
        if data[at : at + name_length] == wanted:
            return objectid, kind
        at += name_length + data_length
    return None
