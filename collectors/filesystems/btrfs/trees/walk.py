"""The walk down all trees at once, and the tables by set of holders that it, or a tree search, fills.

Level by level, each block once, with the set of trees that it belongs to: a level is complete when every block above it
has been read. Leaves of trees that hold no files are counted without being read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.trees import leaves
from collectors.filesystems.btrfs.trees.blocks import U8, Blocks, Pointers
from collectors.filesystems.btrfs.trees.chunk_map import Stale
from collectors.filesystems.btrfs.trees.extents import Copies, ExtentHolders, ExtentTable, Intervals, SetCounts
from collectors.filesystems.btrfs.trees.forest import Forest
from collectors.filesystems.btrfs.trees.leaves import Items, Leaves
from collectors.filesystems.btrfs.trees.memory import LEAF
from collectors.filesystems.btrfs.trees.names import LargeInodes
from collectors.filesystems.btrfs.trees.sets import I64, RootSets
from collectors.filesystems.btrfs.trees.splitting import NAMES, PathSplit, Splitter
from collectors.filesystems.btrfs.trees.table import Table
from collectors.model import UnitId, dataclass
from collectors.model.btrfs import SplitRule
from collectors.system.deadline import Malformed


class Known(Protocol):
    """Leaves that need not be read, and what becomes of those that are: `leaves` has their sets, too."""

    def recognised(self, addresses: U64, generations: U64, marks: U64, sets: I64) -> NDArray[np.bool_]: ...
    def take(self, leaves: NDArray[np.void], items: Items) -> None: ...


class Inodes(Protocol):
    """(subvolume, inode) of a path, or None; and the inodes that have no path, by subvolume."""

    def inode(self, path: str) -> tuple[int, int] | None: ...
    def unlinked(self, subvolumes: Sequence[int]) -> Mapping[int, Sequence[int]]: ...


@dataclass(frozen=True, slots=True)
class Findings:
    """Tables by set number. `units` gives the meaning of a bit; two bits may mean the same unit."""

    units: tuple[UnitId, ...]
    unresolved: tuple[str, ...]
    sets: RootSets
    extents: ExtentTable
    tally: SetCounts
    referenced: Intervals  # of uncompressed extents
    splitter: Splitter
    copies: Copies
    large: LargeInodes

    def take(self, items: Items, sets: I64, leaves: NDArray[np.void] | None = None) -> None:
        """Enter items of blocks that belong to these sets. `leaves`: with the sums of their inodes."""
        inodes, links = items.inodes, items.links
        self.large.add(sets, inodes)
        late = self.splitter.late(sets, inodes.rows, inodes.inodes)
        if leaves is None or late.any():
            self.splitter.add_inodes(sets[inodes.rows[late]], inodes.inodes[late], inodes.apparent[late])
            inodes = inodes.of(~late)
            self.tally.add_inodes(sets[inodes.rows], inodes.apparent)
        else:
            self.tally.add_leaves(sets, leaves["inodes"], leaves["low"], leaves["high"])
        if len(links.rows):
            self.splitter.add_links(sets[links.rows], links.inodes, links.parents, links.ranks)
        self.take_extents(items.extents, sets)

    def take_extents(self, extents: leaves.Extents, sets: I64) -> None:
        """Enter references to extents."""
        plain = extents if not extents.ram.any() else extents.of(extents.ram == 0)
        self.referenced.add(plain.addresses + plain.starts, plain.lengths)
        late = self.splitter.late(sets, extents.rows, extents.inodes)
        if late.any():
            kept = extents.of(late)
            self.splitter.add_extents(sets[kept.rows], kept.inodes, kept.addresses, kept.disk, kept.ram)
            extents = extents.of(~late)
        self.extents.add(extents.addresses, extents.disk, extents.ram, sets[extents.rows])

    def take_leaves(self, leaves: NDArray[np.void], sets: I64) -> None:
        """Enter leaves that were counted by these sets: what lies in them may be a directory's alone."""
        self.splitter.add_leaves(sets, leaves["first"], leaves["last"], self.copies.of(leaves["address"]))

    def settle(self) -> None:
        """All items have been seen: what was kept back finds its holders."""
        self.splitter.settle(self.extents, self.tally)


