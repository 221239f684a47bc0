"""Hard links across holders: every inode counted once, and what is kept of them between runs. Pure.

Inodes that the same holders link to are one set: its sums, and packed beside them what each holder has counted of each
inode. While no holder of a set has changed, the sums say all; the sets of those that have are unpacked, and joined
again with what was met this time. A holder is a unit, a part of the host's own files, or the rest of those.
"""

from __future__ import annotations

import base64
import os
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from collectors.model import HOST_UNIT, UnitId
from collectors.model.store import Unit
from collectors.system.deadline import Malformed
from collectors.system.layer_cache import LayerCache, LayerFigure, LinkSet, part_id
from collectors.system.walk_result import Count, WalkResult

Entry = tuple[int, int, int, int, int]  # (holder, links not met there, blocks, apparent bytes, links)
Inodes = dict[int, list[Entry]]
_EACH = 4  # numbers of an entry, its holder aside
_INODES_MAX, _SETS_MAX = 1_000_000, 20_000  # with more, holders of links are measured each time


@dataclass(slots=True)
class SharedCount:
    """What several units link to."""

    blocks: int = 0
    inodes: int = 0

    def add(self, blocks: int, inodes: int) -> None:
        """Take in some more."""
        self.blocks += blocks
        self.inodes += inodes


@dataclass(frozen=True, slots=True)
class Standing:
    """A set that is as it was: of each holder, in order, what it has counted of the inodes."""

    holders: tuple[int, ...]
    counted: list[tuple[int, int]]
    found: LinkSet


@dataclass(frozen=True, slots=True)
class Links:
    """Holders are indexes: of a unit, of the host, and above that of its parts."""

    host: int
    inodes: Inodes  # that were met this time, or whose set has to be joined again
    standing: list[Standing]

    def units(self, holders: Iterable[int]) -> tuple[int, ...]:
        """Whose the holders are: the host's parts are the host's."""
        return tuple(min(holder, self.host) for holder in holders)

    def sets(self) -> dict[tuple[int, ...], list[int]]:
        """The inodes by their holders."""
        found: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for inode, entries in self.inodes.items():
            entries.sort()
            found[tuple([entry[0] for entry in entries])].append(inode)
        return found

    def sums(self, holders: tuple[int, ...], members: list[int]) -> list[tuple[int, int]]:
        """Blocks and apparent bytes of some inodes that these holders link to, as each has counted them."""
        rows = [self.inodes[inode] for inode in members]
        return [
            (sum(row[place][2] for row in rows), sum(row[place][3] for row in rows)) for place in range(len(holders))
        ]

    def unplaced(self) -> Iterator[tuple[int, int]]:
        """Inodes of which some link was met nowhere, and how many links they have."""
        for inode, entries in self.inodes.items():
            links = max([entry[4] for entry in entries])
            if sum([links - entry[1] for entry in entries]) < links:
                yield inode, links


@dataclass(slots=True)
class LinkSplit:
    """Figures with every inode counted once: `own` of one unit alone, `shared` by exactly these units."""

    own: dict[int, Count] = field(default_factory=dict)
    charged: dict[int, Count] = field(default_factory=dict)  # own, and what is shared with units that come later
    shared: dict[frozenset[int], SharedCount] = field(default_factory=lambda: defaultdict(SharedCount))
    unplaced: dict[int, int] = field(default_factory=dict)  # inode → links, where some link was met nowhere
    unplaced_in: dict[int, frozenset[int]] = field(default_factory=dict)  # where the others were met
    sets: dict[tuple[int, ...], list[int]] = field(default_factory=dict)  # the inodes, by their holders

    def give_back(self, units: tuple[int, ...], counted: list[tuple[int, int]], inodes: int) -> None:
        """All but one of several units, in order, return what they have counted of the same inodes.

        `counted`: blocks and apparent bytes of each; who is there twice has counted them twice.
        """
        if len(units) == 1:
            return
        for unit, (blocks, apparent) in zip(units, counted, strict=True):
            for figures in (self.own[unit], self.charged[unit]):
                figures.add(Count(-blocks, -apparent, -inodes))
        once = Count(*counted[0], inodes)
        self.charged[units[0]].add(once)
        if units[0] == units[-1]:
            self.own[units[0]].add(once)
        else:
            self.shared[frozenset(units)].add(once.blocks, inodes)


def names_of(units: tuple[Unit, ...], counted: WalkResult) -> dict[int, UnitId]:
    """Of every holder, by its index."""
    return dict(enumerate((*(unit.id for unit in units), HOST_UNIT, *map(part_id, counted.part_paths))))


def links_of(host: int, counts: Iterable[tuple[int, Count]]) -> Links:
    """What holders have met."""
    inodes: Inodes = defaultdict(list)
    for index, count in counts:
        for inode, missing, blocks, apparent, links in count.links:
            inodes[inode].append((index, missing, blocks, apparent, links))
    return Links(host, inodes, [])


