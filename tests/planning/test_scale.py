"""Plans over thousands of things: the same answer as the plain definition, in time that grows as they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.causes.base import Draft
from collectors.model import Owner, OwnerKind
from collectors.model.plan import Harm, Risk, Unlock
from collectors.planning.order import ordered
from collectors.planning.unlocks import Tally
from tests.owners import owner
from tests.planning.build import GIB, Scene, ago, container, image, release, volume
from tests.scale.growth import TOO_MUCH, growth

STEPS = tuple(f"s{number}" for number in range(6))
unlocks_of = st.lists(
    st.builds(Unlock, st.frozensets(st.sampled_from(STEPS), max_size=4), st.integers(1, 9)), max_size=12
)


@given(unlocks_of, st.lists(st.sampled_from(STEPS), max_size=20))
def test_a_tally_says_what_the_set_frees_after_every_change(unlocks: list[Unlock], changes: list[str]) -> None:
    claims = {"s0": 100, "s9": 1000}
    tally, done = Tally(unlocks, claims), set[str]()
    for step in changes:
        if step in done:
            done.remove(step)
            tally.drop(step)
        else:
            done.add(step)
            tally.add(step)
        assert tally.freed_bytes == sum(u.bytes for u in unlocks if u.steps <= done) + sum(
            claims.get(s, 0) for s in done
        )


def draft(name: str, requires: frozenset[str], risk: Risk) -> Draft:
    return Draft(
        name,
        "x",
        name,
        "",
        (Owner(OwnerKind.IMAGE, name),),
        70,
        (),
        Harm.TIME,
        risk,
        "",
        "",
        "",
        automatic=True,
        requires=requires,
    )


drafts_of = st.lists(
    st.tuples(st.frozensets(st.sampled_from(STEPS), max_size=2), st.sampled_from((Risk.SAFE, Risk.CAREFUL))),
    min_size=6,
    max_size=6,
).map(
    # A step requires only steps of lower numbers: no circles.
    lambda rows: [
        draft(STEPS[n], frozenset(step for step in requires if step < STEPS[n]), risk)
        for n, (requires, risk) in enumerate(rows)
    ]
)


@given(drafts_of)
def test_the_order_is_that_of_taking_the_first_that_is_ready_again_and_again(drafts: list[Draft]) -> None:
    assert [d.id for d in ordered(drafts)] == [d.id for d in plainly_ordered(drafts)]


def plainly_ordered(drafts: Sequence[Draft]) -> list[Draft]:
    """The first that is ready, again and again."""
    waiting = sorted(drafts, key=lambda d: d.id)
    found: list[Draft] = []
    while waiting:
        ready = next(d for d in waiting if not any(other.id in d.requires for other in waiting))
        waiting.remove(ready)
        found.append(ready)
    return found


def a_host(count: int) -> Scene:
    """So many of each: images that nothing uses with a layer that all share, containers, volumes that nobody mounts."""
    names = [f"{number}" for number in range(count)]
    texts = [f"image:sha256:{name}" for name in names]
    return Scene(
        images=tuple(image(name, f"app:{name}") for name in names),
        containers=tuple(container(f"c{name}", "used") for name in names),
        volumes=tuple(volume(f"v{name}") for name in names),
        last_used={owner(text): ago(days=30) for text in texts},
        releases=(
            release(GIB, *texts),
            *(release(GIB // count, text) for text in texts),
            *(release(GIB // count, f"volume:v{name}") for name in names),
        ),
    )


@pytest.mark.parametrize("until", [None, 78.5])
def test_four_times_as_many_things_do_not_take_sixteen_times_as_long(until: float | None) -> None:
    def prepared(count: int) -> Callable[[], object]:
        scene = a_host(count)
        assert scene.plan(until=until).steps
        return lambda: scene.plan(until=until)

    assert growth(prepared, 500) < TOO_MUCH
