"""Hard links that lead into several units: whose the bytes are, and who must go for them to come free. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from collectors.system.count import Count


@dataclass(slots=True)
class Split:
    """Figures with every inode counted once: `own` of one unit alone, `shared` by exactly these units (in blocks)."""

    own: dict[int, Count] = field(default_factory=dict)
    charged: dict[int, Count] = field(default_factory=dict)  # own, and what is shared with units that come later
    shared: dict[frozenset[int], int] = field(default_factory=lambda: defaultdict(int))
    unplaced: dict[int, int] = field(default_factory=dict)  # inode → links, where some link was met nowhere
    unplaced_in: dict[int, frozenset[int]] = field(default_factory=dict)  # where the others were met


def split(counts: Iterable[tuple[int, Count]]) -> Split:
    """Each count has counted an inode that several units link to; here all but one of them give it back."""
    result = Split()
    holders: defaultdict[int, list[tuple[int, int, int, int, int]]] = defaultdict(list)
    for index, count in counts:
        result.own[index] = Count(count.blocks, count.apparent, count.inodes, count.newest)
        result.charged[index] = Count(count.blocks, count.apparent, count.inodes, count.newest)
        for inode, remaining, blocks, apparent, links in count.links:
            holders[inode].append((index, remaining, blocks, apparent, links))
    for inode, entries in holders.items():
        links = max(entry[4] for entry in entries)
        units = frozenset(entry[0] for entry in entries)
        if sum(links - entry[1] for entry in entries) < links:
            result.unplaced[inode] = links
            result.unplaced_in[inode] = units
        if len(entries) == 1:
            continue
        first, blocks, apparent = min(entries)[0], entries[0][2], entries[0][3]
        for index, _, counted, size, _ in entries:
            for figures in (result.own[index], result.charged[index]):
                figures.blocks -= counted
                figures.apparent -= size
                figures.inodes -= 1
        result.charged[first].add(Count(blocks, apparent, 1))
        if len(units) == 1:  # two walkers met it in the same unit
            result.own[first].add(Count(blocks, apparent, 1))
        else:
            result.shared[units] += blocks
    return result
