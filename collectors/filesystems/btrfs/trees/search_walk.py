"""The other way to walk: the kernel's tree search, one subvolume after the other. For layouts that cannot be read raw.

Shared leaves come once for each subvolume, and with them every item, for the kernel cannot pick types: about twenty
times the work. It shows the running transaction, no tree blocks, and no subvolume that is already deleted.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import ioctl, layout, search
from collectors.filesystems.btrfs.ioctl import SEARCH_HEAD_BYTES, Key
from collectors.filesystems.btrfs.trees import findings, records
from collectors.filesystems.btrfs.trees.findings import Findings
from collectors.filesystems.btrfs.trees.names import Entries
from collectors.model.btrfs import SplitRule, Subvolume
from collectors.model.ids import UnitId
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed

_BUFFER_BYTES = 4 << 20
_SMALL_BYTES = 1 << 16
_SHORT = struct.Struct("<24xII")  # the same answer, type and size alone
_KEY = np.dtype([("transid", "<u8"), ("objectid", "<u8"), ("offset", "<u8"), ("type", "<u4"), ("size", "<u4")])
_OTHERS = (layout.ROOT_TREE, layout.DATA_RELOC_TREE)  # trees with files that are no subvolumes


class SearchAnswer:
    """One buffer of found items."""

    def __init__(self, buffer: bytearray, count: int) -> None:
        self._flat = np.frombuffer(buffer, np.uint8)
        self._places: dict[int, list[int]] = {
            kind: [] for kind in (layout.EXTENT_DATA, layout.INODE_ITEM, layout.INODE_REF, layout.INODE_EXTREF)
        }
        at, size, kind = SEARCH_HEAD_BYTES, 0, 0
        self.last = at
        for _ in range(count):
            if at + _SHORT.size > len(buffer):
                raise Malformed(f"{count} items do not fit into {len(buffer)} bytes")
            kind, size = _SHORT.unpack_from(buffer, at)
            if kind in self._places:
                self._places[kind].append(at)
            self.last = at
            at += _SHORT.size + size

    def extents(self) -> records.Extents:
        return records.extents(self._flat, self._heads(layout.EXTENT_DATA))

    def inodes(self) -> records.InodeRecords:
        return records.inodes(self._flat, self._heads(layout.INODE_ITEM))

    def links(self, wanted: NDArray[np.bool_]) -> records.Links:
        """All of them: the items of one answer belong to one subvolume."""
        return records.links(self._flat, self._heads(layout.INODE_REF), self._heads(layout.INODE_EXTREF))

    def _heads(self, kind: int) -> records.Heads:
        places = np.array(self._places[kind], np.int64)
        keys = records.gathered(self._flat, places, _KEY)
        return records.Heads(
            rows=np.zeros(len(places), np.int64),
            objectids=keys["objectid"].astype(np.uint64),
            offsets=keys["offset"].astype(np.uint64),
            starts=places + _KEY.itemsize,
            sizes=keys["size"].astype(np.int64),
        )


def searched(fd: int, subvolumes: Sequence[Subvolume], rules: Sequence[SplitRule], ends: float) -> Findings:
    """Search every subvolume that is not deleted. Declines without CAP_SYS_ADMIN; TimeoutError after `ends`."""
    living = [subvolume for subvolume in subvolumes if not subvolume.deleted]
    trees = [int(subvolume.id) for subvolume in living] + list(_OTHERS)
    units = [subvolume.unit for subvolume in living] + [UnitId(layout.TREE_NAMES[tree]) for tree in _OTHERS]
    small = bytearray(SEARCH_HEAD_BYTES + _SMALL_BYTES)

    def first(subvolume: int, low: Key, high: Key) -> tuple[Key, bytes] | None:
        return next(search.found(fd, subvolume, low, high, small), None)

    parents = {int(subvolume.id): int(subvolume.parent) for subvolume in living if subvolume.parent is not None}
    bits = {tree: bit for bit, tree in enumerate(trees)}
    found = findings.empty(bits, units, Entries(first, parents, lambda subvolumes, key: None), rules)
    for tree, bit in bits.items():
        holder = np.array([found.sets.number(1 << bit)], np.int64)
        for answer in _answers(fd, tree, ends):
            found.take(answer, holder)
    return found


def _answers(fd: int, tree: int, ends: float) -> Iterator[SearchAnswer]:
    buffer = bytearray(SEARCH_HEAD_BYTES + _BUFFER_BYTES)
    low: Key | None = ioctl.LOWEST
    while low is not None:
        if time.monotonic() > ends:
            raise TimeoutError("the deadline ran out during the tree search")
        try:
            count = ioctl.tree_search(fd, tree, low, ioctl.HIGHEST, buffer)
        except PermissionError:
            raise Declined(Why.NOT_PERMITTED, "searching btrfs trees needs CAP_SYS_ADMIN") from None
        except FileNotFoundError:  # deleted since the subvolumes were listed
            return
        if not count:
            return
        answer = SearchAnswer(buffer, count)
        yield answer
        _, objectid, offset, kind, _ = search.ANSWER.unpack_from(buffer, answer.last)
        low = search.following((objectid, kind, offset))
