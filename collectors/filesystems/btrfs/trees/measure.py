"""One exact measurement: from the devices, again where a block was stale; by the kernel's tree search where they cannot
be read.

That search goes through one subvolume after the other. Shared leaves come once for each, and with them every item, for
the kernel cannot pick types: about twenty times the work. It shows the running transaction, no tree blocks, and no
subvolume that is already deleted.
"""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from collectors.filesystems.btrfs import decode, ioctl, search
from collectors.filesystems.btrfs.ioctl import SEARCH_HEAD_BYTES, Key
from collectors.filesystems.btrfs.trees import device, forest, leaves, memory, names, splitting, table, walk
from collectors.filesystems.btrfs.trees.blocks import READERS, Blocks
from collectors.filesystems.btrfs.trees.chunk_map import BtrfsSuperblock, ChunkMap, Stale, Unsupported
from collectors.filesystems.btrfs.trees.device import Devices
from collectors.filesystems.btrfs.trees.extents import Copies
from collectors.filesystems.btrfs.trees.forest import Forest, Trees
from collectors.filesystems.btrfs.trees.known_leaves import KnownLeaves, Unusable
from collectors.filesystems.btrfs.trees.memory import LeafMemory
from collectors.filesystems.btrfs.trees.names import Entries
from collectors.filesystems.btrfs.trees.table import ChunkFill, Measured
from collectors.filesystems.btrfs.trees.walk import Findings, Walk
from collectors.model import UnitId
from collectors.model.btrfs import Btrfs, LargeFile, SplitRule, Subvolume
from collectors.model.reading import Unavailable, Why
from collectors.system import deadline, folders
from collectors.system.deadline import Declined, Host, Malformed

_BUFFER_BYTES = 4 << 20
_SMALL_BYTES = 1 << 16
_SHORT = struct.Struct("<24xII")  # the same answer, type and size alone
_KEY = np.dtype([("transid", "<u8"), ("objectid", "<u8"), ("offset", "<u8"), ("type", "<u4"), ("size", "<u4")])
_OTHERS = (ioctl.ROOT_TREE, ioctl.DATA_RELOC_TREE)  # trees with files that are no subvolumes


