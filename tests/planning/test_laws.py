"""Laws that hold for every plan: predictions are sets, keep rules win, least harm first, nothing useless."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Release
from collectors.model.plan import Harm, Step
from collectors.model.reading import Exact
from collectors.model.store import UnitKind
from collectors.planning.target import to_free_bytes, way_to
from tests.owners import owner
from tests.planning.build import (
    GIB,
    MIB,
    NOW,
    Scene,
    container,
    finding,
    ids,
    image,
    log,
    proof,
    record,
    targets,
    unit,
    volume,
    with_rules,
)

_NAMES = "abcdef"
_KEEP = {"ullage.keep": "true"}
_ages = st.integers(0, 80).map(lambda days: NOW - timedelta(days=days))


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """A machine with up to six of everything, each kept, young, used or free, and any sharing among all of them."""
    labels = st.sampled_from([{}, {}, _KEEP])
    images = []
    for name in _NAMES:
        tags = draw(st.sampled_from([(), (f"{name}:1",), (f"{name}:1", f"{name}:2")]))
        images.append(image(name, *tags, labels=draw(labels)))
    containers = []
    for name in draw(st.sets(st.sampled_from(_NAMES))):
        state = draw(st.sampled_from(["running", "exited", "exited", "created", "dead"]))
        containers.append(
            container(
                f"c-{name}", name, state=state, ended=draw(st.none() | _ages), labels=draw(labels),
                writable=draw(st.sampled_from([0, MIB, GIB])), volumes=draw(st.sampled_from([(), (name,)])),
            )
        )  # fmt: skip
    records = []
    for index, name in enumerate(_NAMES):
        records.append(
            record(
                name, parents=tuple(draw(st.sets(st.sampled_from(_NAMES[:index])))) if index else (),
                kind=draw(st.sampled_from(["regular", "regular", "exec.cachemount", "internal"])),
                used=draw(_ages), in_use=draw(st.booleans()), shared=draw(st.booleans()),
            )
        )  # fmt: skip
    volumes = [volume(name, labels=draw(labels), anonymous=draw(st.booleans())) for name in _NAMES]
    paths = [f"/docker/overlay2/{name}" for name in _NAMES]
    owners = (
        [f"image:sha256:{n}" for n in _NAMES]
        + [f"container:{c.id}" for c in containers]
        + [f"log:{c.id}" for c in containers]
        + [f"build:{n}" for n in _NAMES]
        + [f"volume:{n}" for n in _NAMES]
        + [f"orphan:{p}" for p in paths]
        + ["snapshot:s"]
    )
    releases = draw(
        st.lists(
            st.builds(
                Release,
                st.frozensets(st.sampled_from([owner(o) for o in owners]), min_size=1, max_size=3),
                st.integers(1, GIB),
                tree_bytes=st.just(0),
                inodes=st.integers(0, 900),
            ),
            max_size=25,
        )
    )
    proved = draw(st.sets(st.sampled_from(paths)))
    return Scene(
        images=tuple(images),
        containers=tuple(containers),
        build_cache=tuple(records),
        volumes=tuple(volumes),
        logs=tuple(log(c.id, GIB) for c in containers),
        units=(
            *(unit(p, UnitKind.ORPHAN_CANDIDATE, f"orphan:{p}") for p in paths),
            unit("s", UnitKind.SNAPSHOT, "snapshot:s"),
        ),
        proofs=tuple(proof(p) for p in proved),
        findings=(finding("orphans", *(f"orphan:{p}" for p in draw(st.sets(st.sampled_from(paths))))),),
        last_used={Owner(OwnerKind.IMAGE, f"sha256:{n}"): draw(_ages) for n in draw(st.sets(st.sampled_from(_NAMES)))},
        releases=tuple(releases),
    )


@settings(max_examples=150, deadline=None)
@given(scenes(), st.data())
def test_the_prediction_of_any_set_of_steps_equals_removing_their_targets_by_hand(
    scene: Scene, data: st.DataObject
) -> None:
    made = scene.plan()
    order = ids(made)
    chosen: set[str] = set()
    gone: set[Owner] = set()
    # Steps run in order, and a step whose precondition was not chosen is skipped: an image with its container.
    for one in made.steps:
        if not data.draw(st.booleans()):
            continue
        before = {Owner(OwnerKind.CONTAINER, c.id) for c in scene.containers} if one.action == "image.remove" else set()
        held = {
            Owner(OwnerKind.CONTAINER, c.id)
            for c in scene.containers
            if Owner(OwnerKind.IMAGE, c.image_id) in one.targets
        }
        if before & held - gone:
            continue
        if one.action == "container.remove" and not _log_gone(one, gone | set(one.targets)):
            continue
        if one.action == "build-cache.prune" and not _descendants_gone(scene, one.targets, gone):
            continue
        chosen.add(one.id)
        gone |= set(one.targets)
    brute = sum(r.bytes for r in scene.releases if r.owners <= gone)
    assert made.frees_bytes(frozenset(chosen)) == brute
    assert sum(one.frees.value for one in made.steps if isinstance(one.frees, Exact)) == made.frees_bytes(
        frozenset(order)
    )


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_the_inodes_of_all_steps_are_those_of_what_they_remove_and_a_log_that_is_cut_stays_a_file(scene: Scene) -> None:
    made = scene.plan()
    gone = frozenset(target for one in made.steps for target in one.targets)
    cuts = [one for one in made.steps if all(target.kind is OwnerKind.LOG for target in one.targets)]
    cut = frozenset(target for one in cuts for target in one.targets)
    brute = sum(r.inodes or 0 for r in scene.releases if r.owners <= gone and not r.owners <= cut)
    assert sum(one.frees_inodes or 0 for one in made.steps) == brute


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_what_a_step_frees_and_what_it_leads_to_is_all_that_the_plan_would_lack_without_it(scene: Scene) -> None:
    made = scene.plan()
    everything, later = frozenset(ids(made)), made.later_bytes()
    for one in made.steps:
        lacking = made.frees_bytes(everything) - made.frees_bytes(everything - {one.id})
        if isinstance(one.frees, Exact):
            assert lacking == one.frees.value + later.get(one.id, 0)


def _log_gone(one: Step, gone: set[Owner]) -> bool:
    """Every container here has a large log, which is cut before the container goes."""
    return all(Owner(OwnerKind.LOG, who.id) in gone for who in one.targets if who.kind is OwnerKind.CONTAINER)


def _descendants_gone(scene: Scene, records: tuple[Owner, ...], gone: set[Owner]) -> bool:
    after = gone | set(records)
    return not any(
        Owner(OwnerKind.BUILD, parent) in records and Owner(OwnerKind.BUILD, child.id) not in after
        for child in scene.build_cache
        for parent in child.parents
    )


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_nothing_kept_in_use_or_young_is_ever_in_a_plan(scene: Scene) -> None:
    made = scene.plan()
    planned = targets(made)
    for one in scene.images:
        if one.labels:
            assert f"image:{one.id}" not in planned
    for box in scene.containers:
        if box.labels or box.state not in ("exited", "dead"):
            assert f"container:{box.id}" not in planned
            assert f"image:{box.image_id}" not in planned
        if box.labels:
            assert f"log:{box.id}" not in planned
        assert not {f"volume:{a.volume}" for a in box.attachments} & planned
    for kept in scene.volumes:
        if kept.labels:
            assert f"volume:{kept.name}" not in planned
    for cached in scene.build_cache:
        if cached.in_use:
            assert f"build:{cached.id}" not in planned
            assert not {f"build:{parent}" for parent in cached.parents} & planned
    assert not any(one.automatic for one in made.every_step if one.action in ("volume.remove", "snapshot.remove"))


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_steps_stand_by_harm_and_each_helps_to_free_something(scene: Scene) -> None:
    made = scene.plan()
    costs = [(one.harm, not one.unasked) for one in made.steps]
    assert costs == sorted(costs)
    assert Harm.DATA not in {one.harm for one in made.steps}
    assert {one.harm for one in made.for_person} <= {Harm.DATA}
    everything = made.every_step
    assert len({target for one in everything for target in one.targets}) == sum(len(s.targets) for s in everything)
    helps = set().union(*(unlock.steps for unlock in made.unlocks)) if made.unlocks else set()
    assert {one.id for one in everything} <= helps
    cost_of = {one.id: (one.harm, one.risk.rank, not one.automatic, one.young_s) for one in everything}
    for one in everything:
        # Whatever frees nothing by itself belongs to an unlock with steps no worse than itself.
        own = [u for u in made.unlocks if one.id in u.steps]
        assert min(max(cost_of[s][0] for s in u.steps) for u in own) <= one.harm


@settings(max_examples=150, deadline=None)
@given(scenes(), st.integers(60, 80))
def test_a_plan_until_a_target_is_the_least_harm_of_the_whole_plan_or_says_how_far_it_is(
    scene: Scene, percent: int
) -> None:
    whole, made = scene.plan(), scene.plan(until=percent)
    space = scene.filesystem().space
    assert isinstance(space, Exact)
    needed = to_free_bytes(space.value, percent)
    chosen, target = frozenset(ids(made)), made.target
    assert target is not None
    assert Harm.DATA not in {one.harm for one in made.steps}
    freed = made.frees_bytes(chosen)
    assert target.leads_to_percent == space.value.used_percent_after(freed)
    assert target.short_bytes == max(0, needed - freed)
    if target.short_bytes:
        assert chosen == frozenset(ids(whole))
        assert made.for_person == whole.for_person
        closing = chosen | frozenset(target.closes)
        assert not target.closes or made.frees_bytes(closing) >= needed
        assert target.closes or whole.frees_bytes(frozenset(one.id for one in whole.every_step)) < needed
        return
    assert made.for_person == ()
    worst = max((one.harm for one in made.steps), default=Harm.NONE)
    milder = frozenset(one.id for one in whole.steps if one.harm < worst)
    assert milder <= chosen
    assert not milder or whole.frees_bytes(milder) < needed
    where = {one.id: one for one in whole.steps}
    assert way_to(whole, space.value, percent) == (target, chosen)
    assert [(one.harm, one.young_s) for one in made.steps] == [
        (where[one.id].harm, where[one.id].young_s) for one in made.steps
    ]


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_no_step_that_frees_nothing_by_itself_leads_its_harm(scene: Scene) -> None:
    made = scene.plan()
    for total in made.harms():
        unasked = [one for one in total.steps if one.unasked]
        bytes_ = [made.frees_bytes(frozenset({one.id})) for one in unasked if not _required(scene, one, total.steps)]
        assert not bytes_ or not max(bytes_) or bytes_[0]


def _required(scene: Scene, one: Step, steps: tuple[Step, ...]) -> bool:
    """Must it go before another, whose image or record it holds, or whose log it has?"""
    ended = {f"container:{c.id}": f"image:{c.image_id}" for c in scene.containers}
    later = {target.text() for other in steps for target in other.targets}
    mine = {target.text() for target in one.targets}
    return one.action in ("log.truncate", "build-cache.prune") or bool({ended.get(text) for text in mine} & later)


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_the_age_rule_decides_what_goes_unasked_and_hides_nothing(scene: Scene) -> None:
    made = scene.plan()
    scene.rules = with_rules(min_age_s=0.0)
    lifted = scene.plan()
    assert targets(lifted) == targets(made)
    assert not any(one.young_s for one in lifted.every_step)
    assert not any(one.unasked for one in made.every_step if one.young_s)


@settings(max_examples=50, deadline=None)
@given(scenes())
def test_the_order_of_the_lists_does_not_change_the_plan(scene: Scene) -> None:
    made = scene.plan()
    scene.images = scene.images[::-1]
    scene.build_cache = scene.build_cache[::-1]
    scene.volumes = scene.volumes[::-1]
    scene.containers = scene.containers[::-1]
    scene.releases = scene.releases[::-1]
    again = scene.plan()
    assert (again.steps, again.unlocks) == (made.steps, made.unlocks)
