"""Sets, never sums: what removing owners frees."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from collectors.ledger.release_table import freed_bytes, keep_books
from collectors.model.filesystem import Share
from collectors.model.owner import Owner, OwnerKind, UnitId
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
        st.lists(st.builds(lambda h, n: Share(frozenset(h), n, 0), holders, st.integers(1, 1000)), max_size=8)
    )
    return units, shares


def brute_force(units: list[Unit], shares: list[Share], removed: frozenset[Owner]) -> int:
    """Delete units whose owners are all gone, then count the shares that nobody holds any more."""
    alive = {one.id for one in units if not one.owners or not one.owners <= removed}
    return sum(one.bytes for one in shares if not one.holders & alive)


@given(worlds())
def test_every_set_of_owners_frees_what_deleting_its_units_would(world: tuple[list[Unit], list[Share]]) -> None:
    units, shares = world
    books = keep_books(units, shares, (), HERE)
    for size in range(len(OWNERS) + 1):
        for chosen in combinations(OWNERS, size):
            assert freed_bytes(books, chosen) == brute_force(units, shares, frozenset(chosen))


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
