"""Plans over thousands of things: the same answer as the plain definition, in time that grows as they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.causes.base import Draft
from collectors.causes.unneeded import STEPS as STEPS_OF_CACHE
from collectors.causes.unneeded import children_of, groups, rounds
from collectors.model import Owner, OwnerKind
from collectors.model.plan import Harm, Risk, Unlock
from collectors.planning.order import ordered
from collectors.planning.unlocks import Tally, reached
from tests.owners import owner
from tests.planning.build import GIB, Scene, ago, container, image, record, release, volume
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


Parents = Callable[[int, int], tuple[str, ...]]  # of the n-th of so many records

SHAPES: dict[str, Parents] = {
    "a chain, oldest first": lambda n, count: (f"r{n - 1}",) if n else (),
    "a chain, youngest first": lambda n, count: (f"r{n + 1}",) if n + 1 < count else (),
    "a star: all on one": lambda n, count: ("r0",) if n else (),
    "a star: one on all": lambda n, count: () if n < count - 1 else tuple(f"r{other}" for other in range(count - 1)),
    "a forest of chains": lambda n, count: (f"r{n - 1}",) if n % 50 else (),
    "a forest of trees": lambda n, count: (f"r{(n - 1) // 2}",) if n % 500 else (),
}


def a_cache(count: int, parents: Parents) -> Scene:
    """Records of every age, by number: such as go at once, late, after others, and such as stay."""
    ages = (ago(days=30), ago(hours=1), ago(days=30), ago(days=3))
    records = tuple(
        record(f"r{n}", parents=parents(n, count), used=ages[n % 4], shared=n % 3 == 0, in_use=n == count // 3)
        for n in range(count)
    )
    return Scene(build_cache=records, releases=tuple(release(GIB // count, f"build:r{n}") for n in range(count)))


@pytest.mark.parametrize("shape", SHAPES)
def test_build_cache_of_any_shape_is_planned_and_marked_in_time_that_grows_as_it_does(shape: str) -> None:
    def prepared(count: int) -> Callable[[], object]:
        scene = a_cache(count, SHAPES[shape])
        marked = frozenset(owner(f"build:r{n}") for n in range(0, count, 2))
        return lambda: (scene.plan(), scene.what_if()(marked))

    assert growth(prepared, 500) < TOO_MUCH


built_on = st.lists(st.lists(st.integers(0, 11), max_size=3), min_size=1, max_size=12)


@settings(deadline=None)
@given(built_on, st.sets(st.integers(0, 11)))
def test_records_go_round_by_round_those_first_that_nothing_is_built_on(
    parents: list[list[int]], left: set[int]
) -> None:
    """Circles too: an engine that lists one must not hang us."""
    cached = {f"r{n}": record(f"r{n}", parents=tuple(f"r{p}" for p in above)) for n, above in enumerate(parents)}
    children = children_of(cached)
    waiting = {f"r{n}" for n in left} & cached.keys()
    expected: dict[str, int] = {}
    while waiting:
        free = {i for i in waiting if not children.get(i, frozenset()) & waiting} or set(waiting)
        expected |= dict.fromkeys(free, max(expected.values(), default=-1) + 1)
        waiting -= free
    assert rounds({f"r{n}" for n in left} & cached.keys(), children) == expected


@settings(deadline=None)
@given(built_on, st.lists(st.integers(0, 4), min_size=12, max_size=12))
def test_a_record_goes_with_its_latest_descendant_and_stays_with_one_that_stays(
    parents: list[list[int]], kinds: list[int]
) -> None:
    ages = (ago(days=30), ago(hours=1), ago(days=3), ago(days=30), ago(days=30))
    cached = {
        f"r{n}": record(
            f"r{n}",
            parents=tuple(f"r{p}" for p in above),
            used=ages[kinds[n]],
            in_use=kinds[n] == 3,
            shared=kinds[n] == 4,
        )
        for n, above in enumerate(parents)
    }
    children = children_of(cached)
    found = groups(Scene(build_cache=tuple(cached.values())).context(), cached, children)
    under = {i: reached((i,), children) & cached.keys() for i in cached}
    assert found.step_of.keys() == {i for i in cached if not any(cached[j].in_use for j in under[i])}
    for i, step in found.step_of.items():
        assert all(STEPS_OF_CACHE.index(found.step_of[j]) <= STEPS_OF_CACHE.index(step) for j in under[i])