class SearchAnswer:
    """One buffer of found items."""

    def __init__(self, buffer: bytearray, count: int) -> None:
        self._flat = np.frombuffer(buffer, np.uint8)
        self._places: dict[int, list[int]] = {
            kind: [] for kind in (ioctl.EXTENT_DATA, ioctl.INODE_ITEM, ioctl.INODE_REF, ioctl.INODE_EXTREF)
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

    def items(self, named: bool) -> leaves.Items:
        """With names where they are wanted: the items of one answer belong to one subvolume."""
        near, far = (self._heads(kind) if named else leaves.NO_HEADS for kind in (ioctl.INODE_REF, ioctl.INODE_EXTREF))
        return leaves.Items(
            leaves.inodes(self._flat, self._heads(ioctl.INODE_ITEM)),
            leaves.links(self._flat, near, far),
            leaves.extents(self._flat, self._heads(ioctl.EXTENT_DATA)),
        )

    def _heads(self, kind: int) -> leaves.Heads:
        places = np.array(self._places[kind], np.int64)
        keys = leaves.gathered(self._flat, places, _KEY)
        return leaves.Heads(
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
    units = [subvolume.unit for subvolume in living] + [UnitId(ioctl.TREE_NAMES[tree]) for tree in _OTHERS]
    small = bytearray(SEARCH_HEAD_BYTES + _SMALL_BYTES)

    def first(subvolume: int, low: Key, high: Key) -> tuple[Key, bytes] | None:
        return next(search.found(fd, subvolume, low, high, small), None)

    parents = {int(subvolume.id): int(subvolume.parent) for subvolume in living if subvolume.parent is not None}
    bits = {tree: bit for bit, tree in enumerate(trees)}
    copies = Copies((chunk.logical_start, ioctl.disk_copies(chunk.profile)) for chunk in search.chunks(fd))
    found = walk.empty(bits, units, Entries(first, parents, lambda subvolumes, key: None), rules, copies)
    for tree, bit in bits.items():
        holder = np.array([found.sets.number(1 << bit)], np.int64)
        named = bool(found.splitter.detail(holder, *np.zeros((2, 1), np.uint64))[0] == splitting.NAMES)
        for answer in _answers(fd, tree, ends):
            found.take(answer.items(named), holder)
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


RESTARTS = 3
Keep = Callable[[], LeafMemory | None]  # what to remember; once
_DAMAGE = (Unusable, Malformed, ValueError, LookupError, OverflowError)


def measured(
    fd: int, host: Host, btrfs: Btrfs, rules: Sequence[SplitRule], ends: float, kept_in: Path | None = None
) -> Measured:
    """From the devices if they can be read, else by tree search. Raises Declined, OSError, TimeoutError, Malformed.

    `kept_in`: the file where leaves are remembered from look to look.
    """
    restarts = 0
    try:
        return _from_devices(host, btrfs, rules, ends, kept_in)
    except TimeoutError:  # before OSError: it is one
        raise
    except Unsupported as unsupported:
        why, restarts = str(unsupported), unsupported.restarts
    except (OSError, Malformed) as cause:
        why = deadline.reason(cause)[1]
    try:
        return _searched(fd, rules, ends, why, restarts)
    except Declined as denied:
        raise Declined(denied.why, f"{why}; {denied.detail}") from denied


def _from_devices(host: Host, btrfs: Btrfs, rules: Sequence[SplitRule], ends: float, kept_in: Path | None) -> Measured:
    if isinstance(btrfs.devices, Unavailable):
        raise Unsupported(btrfs.devices.detail)
    with device.opened(host, btrfs.devices.value, btrfs.uuid) as devices:
        top, why = devices.superblock(), ""
        for restarts in range(RESTARTS + 1):
            try:
                return remembered(devices, top, rules, ends, restarts, kept_in)
            except Malformed as stale:
                before, top, why = top, devices.superblock(), str(stale)
                if top.generation == before.generation:
                    raise Unsupported(f"{why}: damaged, for nothing was committed since", restarts) from stale
    raise Unsupported(f"{why}, after {RESTARTS} restarts", RESTARTS)


def remembered(
    devices: Devices, top: BtrfsSuperblock, rules: Sequence[SplitRule], ends: float, restarts: int, kept_in: Path | None
) -> Measured:
    """Walk with what the last look remembered; all anew where that does not lead to books that close, which is told."""
    if kept_in is None:
        return walked(devices, top, rules, ends, restarts)
    known, lost = memory.load(kept_in), ""
    if known is not None and known.generation <= top.generation:
        try:
            found, keep = _walked(devices, top, rules, ends, restarts, known, True)
            if _kept(found, keep, kept_in):
                return found
            lost = "the books of what was remembered do not close"
        except Stale:  # read, not remembered: the walk starts again
            raise
        except _DAMAGE as cause:
            lost = str(cause)
    found, keep = _walked(devices, top, rules, ends, restarts, None, True)
    _kept(found, keep, kept_in)
    return replace(found, memory_lost=lost)


def _kept(found: Measured, keep: Keep, kept_in: Path) -> bool:
    """Whether the books close; then what to remember is written down while the answer is used."""
    if found.fill is None or table.remainder(found.fill, found.table) != (0, 0):
        return False

    def work() -> None:
        with suppress(*_DAMAGE, MemoryError):
            if (kept := keep()) is not None:
                memory.store(kept_in, kept)
        _give_back()

    folders.write_later(kept_in, work)
    return True


def walked(
    devices: Devices, top: BtrfsSuperblock, rules: Sequence[SplitRule], ends: float, restarts: int = 0
) -> Measured:
    """Walk the generation of `top` once. Raises Malformed (Stale), Unsupported, OSError, TimeoutError."""
    found = _walked(devices, top, rules, ends, restarts, None, False)[0]
    _give_back()
    return found


def _give_back() -> None:
    """Give what the arrays of a walk took back to the system: each thread had an arena of its own, and keeps it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl keeps none
    if trim is not None:
        trim(0)


def _walked(
    devices: Devices,
    top: BtrfsSuperblock,
    rules: Sequence[SplitRule],
    ends: float,
    restarts: int,
    known: LeafMemory | None,
    remember: bool,
) -> tuple[Measured, Keep]:
    with ThreadPoolExecutor(READERS, "btrfs read") as readers:
        system = Blocks(devices, top, ChunkMap(top.system_chunks, top.node_bytes), readers)
        chunks = ChunkMap(forest.chunks(Trees(system), top), top.node_bytes)
        blocks = Blocks(devices, top, chunks, readers)
        grown = forest.grown(Trees(blocks), top, chunks)
        bits = {tree.id: bit for bit, tree in enumerate(grown.trees)}
        copies = Copies((at, ioctl.disk_copies(ioctl.profile(one.flags))) for at, one in chunks.chunks)
        found = walk.empty(bits, [tree.unit for tree in grown.trees], grown.entries, rules, copies)
        meanings = [f"tree {tree.id}" for tree in grown.trees]
        meanings += [f"unit {unit}" for unit in found.units[len(grown.trees) :]]
        leaves = KnownLeaves(known, found, top.sector_bytes, remember)
        Walk(blocks, grown, found, leaves, ends).run()
        leaves.settle(meanings)
        files = _large_files(found, grown)
    measured = _concluded(found, top.generation, top.node_bytes, grown.fill, blocks.read_count, "", restarts)
    measured = replace(measured, large_files=files, blocks_remembered=leaves.count)
    return measured, lambda: leaves.memory(top.generation, meanings)


def _large_files(found: Findings, grown: Forest) -> tuple[LargeFile, ...]:
    """The largest files of subvolumes that are there."""
    there = {
        bit: tree
        for bit, tree in enumerate(grown.trees)
        if ioctl.is_subvolume(tree.id) and not tree.unit.startswith("<")
    }
    largest = found.large.of_trees({bit: tree.made_after for bit, tree in there.items()})
    return names.named(largest, {bit: (tree.id, tree.unit) for bit, tree in there.items()}, grown.entries.path)


def _searched(fd: int, rules: Sequence[SplitRule], ends: float, why: str, restarts: int) -> Measured:
    generation = decode.fs_info(ioctl.fs_info(fd)).generation
    found = searched(fd, search.subvolumes(fd), rules, ends)
    return _concluded(found, generation, None, None, 0, why, restarts)


def _concluded(
    found: Findings,
    generation: int | None,
    node_bytes: int | None,
    fill: ChunkFill | None,
    blocks_read: int,
    fallback: str,
    restarts: int,
) -> Measured:
    tabled = walk.tabled(found, node_bytes)
    # A search sees a filesystem that changes: there, what was freed may have been given out again.
    if fill is not None and not found.extents.apart():
        raise Malformed("two extents lie on each other")
    compressed, uncompressed = found.extents.compressed_bytes()
    return Measured(
        generation=generation,
        table=tabled,
        fill=fill,
        fallback=fallback,
        bookend_bytes=found.extents.plain_bytes() - found.referenced.total(),
        compressed_bytes=compressed,
        uncompressed_bytes=uncompressed,
        unresolved=found.unresolved,
        blocks_read=blocks_read,
        restarts=restarts,
        large_files=(),
        blocks_remembered=0,
        memory_lost="",
    )
