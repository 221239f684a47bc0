"""Hard links across holders: whatever is done with them, walking with and without memory gives equal figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.model.filesystem import Mount
from collectors.system import hard_links
from collectors.system.deadline import Malformed
from collectors.system.hard_links import hides_a_link
from collectors.system.layer_cache import EMPTY, LayerCache, load, save
from collectors.system.occupancy import Targets
from collectors.system.walk import Joined, candidate_parts, candidates, join, remember
from collectors.system.walk_result import WalkResult
from tests.system.walking import a_unit

LAYERS, VOLUMES = (0, 1), (2, 3, 4)
HOST = len(LAYERS) + len(VOLUMES)
PARTS = (b"srv/a", b"srv/b")
HOLDERS = range(HOST + 1 + len(PARTS))
UNITS = tuple(a_unit(Path(f"/layers/{index}" if index in LAYERS else f"/v/{index}")) for index in range(HOST))
MOUNT = Mount(1, 0, "8:1", "/", "/", ("rw",), "ext4", "/dev/sda1", ())
AIMS = Targets(MOUNT, (("", ""),) * HOST, frozenset(LAYERS), frozenset(VOLUMES), frozenset(), ())
BLOCKS, BYTES, FSID = 8, 4000, 7
Figures = tuple[dict[int, tuple[int, int, int]], dict[frozenset[int], tuple[int, int]]]


@dataclass
class Tree:
    """Inodes with the holder of each of their links, and which holders have changed since they were last walked."""

    links: dict[int, list[int]] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    made: int = 0

    def touch(self, inode: int, *places: int) -> None:
        """The inode's time of change is another, and what lists it. Of a layer nobody notices."""
        self.changed |= {*self.links[inode], *places} - set(LAYERS)

    def new(self, _: int, where: int) -> None:
        self.made += 1
        self.changed.add(where)  # a layer that is made is a new one
        self.links[self.made] = [where]

    def link(self, which: int, where: int) -> None:
        if inode := self._inode(which):
            layers = set(self.links[inode]) & set(LAYERS)
            if layers and len(set(self.links[inode])) == 1 and not layers <= self.changed:
                where = LAYERS[where % len(LAYERS)]  # an engine's new layer, next to the one that nobody reads again
                self.changed.add(where)
            else:
                where = self._no_layer(where)
            self.links[inode].append(where)
            self.touch(inode, where)

    def unlink(self, which: int, number: int) -> None:
        if inode := self._inode(which):
            free = [place for place in self.links[inode] if place not in LAYERS]
            if free:
                place = free[number % len(free)]
                self.touch(inode)
                self.links[inode].remove(place)
        self.links = {inode: places for inode, places in self.links.items() if places}

    def rename(self, which: int, where: int) -> None:
        if (inode := self._inode(which)) and (free := [place for place in self.links[inode] if place not in LAYERS]):
            where = self._no_layer(where)
            self.touch(inode, where)
            self.links[inode].remove(free[0])
            self.links[inode].append(where)

    def _inode(self, which: int) -> int | None:
        return sorted(self.links)[which % len(self.links)] if self.links else None

    @staticmethod
    def _no_layer(where: int) -> int:
        return where if where not in LAYERS else VOLUMES[where]

    def row(self, index: int) -> tuple[object, ...]:
        """What a walker sends of a holder."""
        held = {inode: places.count(index) for inode, places in self.links.items() if index in places}
        rest = [
            (inode, len(self.links[inode]) - met, BLOCKS, BYTES, len(self.links[inode]))
            for inode, met in held.items()
            if met < len(self.links[inode])
        ]
        sums = BLOCKS * len(held), BYTES * len(held), len(held)
        rows = [(b"", *sums)] if index >= HOST else []
        evidence = (("", index + 1, self.made if index in LAYERS and index in self.changed else 0),)
        proofs = [] if index in LAYERS else [(((0, 256),), index)]
        return index, *sums, 1.0, rest, [], evidence, proofs, rows, []

    def walk(self, cache: LayerCache) -> Joined:
        """As `walk` does it, the child's part played here."""

        def joined(kept: bool) -> Joined:
            figures, parts = (candidates(AIMS, UNITS, cache), candidate_parts(cache)) if kept else ({}, {})
            counted = WalkResult(HOST, figures, parts)
            held = [*figures, *(HOST + 1 + at for at, path in enumerate(PARTS) if path in parts)]
            held = [index for index in held if index not in self.changed]
            counted.started(0)
            counted.take(0, ("found", True, FSID, (0, 0), (1 << 20, 1 << 20), held, [], [], list(PARTS)))
            walked = [self.row(index) for index in HOLDERS if index not in held and index != HOST]
            counted.take(0, ("part", walked, [], [], []))
            counted.take(0, ("end", True, [self.row(HOST)], []))
            return join(counted, UNITS, cache)

        found = joined(True)
        if hides_a_link(found.counted.kept_layers(), found.split, UNITS, cache):
            found = joined(False)
        return found


