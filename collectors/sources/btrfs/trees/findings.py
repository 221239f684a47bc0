"""What a walk fills: tables by set of holders. The same for both ways to walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collectors.model.btrfs import SplitRule
from collectors.model.ids import UnitId
from collectors.sources.btrfs import layout
from collectors.sources.btrfs.trees import records
from collectors.sources.btrfs.trees.bookends import Intervals
from collectors.sources.btrfs.trees.extents import ExtentTable
from collectors.sources.btrfs.trees.rootsets import I64, RootSets
from collectors.sources.btrfs.trees.splitting import Split, Splitter
from collectors.sources.btrfs.trees.tally import Tally


class Batch(Protocol):
    """Some items of subvolumes."""

    def extents(self) -> records.Extents: ...
    def inodes(self) -> records.Inodes: ...
    def links(self, wanted: NDArray[np.bool_]) -> records.Links: ...


class Inodes(Protocol):
    """(subvolume, inode) of a path, or None; and the inodes of a subvolume that have no path."""

    def inode(self, path: str) -> tuple[int, int] | None: ...
    def unlinked(self, subvolume: int) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Findings:
    """Tables by set number. `units` gives the meaning of a bit; two bits may mean the same unit."""

    units: tuple[UnitId, ...]
    unresolved: tuple[str, ...]
    sets: RootSets
    extents: ExtentTable
    tally: Tally
    referenced: Intervals  # of uncompressed extents
    splitter: Splitter

    def take(self, batch: Batch, sets: I64) -> None:
        """Enter a batch whose rows belong to these sets."""
        split = self.splitter.concerned(sets)
        inodes = batch.inodes()
        late = split[inodes.rows]
        self.splitter.add_inodes(sets[inodes.rows[late]], inodes.inodes[late], inodes.apparent[late])
        self.tally.add_inodes(sets[inodes.rows[~late]], inodes.apparent[~late])
        if split.any():
            links = batch.links(split)
            self.splitter.add_links(sets[links.rows], links.inodes, links.parents, links.ranks)
        extents = batch.extents()
        plain = extents.ram == 0
        begin = extents.addresses[plain] + extents.starts[plain]
        self.referenced.add(begin, begin + extents.lengths[plain])
        holders, late = sets[extents.rows], split[extents.rows]
        addresses, disk, ram = extents.addresses, extents.disk, extents.ram
        if late.any():
            self.splitter.add_extents(holders[late], extents.inodes[late], addresses[late], disk[late], ram[late])
            addresses, disk, ram, holders = addresses[~late], disk[~late], ram[~late], holders[~late]
        self.extents.add(addresses, disk, ram, holders)

    def settle(self) -> None:
        """All items have been seen: what was kept back finds its holders."""
        self.splitter.settle(self.extents, self.tally)


def empty(trees: Mapping[int, int], units: Sequence[UnitId], names: Inodes, rules: Sequence[SplitRule]) -> Findings:
    """Tables for these holders. `trees`: subvolume → its bit; `units`: what each bit means before the rules."""
    meanings = list(units)
    bits: dict[UnitId, int] = {}
    inside: dict[int, dict[int, int]] = {}
    unresolved = []
    for rule in rules:
        place = names.inode(rule.path)
        if place is None or place[0] not in trees:
            unresolved.append(rule.path)
        elif place[1] == layout.SUBVOLUME_DIRECTORY:
            meanings[trees[place[0]]] = rule.unit
        else:
            bit = bits.setdefault(rule.unit, len(units) + len(bits))
            inside.setdefault(trees[place[0]], {})[place[1]] = bit
    for tree, bit in trees.items():
        if layout.is_subvolume(tree) and not units[bit].startswith("<"):
            for inode in names.unlinked(tree):
                target = bits.setdefault(UnitId(layout.UNLINKED), len(units) + len(bits))
                inside.setdefault(bit, {})[inode] = target
    sets = RootSets()
    splitter = Splitter(tuple(Split(bit, found) for bit, found in inside.items()), sets)
    return Findings((*meanings, *bits), tuple(unresolved), sets, ExtentTable(sets), Tally(), Intervals(), splitter)