def empty(
    trees: Mapping[int, int], units: Sequence[UnitId], names: Inodes, rules: Sequence[SplitRule], copies: Copies
) -> Findings:
    """Tables for these holders. `trees`: subvolume → its bit; `units`: what each bit means before the rules."""
    meanings = list(units)
    bits: dict[UnitId, int] = {}
    inside: dict[int, dict[int, int]] = {}
    nameless: dict[int, dict[int, int]] = {}
    unresolved = []

    def bit_of(unit: UnitId) -> int:
        return bits.setdefault(unit, len(units) + len(bits))

    for rule in rules:
        place = names.inode(rule.path)
        if place is None or place[0] not in trees:
            unresolved.append(rule.path)
        elif place[1] == ioctl.SUBVOLUME_DIRECTORY:
            meanings[trees[place[0]]] = rule.unit
        else:
            inside.setdefault(trees[place[0]], {})[place[1]] = bit_of(rule.unit)
    living = [tree for tree, bit in trees.items() if ioctl.is_subvolume(tree) and not units[bit].startswith("<")]
    for tree, inodes in names.unlinked(living).items():
        nameless[trees[tree]] = dict.fromkeys(inodes, bit_of(UnitId(ioctl.UNLINKED)))
    sets = RootSets()
    splits = tuple(PathSplit(bit, inside.get(bit, {}), nameless.get(bit, {})) for bit in sorted({*inside, *nameless}))
    meant, left, splitter = (*meanings, *bits), tuple(unresolved), Splitter(splits, sets)
    return Findings(meant, left, sets, ExtentTable(sets), SetCounts(), Intervals(), splitter, copies, LargeInodes(sets))


def tabled(findings: Findings, node_bytes: int | None) -> Table:
    """The sets that hold anything; settles `findings`. Without a node size, tree blocks were not seen."""
    findings.settle()
    data, data_disk = findings.extents.bytes_by_set(findings.copies)
    tally, node = findings.tally, node_bytes or 0
    units = tuple(dict.fromkeys(findings.units))
    merged: dict[int, list[int]] = {}
    for number in sorted({*np.flatnonzero(data).tolist(), *tally.inodes, *tally.blocks}):
        mask = findings.sets.masks[number]
        trees = (tally.blocks[number] * node, tally.copies[number] * node)
        found = (data[number], tally.apparent[number], tally.inodes[number], data_disk[number], *trees)
        if any(found):
            row = merged.setdefault(_by_unit(mask, findings.units, units), [0] * len(found))
            row[:] = map(sum, zip(row, found, strict=True))
    merged = dict(sorted(merged.items()))  # whatever order the sets were met in
    plain, apparent, inodes, disk, *trees_ = [tuple(col) for col in zip(*merged.values(), strict=True)] or [()] * 6
    blocks, blocks_disk = trees_ if node_bytes else (None, None)
    return Table(units, tuple(merged), plain, blocks, apparent, inodes, disk, blocks_disk)


def _by_unit(mask: int, meanings: Sequence[UnitId], units: Sequence[UnitId]) -> int:
    """The mask by unit, where several bits may have meant the same one."""
    if len(meanings) == len(units):
        return mask
    number = {unit: bit for bit, unit in enumerate(units)}
    found = 0
    for bit, unit in enumerate(meanings):
        if mask >> bit & 1:
            found |= 1 << number[unit]
    return found


U64 = NDArray[np.uint64]

_POINTER = np.dtype([("objectid", "<u8"), ("type", "u1"), ("offset", "<u8"), ("address", "<u8"), ("generation", "<u8")])
_KEY = np.dtype([("objectid", "<u8"), ("type", "u1"), ("offset", "<u8")])
_MIX = np.uint64(0x9E3779B97F4A7C15)
_RECENT = 16  # commits
# Leaves of any subvolume, and those of the root tree, which keeps the old free space cache in files.
_WITH_FILES = np.array([0, ioctl.ROOT_TREE], np.uint64)