def figures(found: Joined) -> Figures:
    own = {index: (count.blocks, count.apparent, count.inodes) for index, count in found.split.own.items()}
    charged = {~index: (count.blocks, count.apparent, count.inodes) for index, count in found.split.charged.items()}
    shared = {units: (count.blocks, count.inodes) for units, count in found.split.shared.items() if count.inodes}
    return {**own, **charged}, shared


def remembered(found: Joined, cache: LayerCache) -> LayerCache:
    return remember(found, dict.fromkeys(range(HOST), ()), AIMS, cache)


steps = st.tuples(
    st.sampled_from(["new", "link", "unlink", "rename", "walk"]), st.integers(0, 30), st.sampled_from(HOLDERS)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=60))
def test_with_memory_and_without_figures_are_equal_over_any_history(history: list[tuple[str, int, int]]) -> None:
    tree, cache = Tree(), EMPTY
    for act, which, where in [*history, ("walk", 0, 0)]:
        if act != "walk":
            change: Callable[[int, int], None] = getattr(tree, act)
            change(which, where)
            continue
        found = tree.walk(cache)
        assert figures(found) == figures(tree.walk(EMPTY))
        expected = Counter(frozenset(min(place, HOST) for place in places) for places in tree.links.values())
        assert figures(found)[1] == {
            units: (BLOCKS * count, count) for units, count in expected.items() if len(units) > 1
        }
        cache = remembered(found, cache)
        tree.changed.clear()


def a_linked_tree() -> Tree:
    """500 inodes, each with a link in two volumes, and some in parts of the host."""
    tree = Tree()
    for number in range(500):
        tree.new(0, VOLUMES[number % 3])
        tree.links[tree.made] = [VOLUMES[number % 3], VOLUMES[(number + 1) % 3]]
    for _ in range(10):
        tree.new(0, HOST + 1)
        tree.links[tree.made] = [HOST + 1, HOST + 2]
    return tree


def walked_twice(tree: Tree) -> tuple[Joined, LayerCache]:
    cache = remembered(tree.walk(EMPTY), EMPTY)
    tree.changed.clear()
    return tree.walk(cache), cache


def test_links_across_holders_are_no_reason_to_walk_again_and_cost_no_more_than_their_sets() -> None:
    tree = a_linked_tree()
    again, cache = walked_twice(tree)
    assert set(VOLUMES) | {HOST + 1, HOST + 2} <= set(again.counted.kept())
    assert not again.links.inodes, "nothing was unpacked"
    assert len(cache.link_sets) == 4
    assert remembered(again, cache).link_sets == cache.link_sets
    tree.unlink(0, 0)
    tree.new(0, VOLUMES[0])
    changed = tree.walk(cache)
    assert figures(changed) == figures(tree.walk(EMPTY))
    assert [one.holders for one in changed.links.standing] == [(HOST + 1, HOST + 2)]


def test_more_links_than_anybody_keeps_are_walked_again() -> None:
    with patch.object(hard_links, "_INODES_MAX", 505):
        again, cache = walked_twice(a_linked_tree())
        assert cache.link_sets == ()
        assert set(again.counted.kept()) == set(LAYERS), "nobody with links"
    assert figures(again) == figures(a_linked_tree().walk(EMPTY))


def test_sets_that_cannot_be_unpacked_are_said_to_be_so(tmp_path: Path) -> None:
    tree = a_linked_tree()
    _, cache = walked_twice(tree)
    assert save(tmp_path / "kept", cache)
    assert load(tmp_path / "kept") == cache
    tree.changed.add(VOLUMES[0])
    for packed in ("AAAA", "", cache.link_sets[0].packed[:-8], "\u1234", cache.link_sets[-1].packed):
        torn = replace(cache, link_sets=tuple(replace(one, packed=packed) for one in cache.link_sets))
        with pytest.raises(Malformed):
            tree.walk(torn)