def gather(counted: WalkResult, names: Mapping[int, UnitId], before: LayerCache) -> Links:
    """What the walk has met, and what is remembered of the others. `names`: of units, the host and its parts.

    Raises Malformed where what is remembered cannot be read.
    """
    links = links_of(counted.host, counted.by_holder())
    kept = {names[index]: index for index in counted.kept()}
    for one in before.link_sets:
        places = [kept.get(name, -1) for name in one.holders]
        if one.placed and min(places) >= 0:
            in_order = sorted(zip(places, one.counted, strict=True))
            links.standing.append(Standing(tuple(place for place, _ in in_order), [sums for _, sums in in_order], one))
        elif max(places) >= 0:
            _unpack(one, places, links.inodes)
    # A new link into a layer changes nothing that we know of the layer: it may lead into any of these.
    if links.standing and any(inode not in before.unplaced for inode, _ in links.unplaced()):
        for standing in links.standing:
            _unpack(standing.found, [kept[name] for name in standing.found.holders], links.inodes)
        links.standing.clear()
    return links


def split(counts: Iterable[tuple[int, Count]], links: Links) -> LinkSplit:
    """Each count has counted an inode that several units link to; here all but one of them give it back.

    `counts`: of units, and of the host together with its parts.
    """
    result = LinkSplit()
    for index, count in counts:
        result.own[index] = Count(count.blocks, count.apparent, count.inodes, count.newest)
        result.charged[index] = Count(count.blocks, count.apparent, count.inodes, count.newest)
    for inode, number in links.unplaced():
        result.unplaced[inode] = number
        result.unplaced_in[inode] = frozenset(links.units(entry[0] for entry in links.inodes[inode]))
    result.sets = links.sets()
    for holders, members in result.sets.items():
        result.give_back(links.units(holders), links.sums(holders, members), len(members))
    for one in links.standing:
        result.give_back(links.units(one.holders), one.counted, one.found.inodes)
    return result


def keep_links(
    links: Links, split: LinkSplit, names: Mapping[int, UnitId], layers: dict[UnitId, LayerFigure]
) -> tuple[LinkSet, ...]:
    """The sets with a holder whose figure is kept, in `layers`; if they are too many, nobody who has links is kept."""
    sets = {
        holders: members
        for holders, members in split.sets.items()
        if any(names[holder] in layers for holder in holders)
    }
    standing = [one.found for one in links.standing]
    inodes = sum(map(len, sets.values())) + sum(one.inodes for one in standing)
    if inodes > _INODES_MAX or len(sets) + len(standing) > _SETS_MAX:
        for holder in chain.from_iterable((*sets, *(one.holders for one in links.standing))):
            layers.pop(names[holder], None)
        return ()
    joined = (
        LinkSet(
            tuple(names[holder] for holder in holders),
            tuple(links.sums(holders, members)),
            len(members),
            split.unplaced.keys().isdisjoint(members),
            _packed(links.inodes, members),
        )
        for holders, members in sets.items()
    )
    return *standing, *joined


def _packed(inodes: Inodes, members: list[int]) -> str:
    rows = chain.from_iterable(chain((inode,), *(entry[1:] for entry in inodes[inode])) for inode in members)
    return base64.b64encode(zlib.compress(array("q", rows), 1)).decode()


def _unpack(one: LinkSet, places: list[int], inodes: Inodes) -> None:
    """Enter what the holders at `places` have counted; -1: that one is measured anew."""
    try:
        numbers = array("q", zlib.decompress(base64.b64decode(one.packed)))
    except (ValueError, zlib.error) as error:
        raise Malformed(f"hard links cannot be unpacked: {error}") from None
    width = 1 + _EACH * len(places)
    if len(numbers) != width * one.inodes:
        raise Malformed(f"{len(numbers)} numbers of {one.inodes} inodes with hard links")
    for at in range(0, len(numbers), width):
        for number, place in enumerate(places):
            if place >= 0:
                missing, blocks, apparent, links = numbers[at + 1 + number * _EACH : at + 1 + (number + 1) * _EACH]
                inodes[numbers[at]].append((place, missing, blocks, apparent, links))


def hides_a_link(kept: Iterable[int], split: LinkSplit, units: tuple[Unit, ...], before: LayerCache) -> bool:
    """Whether a link may have been made into one of the layers `kept`, which were not read this time.

    A link changes neither the layer's directory nor what we know of the layer; but the inode then has a link that was
    met nowhere. Engines link files of layers into other layers only, which lie next to them.
    """
    folders = {os.path.dirname(units[index].path) for index in kept}  # noqa: PTH120 - only names
    return any(
        os.path.dirname(units[index].path) in folders  # noqa: PTH120
        for inode in split.unplaced.keys() - before.unplaced.keys()
        for index in split.unplaced_in[inode]
        if index < len(units)
    )
