"""Leaves of one walk: those that the last look read are recognised, the others are read; and what is kept of all.

Whatever is recognised is entered as if it had been read. Extents whose holders became what all their leaves did are
entered as they were kept (`sets.py`), the others with all their references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs.trees.extents import in_pieces
from collectors.filesystems.btrfs.trees.leaves import Extents, InodeRecords, Items, Links
from collectors.filesystems.btrfs.trees.memory import (
    MOST_BYTES,
    Addresses,
    Contents,
    KeptExtents,
    LeafMemory,
    in_bytes,
    in_sectors,
    recorded,
    referred,
    together,
)
from collectors.filesystems.btrfs.trees.sets import (
    GONE,
    I64,
    U64,
    Column,
    Earlier,
    Flags,
    became_of,
    differing,
    narrow,
    pieces,
    ranks,
    sorted_rows,
)
from collectors.filesystems.btrfs.trees.splitting import SUMS
from collectors.filesystems.btrfs.trees.walk import Findings

_PIECE = 1 << 20  # extents that are entered together
_MOST_WAITING = 1 << 20  # references of new leaves, until it is known which extents changed


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
        self._waiting_count = 0
        self._anew: list[Column] = []  # addresses in sectors
        self._sets = np.full(0 if memory is None else len(memory.contents.leaves), GONE, np.int64)
        self._detail = np.zeros(len(self._sets), np.uint8)
        self._kept = np.zeros(0 if memory is None else len(memory.extents.sets), np.bool_)  # of its extents

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
            self._keep(recorded(leaves, items, self._sector))
        if self._memory is None:
            self._found.take(items, sets, leaves)
            return
        extents = items.extents
        waits = (leaves["detail"] == SUMS)[extents.rows]
        waits &= self._waiting_count < _MOST_WAITING
        now, later = extents.of(~waits), extents.of(waits)
        self._waiting_count += len(later.rows)
        self._found.take(replace(items, extents=now), sets, leaves)
        self._anew.append(now.addresses // np.uint64(self._sector))
        self._waiting.append(replace(later, rows=sets[later.rows]))

    def _keep(self, contents: Contents) -> None:
        if self._new_bytes <= MOST_BYTES:
            self._new.append(contents)
            self._new_bytes += contents.nbytes
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
        fresh = [referred(extents, self._sector) for extents in self._waiting]
        columns = [np.concatenate(column) for column in zip(part.columns, *fresh, strict=True)]
        sets = np.concatenate((now[leaves][rows], *(extents.rows for extents in self._waiting)))
        old, new = pieces(part.columns, before[leaves][rows], nobody), pieces(columns, sets, nobody)
        changed = columns[0] if old is None or new is None else differing(old, new, self._found.sets)
        self._anew += map(self._resized, self._waiting)
        return Addresses([*self._anew, changed, self._uncovered(whole & (before == nobody) & (now == nobody))])

    def _resized(self, extents: Extents) -> Column:
        """Where extents lay, and others of another size lie now: what is given up is given out again."""
        assert self._memory is not None
        kept, addresses = self._memory.extents, in_sectors(extents.addresses, self._sector)
        if not len(kept.addresses):
            return addresses[:0]
        at = ranks(kept.addresses[:-1], addresses)
        sizes = in_bytes(kept.disk[at], self._sector), in_bytes(kept.ram[at], self._sector)
        others: Flags = (sizes[0] != extents.disk) | (sizes[1] != extents.ram)
        return np.asarray(addresses[others & (kept.addresses[at] == addresses)])

    def _uncovered(self, gone: Flags) -> Column:
        """What leaves that are gone, as was to be expected, referred to: parts of it may not be referenced any more."""
        assert self._memory is not None
        references = self._memory.contents.references
        in_parts = Addresses([references.columns[0][references.columns[2] != 0]])
        addresses = references.of(gone).columns[0]
        return addresses[in_parts.has(addresses)]

    def _enter_kept(self, extents: KeptExtents, became: I64, nobody: int, anew: Addresses) -> None:
        """Extents of which no leaf moved: their sets became what each of their holders did."""
        found, now, used = list[list[Column]](), narrow(became), 0
        for addresses, disk, ram, parts, sets in in_pieces(extents):
            kept = (now[sets] != nobody) & ~anew.has(addresses)
            sizes = (narrow(in_bytes(column[kept], self._sector)) for column in (addresses, disk, ram))
            found.append([kept, now[sets[kept]], *sizes])
            used += int(parts[kept].sum())
        if found:
            self._kept, *columns = (np.concatenate(column) for column in zip(*found, strict=True))
            self._found.extents.settled(*columns)
            self._found.referenced.known(used * self._sector)

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
            if not self._kept[_places(old.extents, in_sectors(others.addresses, self._sector))].all():
                raise Unusable("an extent that is referred to has lost its holders")

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
        """What to keep for the next look; None where it is too much. Takes what was kept away, so this is the end."""
        kept = [] if self._memory is None else [self._memory.contents]
        parts, self._new = [*kept, *self._new], []
        if not self._remember or not parts or self._new_bytes > MOST_BYTES:
            return None
        there = self._sets != GONE if kept else np.ones(len(parts[0].leaves), np.bool_)
        contents = together(parts, there)
        if kept:
            contents.leaves["set"][: int(there.sum())] = self._sets[there]
        extents = self._extents()
        used = np.zeros(len(self._found.sets.masks), np.bool_)
        used[contents.leaves["set"]] = used[extents.sets] = True
        numbers = narrow(np.maximum(used.cumsum(), 1) - 1)
        contents.leaves["set"] = numbers[contents.leaves["set"]]
        extents = extents._replace(sets=numbers[extents.sets])
        masks = _packed([self._found.sets.masks[number] for number in np.flatnonzero(used).tolist()], len(bits))
        return LeafMemory(generation, self._sector, tuple(bits), masks, contents, extents)

    def _extents(self) -> KeptExtents:
        sets, *columns = self._found.extents.columns()
        settled = self._found.extents.were_settled()
        found = [[np.empty(0, np.uint8)] * 4]
        for *sizes, kept in in_pieces([*columns, settled.view(np.uint8)]):
            addresses, disk, ram = (in_sectors(column, self._sector) for column in sizes)
            new = (ram == 0) & (kept == 0)
            starts, used = sizes[0][new].astype(np.uint64), np.zeros(len(new), np.uint64)
            used[new] = self._found.referenced.within(starts, starts + sizes[1][new])
            found.append([*map(narrow, (addresses, disk, ram, used // np.uint64(self._sector)))])
        addresses, disk, ram, used = (np.concatenate(column) for column in zip(*found, strict=True))
        if self._memory is not None:
            before = self._memory.extents.used
            used = used.astype(np.result_type(used, before))
            used[settled] = before[self._kept]
        return KeptExtents(addresses, disk, ram, used, sets)


def _packed(masks: Sequence[int], width: int) -> NDArray[np.uint8]:
    size = max(1, -(-width // 8))
    return np.frombuffer(b"".join(mask.to_bytes(size, "little") for mask in masks), np.uint8).reshape(-1, size)


def _extents(old: LeafMemory, columns: Sequence[Column], rows: I64, inodes: Column) -> Extents:
    """References of the last look. They do not have the size of the extent, which all references agree on."""
    addresses, starts, lengths = (in_bytes(column, old.sector) for column in columns)
    at = _places(old.extents, columns[0])
    disk, ram = in_bytes(old.extents.disk[at], old.sector), in_bytes(old.extents.ram[at], old.sector)
    lengths = np.where(lengths == 0, disk, lengths)
    return Extents(rows, inodes.astype(np.uint64), addresses, disk, ram, starts, lengths)


def _places(kept: KeptExtents, addresses: Column) -> NDArray[np.intp]:
    """Which of the extents that were kept these are, by their addresses in sectors."""
    at = np.minimum(ranks(kept.addresses, addresses), max(0, len(kept.addresses) - 1))
    if len(addresses) and (not len(kept.addresses) or (kept.addresses[at] != addresses).any()):
        raise Unusable("an extent that is referred to is not among those that were kept")
    return at


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