class Walk:
    """One walk over one forest. Raises TimeoutError when `ends` (time.monotonic) has passed."""

    def __init__(self, blocks: Blocks, forest: Forest, findings: Findings, known: Known, ends: float) -> None:
        self._blocks = blocks
        self._forest = forest
        self._found = findings
        self._known = known
        self._ends = ends
        self._owners: dict[int, int] = {}  # bit of a tree that is no subvolume → its id
        self._alone = 0  # bits of those

    def run(self) -> None:
        levels = self._roots()
        for level in range(max(levels), -1, -1):
            self._level(level, levels)

    def _roots(self) -> dict[int, ExtentHolders]:
        levels: dict[int, ExtentHolders] = {}
        for bit, tree in enumerate(self._forest.trees):
            if tree.pointer.owner:
                self._owners[bit] = tree.pointer.owner
                self._alone |= 1 << bit
            number = np.array([self._found.sets.number(1 << bit)], np.int64)
            address, generation = (np.array([part], np.uint64) for part in tree.pointer[:2])
            unmarked = generation  # no parent has a key for a root
            for at in range(tree.pointer.level + 1):
                levels.setdefault(at, ExtentHolders(self._found.sets))
            levels[tree.pointer.level].add(number, address, unmarked, generation)
        return levels

    def _level(self, level: int, levels: dict[int, ExtentHolders]) -> None:
        holders, columns = levels.pop(level).whole()
        if not columns:
            return
        sets = holders.astype(np.int64)
        addresses, marks, generations = (column.astype(np.uint64, copy=False) for column in columns)
        self._found.tally.add_blocks(sets, self._found.copies.of(addresses))
        owners = self._expected_owners(sets)
        if level == 0:
            read = np.isin(owners, _WITH_FILES)
            named = marks + owners  # whose it may be is part of what a leaf is known by
            read[read] = ~self._known.recognised(addresses[read], generations[read], named[read], sets[read])
            addresses, marks, generations = addresses[read], marks[read], generations[read]
            sets, owners = sets[read], owners[read]
        # What changed lately is likely to change next: it is read while it still is what the commit left.
        recent = generations + np.uint64(_RECENT) > self._blocks.top.generation
        for chosen in (recent, ~recent):
            wanted = Pointers(addresses[chosen], generations[chosen], owners[chosen], level)
            self._read(wanted, marks[chosen], sets[chosen], levels)

    def _read(self, wanted: Pointers, marks: U64, sets: I64, levels: dict[int, ExtentHolders]) -> None:
        for part, blocks, slots in self._blocks.batches(wanted):
            self._check_time()
            _check_begins(blocks, marks[part], wanted.generations[part])
            if wanted.level:
                levels[wanted.level - 1].add(*self._children(blocks, wanted.addresses[part], sets[part]))
                continue
            rows, items = self._leaves(Leaves(blocks, slots), wanted.of(part), marks[part], sets[part])
            self._known.take(rows, items)
            self._found.take_leaves(rows, rows["set"].astype(np.int64))

    def _check_time(self) -> None:
        if time.monotonic() > self._ends:
            raise TimeoutError("the deadline ran out during the walk")

    def _leaves(self, found: Leaves, wanted: Pointers, marks: U64, sets: I64) -> tuple[NDArray[np.void], Items]:
        rows = np.zeros(len(sets), LEAF)
        rows["address"], rows["generation"], rows["mark"] = wanted.addresses, wanted.generations, marks + wanted.owners
        rows["first"], rows["last"] = first, last = found.spans()
        rows["set"], rows["detail"] = sets, self._found.splitter.detail(sets, first, last)
        items = found.items(rows["detail"] == NAMES)
        rows["inodes"], rows["low"], rows["high"] = items.inodes.sums(len(rows))
        return rows, items

    def _expected_owners(self, sets: I64) -> U64:
        """The tree that each block must belong to; 0 for any subvolume. Only subvolumes share blocks."""
        expected = np.zeros(len(self._found.sets.masks), np.uint64)
        for number in np.unique(sets).tolist():
            mask = self._found.sets.masks[number]
            if mask & self._alone:
                bit = mask.bit_length() - 1
                if mask != 1 << bit:
                    raise Malformed("a tree that is no subvolume shares a block with another one")
                expected[number] = self._owners[bit]
        return expected[sets]

    def _children(self, blocks: U8, addresses: U64, sets: I64) -> tuple[I64, U64, U64, U64]:
        counts = np.ascontiguousarray(blocks[:, 96:100]).view("<u4").ravel()
        most = int(counts.max())
        there = np.arange(most, dtype=np.uint32) < counts[:, None]
        for row in np.flatnonzero(np.isin(addresses, list(self._forest.live_from))).tolist():
            there[row, : self._forest.live_from[int(addresses[row])]] = False
        packed = blocks[:, ioctl.HEADER_BYTES : ioctl.HEADER_BYTES + most * ioctl.POINTER_BYTES]
        found = np.ascontiguousarray(packed).view(_POINTER)[there]
        rows = np.nonzero(there)[0]
        generations = found["generation"].astype(np.uint64)
        return sets[rows], found["address"].astype(np.uint64), _marks(found, generations), generations


def _marks(keys: NDArray[np.void], generations: U64) -> U64:
    """One number for a block's first key and generation: what all pointers to a block, and the block, must agree on."""
    mixed = keys["objectid"].astype(np.uint64) * _MIX + keys["offset"].astype(np.uint64)
    return mixed * _MIX + keys["type"].astype(np.uint64) * _MIX + generations


def _check_begins(blocks: U8, marks: U64, generations: U64) -> None:
    begins = np.ascontiguousarray(blocks[:, ioctl.HEADER_BYTES : ioctl.HEADER_BYTES + _KEY.itemsize])
    expected = _marks(begins.view(_KEY).ravel(), generations)
    if ((marks != expected) & (marks != generations)).any():
        raise Stale("a block does not begin where its parent says")
