"""Leaves of one walk: those that the last look read are recognised, the others are read; and what is kept of all.

Whatever is recognised is entered as if it had been read. Extents whose holders became what all their leaves did are
entered as they were kept (`sets.py`), the others with all their references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs.trees.leaves import Extents, InodeRecords, Items, Links
from collectors.filesystems.btrfs.trees.memory import (
    MOST_BYTES,
    Contents,
    KeptExtents,
    LeafMemory,
    grouped,
    narrow,
    together,
)
from collectors.filesystems.btrfs.trees.names import LEAST_BYTES
from collectors.filesystems.btrfs.trees.sets import (
    GONE,
    I64,
    U64,
    Addresses,
    Column,
    Earlier,
    Flags,
    became_of,
    differing,
    pieces,
    sorted_rows,
)
from collectors.filesystems.btrfs.trees.splitting import INODES, SUMS
from collectors.filesystems.btrfs.trees.walk import Findings
from collectors.system.deadline import Malformed

_MOST_WAITING = 1 << 20  # references of new leaves, until it is known which extents changed
_LOW = np.uint64(0xFFFFFFFF)


class Unusable(Exception):
    """What was kept does not lead to an answer; the text says why."""


class KnownLeaves:
    """The leaves of one walk: those of `memory` that are still there, and those that are read."""

    def __init__(self, memory: LeafMemory | None, findings: Findings, sector: int, remember: bool) -> None:
        """`remember`: whether there will be a next look."""
        self._memory = memory
        self._found = findings
        self._sector = sector
        self._remember = remember
        self._new: list[Contents] = []
        self._new_bytes = 0
        self._waiting: list[Extents] = []  # their rows are sets
        self._anew: list[Column] = []  # addresses in sectors
        self._sets = np.full(0 if memory is None else len(memory.contents.leaves), GONE, np.int64)
        self._detail = np.zeros(len(self._sets), np.uint8)
        nothing = np.empty(0, np.uint64)
        self._kept = KeptExtents(nothing, nothing, nothing, nothing, nothing)

    @property
    def count(self) -> int:
        """Leaves that were recognised."""
        return int((self._sets != GONE).sum())

    def recognised(self, addresses: U64, generations: U64, marks: U64, sets: I64) -> Flags:
        """Which of these leaves need not be read: all that is wanted of them is known."""
        if self._memory is None or not len(self._sets):
            return np.zeros(len(addresses), np.bool_)
        leaves = self._memory.contents.leaves
        order = np.argsort(leaves["address"])
        at = order[np.minimum(np.searchsorted(leaves["address"][order], addresses), len(order) - 1)]
        there = leaves[at]
        known = (there["address"] == addresses) & (there["generation"] == generations) & (there["mark"] == marks)
        detail = self._found.splitter.detail(sets, there["first"], there["last"])
        known &= there["detail"] >= detail
        self._sets[at[known]], self._detail[at[known]] = sets[known], detail[known]
        return np.asarray(known)

    def take(self, leaves: NDArray[np.void], items: Items) -> None:
        """Leaves that were read."""
        sets = leaves["set"].astype(np.int64)
        if self._remember:
            self._keep(leaves, items)
        if self._memory is None:
            self._found.take(items, sets)
            return
        extents = items.extents
        waits = (leaves["detail"] == SUMS)[extents.rows]
        waits &= sum(len(one.rows) for one in self._waiting) < _MOST_WAITING
        now, later = extents.of(~waits), extents.of(waits)
        self._found.take(replace(items, extents=now), sets)
        self._anew.append(now.addresses // np.uint64(self._sector))
        self._waiting.append(replace(later, rows=sets[later.rows]))

    def _keep(self, leaves: NDArray[np.void], items: Items) -> None:
        if self._new_bytes <= MOST_BYTES:
            self._new.append(_contents(leaves, items, self._sector))
            self._new_bytes += self._new[-1].nbytes
        else:
            self._new.clear()

    def settle(self, bits: Sequence[str]) -> None:
        """All leaves were recognised or read: enter those that were recognised. `bits`: what each bit means now."""
        if self._memory is None:
            return
        old, sets, there = self._memory, self._found.sets, self._sets != GONE
        became = became_of(Earlier(old.masks, old.bits, old.contents.leaves["set"]), sets, self._sets, bits)
        nobody = sets.number(0)
        inside = there & (self._detail > SUMS)
        before = became[old.contents.leaves["set"]]
        split = inside | (old.contents.leaves["detail"] > SUMS)  # parts of these leaves are held by others
        self._anew.append(old.contents.references.of(split).columns[0])
        anew = self._changed(before, np.where(there, self._sets, nobody), ~split, nobody)
        self._enter_kept(old.extents, became, nobody, anew)
        self._enter_again(old, there & ~inside, anew)
        self._enter_sums(there & ~inside, there)
        if inside.any():
            self._found.take(_items(old, inside), self._sets[inside])
            self._found.take_leaves(old.contents.leaves[inside], self._sets[inside])

    def _changed(self, before: I64, now: I64, whole: Flags, nobody: int) -> Addresses:
        """Which extents are to be united anew, given what each leaf's set should have become, and what it is."""
        assert self._memory is not None
        leaves = whole & (before != now)
        part = self._memory.contents.references.of(leaves)
        rows = part.leaves()
        fresh = [_columns(extents, self._sector) for extents in self._waiting]
        columns = [np.concatenate(column) for column in zip(part.columns, *fresh, strict=True)]
        sets = np.concatenate((now[leaves][rows], *(extents.rows for extents in self._waiting)))
        old, new = pieces(part.columns, before[leaves][rows], nobody), pieces(columns, sets, nobody)
        changed = columns[0] if old is None or new is None else differing(old, new, self._found.sets)
        return Addresses([*self._anew, changed, self._uncovered(whole & (before == nobody) & (now == nobody))])

    def _uncovered(self, gone: Flags) -> Column:
        """What leaves that are gone, as was to be expected, referred to: parts of it may not be referenced any more."""
        assert self._memory is not None
        references = self._memory.contents.references
        in_parts = Addresses([references.columns[0][references.columns[2] != 0]])
        addresses = references.of(gone).columns[0]
        return addresses[in_parts.has(addresses)]

    def _enter_kept(self, extents: KeptExtents, became: I64, nobody: int, anew: Addresses) -> None:
        """Extents of which no leaf moved: their sets became what each of their holders did."""
        sets = became[extents.sets]
        kept = (sets != nobody) & ~anew.has(extents.addresses // np.uint64(self._sector))
        addresses, disk, ram, used = (column[kept].astype(np.uint64) for column in extents[:4])
        self._kept = KeptExtents(addresses, disk, ram, used, sets[kept].astype(np.uint32))
        self._found.extents.add(addresses, disk, ram, sets[kept])
        self._found.referenced.known(int(used.sum()))

    def _enter_again(self, old: LeafMemory, from_leaves: Flags, anew: Addresses) -> None:
        """The references of these leaves to extents that are united anew."""
        references = old.contents.references
        rows = np.flatnonzero(anew.has(references.columns[0]))
        before = np.searchsorted(rows, np.cumsum(references.counts, dtype=np.int64))
        leaves = np.repeat(np.arange(len(before)), np.diff(before, prepend=0))
        rows, leaves = rows[from_leaves[leaves]], leaves[from_leaves[leaves]]
        # In order, their extents are found quickly; and leaves that many snapshots have refer to the same ones.
        *columns, sets = sorted_rows([(*(column[rows] for column in references.columns), self._sets[leaves])])
        one_each = np.arange(len(sets))
        found = _extents(old, columns, one_each, np.zeros(len(sets), np.uint64))
        self._found.take_extents(found, sets.astype(np.int64))
        for extents in self._waiting:
            chosen = anew.has(extents.addresses // np.uint64(self._sector))
            again, others = extents.of(chosen), extents.of(~chosen)
            self._found.take_extents(replace(again, rows=np.arange(len(again.rows))), again.rows)
            if (_sizes(self._kept, others.addresses)[0] != others.disk).any():
                raise Malformed("two pointers to one place disagree on what is there")

    def _enter_sums(self, summed: Flags, there: Flags) -> None:
        assert self._memory is not None
        contents = self._memory.contents
        leaves = contents.leaves[summed]
        self._found.tally.add_leaves(self._sets[summed], leaves["inodes"], leaves["low"], leaves["high"])
        rows, large = contents.large.leaves(), [column.astype(np.uint64) for column in contents.large.columns]
        left = there[rows]
        inodes, taken, apparent, made_in = (column[left] for column in large)
        self._found.large.add(self._sets, InodeRecords(rows[left], inodes, apparent, taken, made_in))

    def memory(self, generation: int, bits: Sequence[str]) -> LeafMemory | None:
        """What to keep for the next look; None where it is too much."""
        kept = [] if self._memory is None else [self._memory.contents]
        parts = [*kept, *self._new]
        if not self._remember or not parts or self._new_bytes > MOST_BYTES:
            return None
        there = self._sets != GONE if kept else np.ones(len(parts[0].leaves), np.bool_)
        contents = together(parts, there)
        if kept:
            contents.leaves["set"][: int(there.sum())] = self._sets[there]
        extents = self._extents()
        used = np.unique(np.concatenate((contents.leaves["set"].astype(np.int64), extents.sets)))
        contents.leaves["set"] = np.searchsorted(used, contents.leaves["set"])
        extents = extents._replace(sets=np.searchsorted(used, extents.sets).astype(np.uint32))
        masks = _packed([self._found.sets.masks[number] for number in used.tolist()], len(bits))
        return LeafMemory(generation, self._sector, tuple(bits), masks, contents, extents)

    def _extents(self) -> KeptExtents:
        sets, addresses, disk, ram = self._found.extents.columns()
        used, new = np.zeros(len(addresses), np.uint64), ram == 0
        kept = np.searchsorted(addresses, self._kept.addresses)
        new[kept] = False
        used[new] = self._found.referenced.within(addresses[new], addresses[new] + disk[new])
        used[kept] = self._kept.used
        return KeptExtents(narrow(addresses), narrow(disk), narrow(ram), narrow(used), narrow(sets))


def _packed(masks: Sequence[int], width: int) -> NDArray[np.uint8]:
    size = max(1, -(-width // 8))
    return np.frombuffer(b"".join(mask.to_bytes(size, "little") for mask in masks), np.uint8).reshape(-1, size)


def _extents(old: LeafMemory, columns: Sequence[Column], rows: I64, inodes: Column) -> Extents:
    """References of the last look. They do not have the size of the extent, which all references agree on."""
    addresses, starts, lengths = (column.astype(np.uint64) * np.uint64(old.sector) for column in columns)
    disk, ram = _sizes(old.extents, addresses)
    lengths = np.where(lengths == 0, disk, lengths)
    return Extents(rows, inodes.astype(np.uint64), addresses, disk, ram, starts, lengths)


def _sizes(kept: KeptExtents, addresses: U64) -> tuple[U64, U64]:
    """Size on disk, and decompressed, of extents that were kept."""
    at = np.minimum(np.searchsorted(kept.addresses, addresses), max(0, len(kept.addresses) - 1))
    if len(addresses) and (not len(kept.addresses) or (kept.addresses[at] != addresses).any()):
        raise Unusable("an extent that is referred to is not among those that were kept")
    return kept.disk[at].astype(np.uint64), kept.ram[at].astype(np.uint64)


def _items(old: LeafMemory, chosen: Flags) -> Items:
    """All that was kept of leaves whose inodes were."""
    contents = old.contents.of(chosen)
    inodes, apparent = (column.astype(np.uint64) for column in contents.inodes.columns)
    nothing = np.zeros(len(inodes), np.uint64)  # large files are entered with those of all leaves
    inode, parent, rank = contents.links.columns
    return Items(
        InodeRecords(contents.inodes.leaves(), inodes, apparent, nothing, nothing),
        Links(contents.links.leaves(), inode.astype(np.uint64), parent.astype(np.uint64), rank.astype(np.uint8)),
        _extents(old, contents.references.columns, contents.references.leaves(), contents.holders.columns[0]),
    )


def _contents(leaves: NDArray[np.void], items: Items, sector: int) -> Contents:
    """What to keep of a batch."""
    count, inodes, extents, links = len(leaves), items.inodes, items.extents, items.links
    leaves["inodes"] = np.bincount(inodes.rows, minlength=count)
    for name, half in (("low", inodes.apparent & _LOW), ("high", inodes.apparent >> np.uint64(32))):
        leaves[name] = np.bincount(inodes.rows, half.astype(np.float64), minlength=count).astype(np.uint64)
    inside = leaves["detail"][extents.rows] >= INODES
    single = leaves["detail"][inodes.rows] >= INODES
    large = inodes.taken >= LEAST_BYTES
    order = np.argsort(links.rows, kind="stable")
    columns = (inodes.inodes, inodes.taken, inodes.apparent, inodes.made_in)
    return Contents(
        leaves,
        grouped(extents.rows, count, *_columns(extents, sector)),
        grouped(extents.rows[inside], count, extents.inodes[inside]),
        grouped(inodes.rows[large], count, *(column[large] for column in columns)),
        grouped(inodes.rows[single], count, inodes.inodes[single], inodes.apparent[single]),
        grouped(links.rows[order], count, links.inodes[order], links.parents[order], links.ranks[order]),
    )


def _columns(extents: Extents, sector: int) -> tuple[U64, U64, U64]:
    """Address, start and length in sectors: 0 and 0 for all of an extent, and for any part of a compressed one."""
    part = ((extents.ram == 0) & (extents.lengths != extents.disk)).astype(np.uint64)
    columns = (extents.addresses, extents.starts * part, extents.lengths * part)
    return tuple(_sectors(column, sector) for column in columns)  # type: ignore[return-value]  # three of them


def _sectors(values: U64, sector: int) -> U64:
    if int(np.bitwise_or.reduce(values, initial=0)) % sector:
        raise Malformed("an extent does not lie in whole sectors")
    return values // np.uint64(sector)
