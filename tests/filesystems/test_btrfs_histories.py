"""Histories of leaves, trees and extents by chance: a look that remembers and one that reads all tell the same."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from collectors.filesystems.btrfs.trees import known_leaves, walk
from collectors.filesystems.btrfs.trees.extents import Copies
from collectors.filesystems.btrfs.trees.known_leaves import KnownLeaves
from collectors.filesystems.btrfs.trees.leaves import Extents, InodeRecords, Items, Links
from collectors.filesystems.btrfs.trees.memory import LEAF, LeafMemory
from collectors.filesystems.btrfs.trees.splitting import NAMES
from collectors.model import UnitId
from collectors.model.btrfs import SplitRule

SECTOR, TOP = 4096, 256
U64, I64 = np.uint64, np.int64


@dataclass(frozen=True, slots=True)
class Reference:
    """Of an inode to a part of an extent; sizes in sectors."""

    inode: int
    extent: int
    disk: int
    ram: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """`inodes`: (inode, directory, size)."""

    address: int
    generation: int
    inodes: tuple[tuple[int, int, int], ...]
    references: tuple[Reference, ...]


@dataclass
class Forest:
    """The trees of one filesystem, each a list of leaves that it may share with others."""

    chance: random.Random
    trees: dict[int, list[Leaf]] = field(default_factory=lambda: {TOP: []})
    extents: dict[int, tuple[int, int]] = field(default_factory=dict)  # place → sectors on disk, decompressed
    generation: int = 1
    last: int = 0  # inode
    busy: set[int] = field(default_factory=set)  # addresses that the last commit needs, and those given out since

    def place(self) -> int:
        """The first address that is free: of a leaf that is gone, as often as there is one."""
        address = next(at for at in range(1 << 14, 1 << 30, 1 << 14) if at not in self.busy)
        self.busy.add(address)
        return address

    def leaf(self, like: Leaf | None = None) -> Leaf:
        """A new leaf, or a changed copy of one: at another place, as all that is written."""
        self.last += 1
        chance = self.chance
        inodes = list(like.inodes if like else ())
        kept = [one for one in (like.references if like else ()) if chance.random() < 0.8]
        for _ in range(chance.randrange(3)):
            directory = chance.choice([TOP, *(inode for inode, _, _ in inodes)])
            inodes.append((self.last * 10 + len(inodes), directory, chance.choice((0, 100, 1 << 17, 1 << 62))))
        kept += [self.reference(chance.choice(inodes)[0]) for _ in range(chance.randrange(4) if inodes else 0)]
        return Leaf(self.place(), self.generation, tuple(sorted(inodes)), tuple(sorted(kept, key=lambda r: r.inode)))

    def reference(self, inode: int) -> Reference:
        if not self.extents or self.chance.random() < 0.4:
            disk = self.chance.randrange(1, 9)
            free = next(number for number in range(1, len(self.extents) + 2) if number not in self.extents)
            self.extents[free] = disk, self.chance.choice((0, 0, disk * 2))
        extent = self.chance.choice(list(self.extents))
        disk, ram = self.extents[extent]
        start = self.chance.choice((0, self.chance.randrange(disk)))
        return Reference(inode, extent, disk, ram, start, self.chance.randrange(1, disk - start + 1))

    def change(self) -> None:
        """What a commit does: leaves written anew in one tree, a snapshot, a tree gone, or everything moved."""
        self.generation += 1
        held = [leaf for leaves in self.trees.values() for leaf in leaves]
        self.busy = {leaf.address for leaf in held}
        referred = {reference.extent for leaf in held for reference in leaf.references}
        self.extents = {number: size for number, size in self.extents.items() if number in referred}
        chance, number = self.chance, self.chance.choice(list(self.trees))
        leaves = self.trees[number]
        match chance.choice(("write", "write", "write", "snapshot", "snapshot", "drop", "remove", "move")):
            case "write":
                for at in range(len(leaves)):
                    if chance.random() < 0.3:
                        leaves[at] = self.leaf(leaves[at])
                leaves += [self.leaf() for _ in range(chance.randrange(3))]
            case "snapshot":
                self.trees[TOP + self.generation] = list(leaves)
            case "drop" if number != TOP:
                del self.trees[number]
            case "remove" if leaves:
                leaves.pop(chance.randrange(len(leaves)))
            case "move":
                new = {leaf: self.moved(leaf) for leaves in self.trees.values() for leaf in leaves}
                self.trees = {tree: [new[leaf] for leaf in leaves] for tree, leaves in self.trees.items()}

    def moved(self, leaf: Leaf) -> Leaf:
        return replace(leaf, address=self.place(), generation=self.generation)


@dataclass(frozen=True, slots=True)
class Names:
    """Any inode may be the directory of a rule, and any a deleted file."""

    rules: Mapping[str, tuple[int, int]]
    nameless: Mapping[int, Sequence[int]]

    def inode(self, path: str) -> tuple[int, int] | None:
        return self.rules.get(path)

    def unlinked(self, subvolumes: Sequence[int]) -> Mapping[int, Sequence[int]]:
        return {tree: inodes for tree, inodes in self.nameless.items() if tree in subvolumes}


def items(leaves: Sequence[Leaf], detail: Sequence[int]) -> Items:
    """What decoding these leaves would give."""
    inodes = np.array([(row, *one) for row, leaf in enumerate(leaves) for one in leaf.inodes], U64).reshape(-1, 4).T
    rows = inodes[0].astype(I64)
    named = np.array(detail, np.uint8)[rows] == NAMES
    held = [(row, one) for row, leaf in enumerate(leaves) for one in leaf.references]
    columns = [(one.inode, one.extent << 4, one.disk, one.ram, one.start, one.length) for _, one in held]
    inode, address, *sizes = np.array(columns, U64).reshape(-1, 6).T
    disk, ram, starts, lengths = (size * U64(SECTOR) for size in sizes)
    return Items(
        InodeRecords(rows, inodes[1], inodes[3], inodes[3] // U64(2), inodes[1] % U64(50)),
        Links(rows[named], inodes[1][named], inodes[2][named], np.zeros(int(named.sum()), np.uint8)),
        Extents(np.array([row for row, _ in held], I64), inode, address * U64(SECTOR), disk, ram, starts, lengths),
    )


def look(forest: Forest, names: Names, memory: LeafMemory | None) -> tuple[object, LeafMemory | None, int]:
    """All figures of one look; what to remember of it; how many leaves were known."""
    trees = {tree: bit for bit, tree in enumerate(sorted(forest.trees))}
    rules = [SplitRule(path, UnitId(f"/{path}")) for path in names.rules]
    found = walk.empty(trees, [UnitId(f"t{tree}") for tree in trees], names, rules, Copies([]))
    masks: dict[Leaf, int] = {}
    for tree, leaves in forest.trees.items():
        for leaf in leaves:
            masks[leaf] = masks.get(leaf, 0) | 1 << trees[tree]
    ordered = sorted(masks, key=lambda leaf: leaf.address)
    sets = np.array([found.sets.number(masks[leaf]) for leaf in ordered], I64)
    addresses, generations = (
        np.array([getattr(leaf, name) for leaf in ordered], U64) for name in ("address", "generation")
    )
    known = KnownLeaves(memory, found, SECTOR, True)
    skipped = known.recognised(addresses, generations, addresses, sets)
    unread = np.flatnonzero(~skipped)
    for part in np.array_split(unread, 2):
        rows = np.zeros(len(part), LEAF)
        rows["address"], rows["generation"], rows["mark"] = addresses[part], generations[part], addresses[part]
        chosen = [ordered[at] for at in part.tolist()]
        spans = [[one[0] for one in leaf.inodes] or [TOP] for leaf in chosen]
        rows["first"], rows["last"] = [min(span) for span in spans], [max(span) for span in spans]
        rows["set"] = sets[part]
        rows["detail"] = found.splitter.detail(sets[part], rows["first"], rows["last"])
        found_items = items(chosen, rows["detail"].tolist())
        rows["inodes"], rows["low"], rows["high"] = found_items.inodes.sums(len(rows))
        known.take(rows, found_items)
    bits = [f"tree {tree}" for tree in trees] + [f"unit {unit}" for unit in found.units[len(trees) :]]
    known.settle(bits)
    table = walk.tabled(found, None)
    large = sorted(found.large.of_trees(dict.fromkeys(trees.values(), 0)))
    compressed = found.extents.compressed_bytes()
    told = (table, found.extents.plain_bytes() - found.referenced.total(), compressed, large)
    return told, known.memory(forest.generation, bits), int(skipped.sum())


def names_of(forest: Forest, chance: random.Random) -> Names:
    """Now and then another question: some directory of some trees, some nameless inodes."""
    inodes = {tree: [one[0] for leaf in leaves for one in leaf.inodes] for tree, leaves in forest.trees.items()}
    some = [tree for tree, mine in inodes.items() if mine]
    ruled = chance.sample(some, min(len(some), chance.choice((0, 0, 1, 2))))
    nameless = chance.sample(some, min(len(some), chance.choice((0, 0, 1))))
    return Names(
        {f"d{tree}": (tree, chance.choice(inodes[tree])) for tree in ruled},
        {tree: [chance.choice(inodes[tree])] for tree in nameless},
    )


@pytest.mark.parametrize("part", range(4))
def test_what_is_remembered_and_what_is_read_tell_the_same(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    skipped = 0
    for seed in range(part * 50, part * 50 + 50):
        chance = random.Random(seed)
        monkeypatch.setattr(known_leaves, "_MOST_WAITING", chance.choice((0, 5, 1 << 20)))
        forest = Forest(chance)
        forest.trees[TOP] = [forest.leaf() for _ in range(8)]
        names = names_of(forest, chance)
        _, memory, _ = look(forest, names, None)
        for step in range(8):
            for _ in range(chance.randrange(1, 3)):
                forest.change()
            names = names_of(forest, chance) if chance.random() < 0.3 else names
            names = Names({path: at for path, at in names.rules.items() if at[0] in forest.trees}, names.nameless)
            told, memory, known = look(forest, names, memory)
            assert told == look(forest, names, None)[0], f"history {seed}, step {step}"
            skipped += known
    assert skipped > 1000
