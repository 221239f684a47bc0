"""Sets, never sums: what removing owners frees."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from collectors.ledger.release_table import freed_bytes, freed_inodes, keep_books
from collectors.model import Owner, OwnerKind, UnitId
from collectors.model.filesystem import Share
from collectors.model.store import Unit, UnitKind
from tests.ledger.build import HERE, share, unit

OWNERS = [Owner(OwnerKind.IMAGE, letter) for letter in "abcd"]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Unit], list[Share]]:
    """Units with any owners (none: it never goes), and shares over them."""
    units = [
        Unit(UnitId(f"u{n}"), UnitKind.IMAGE_LAYER, "", "", frozenset(owners), False, None)
        for n, owners in enumerate(draw(st.lists(st.sets(st.sampled_from(OWNERS)), min_size=1, max_size=5)))
    ]
    holders = st.sets(st.sampled_from([one.id for one in units]), min_size=1)
    shares = draw(
        st.lists(st.builds(lambda h, n: Share(frozenset(h), n, 0, n % 7), holders, st.integers(1, 1000)), max_size=8)
    )
    return units, shares


def brute_force(units: list[Unit], shares: list[Share], removed: frozenset[Owner]) -> tuple[int, int]:
    """Delete units whose owners are all gone, then count the shares that nobody holds any more: bytes and inodes."""
    alive = {one.id for one in units if not one.owners or not one.owners <= removed}
    free = [one for one in shares if not one.holders & alive]
    return sum(one.bytes for one in free), sum(one.inodes or 0 for one in free)


@given(worlds())
def test_every_set_of_owners_frees_what_deleting_its_units_would(world: tuple[list[Unit], list[Share]]) -> None:
    units, shares = world
    books = keep_books(units, shares, (), HERE)
    for size in range(len(OWNERS) + 1):
        for chosen in combinations(OWNERS, size):
            freed = freed_bytes(books, chosen), freed_inodes(books, chosen)
            assert freed == brute_force(units, shares, frozenset(chosen))


def test_where_inodes_are_not_counted_it_is_not_known_how_many_come_free() -> None:
    units = [unit("a", UnitKind.VOLUME, "volume:v")]
    books = keep_books(units, [Share(frozenset({units[0].id}), 100, 0, None)], (), HERE)
    assert freed_bytes(books, [Owner(OwnerKind.VOLUME, "v")]) == 100
    assert freed_inodes(books, [Owner(OwnerKind.VOLUME, "v")]) is None


def test_two_clones_free_together_what_neither_frees_alone() -> None:
    units = [unit("a", UnitKind.IMAGE_LAYER, "image:1"), unit("b", UnitKind.IMAGE_LAYER, "image:2")]
    books = keep_books(units, [share(100, "a", "b")], (), HERE)
    assert freed_bytes(books, [Owner(OwnerKind.IMAGE, "1")]) == 0
    assert freed_bytes(books, [Owner(OwnerKind.IMAGE, "2")]) == 0
    assert freed_bytes(books, [Owner(OwnerKind.IMAGE, "1"), Owner(OwnerKind.IMAGE, "2")]) == 100


def test_a_container_takes_its_log_with_it() -> None:
    units = [unit("w", UnitKind.WRITABLE_LAYER, "container:c"), unit("l", UnitKind.LOG, "log:c")]
    books = keep_books(units, [share(5, "w"), share(7, "l")], (), HERE)
    assert freed_bytes(books, [Owner(OwnerKind.CONTAINER, "c")]) == 12
    assert freed_bytes(books, [Owner(OwnerKind.LOG, "c")]) == 7
