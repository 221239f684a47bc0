"""What if these things went: the bytes are those of the set, and the steps remove what was marked and nothing else."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.ledger.release_table import closure
from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Category
from collectors.model.plan import Harm, Plan, Unlock
from collectors.model.reading import AtLeast, Exact, Size, floor
from collectors.model.store import UnitKind
from collectors.planning.what_if import what_if_recorded
from tests.owners import owner, owners
from tests.planning.build import (
    MIB,
    NOW,
    UNREAD,
    Scene,
    ago,
    container,
    finding,
    image,
    log,
    proof,
    record,
    release,
    targets,
    unit,
)
from tests.planning.test_laws import scenes
from tests.tui.build import a_filesystem, a_ledger, an_item


@settings(max_examples=200, deadline=None)
@given(scenes(), st.data())
def test_the_bytes_of_any_marked_set_equal_removing_it_by_hand_and_its_steps_take_nothing_else(
    scene: Scene, data: st.DataObject
) -> None:
    every = sorted(
        {who for one in scene.releases for who in one.owners} | {t for s in scene.plan().every_step for t in s.targets}
    )
    marked = frozenset(data.draw(st.sets(st.sampled_from(every)))) if every else frozenset[Owner]()
    answer = scene.what_if()(marked)
    gone = closure(marked)
    assert floor(answer.frees) == sum(one.bytes for one in scene.releases if one.owners <= gone)
    assert isinstance(answer.frees, Exact)
    removed = {target for step in answer.plan.every_step for target in step.targets}
    assert removed <= gone
    # Each marked thing has a step, or a reason, never both.
    assert {who for who in marked if who not in closure(removed)} == set(answer.without)
    chosen = frozenset(step.id for step in answer.plan.every_step)
    assert answer.plan.frees_bytes(chosen) == sum(
        o.bytes for o in scene.releases if o.owners <= closure(removed) and o.owners <= removed
    )
    assert len({step.id for step in answer.plan.every_step}) == len(answer.plan.every_step)


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_marking_all_that_the_plan_removes_gives_the_plan(scene: Scene) -> None:
    whole = scene.plan()
    answer = scene.what_if()(frozenset(owner(text) for text in targets(whole)))
    assert targets(answer.plan) >= targets(whole)
    assert floor(answer.frees) >= whole.frees_bytes(frozenset(step.id for step in whole.every_step))


def whole(size: Size) -> int:
    assert isinstance(size, Exact)
    return size.value


def two_images() -> Scene:
    old = ago(days=60)
    return Scene(
        images=(image("a", "a:1", built=old), image("b", "b:1", built=old), image("c")),
        containers=(container("web", "d"),),
        last_used={Owner(OwnerKind.IMAGE, f"sha256:{n}"): old for n in "abc"},
        releases=(
            release(300 * MIB, "image:sha256:a", "image:sha256:b"),
            release(100 * MIB, "image:sha256:a"),
            release(50 * MIB, "image:sha256:b"),
            release(7 * MIB, "container:web"),
            release(3 * MIB, "log:web"),
        ),
    )


def test_what_two_images_share_comes_free_only_when_both_go() -> None:
    ask = two_images().what_if()
    assert whole(ask(owners("image:sha256:a")).frees) == 100 * MIB
    both = ask(owners("image:sha256:a", "image:sha256:b"))
    assert whole(both.frees) == 450 * MIB
    assert both.harm is Harm.TIME
    assert both.without == {}


def test_what_is_in_use_is_told_in_bytes_and_has_no_step() -> None:
    answer = two_images().what_if()(owners("container:web"))
    assert whole(answer.frees) == 10 * MIB  # its log goes along
    assert answer.plan.every_step == ()
    assert answer.harm is None
    assert set(answer.without) == owners("container:web")


def test_one_of_many_in_a_step_is_removed_alone_by_a_command_of_its_own() -> None:
    paths = [f"/docker/overlay2/{name}" for name in "xyz"]
    scene = Scene(
        units=tuple(unit(path, UnitKind.ORPHAN_CANDIDATE, f"orphan:{path}") for path in paths),
        proofs=tuple(proof(path) for path in paths),
        findings=(finding("orphans", *(f"orphan:{path}" for path in paths)),),
        releases=tuple(release(MIB, f"orphan:{path}") for path in paths),
    )
    assert len(targets(scene.plan())) == 3
    (step,) = scene.what_if()(owners(f"orphan:{paths[1]}")).plan.steps
    assert targets(Plan((step,), (), ())) == {f"orphan:{paths[1]}"}
    assert paths[1] in step.command
    assert paths[0] not in step.command
    assert paths[2] not in step.command


def test_a_record_that_others_are_built_on_waits_for_them() -> None:
    scene = Scene(
        build_cache=(record("base", used=ago(hours=1)), record("top", used=ago(hours=1), parents=("base",))),
        releases=(release(MIB, "build:base"), release(MIB, "build:top")),
    )
    alone = scene.what_if()(owners("build:base"))
    assert alone.plan.every_step == ()
    assert "first" in alone.without[owner("build:base")]
    assert targets(scene.what_if()(owners("build:base", "build:top")).plan) == {"build:base", "build:top"}


def test_a_container_is_never_taken_along_for_its_log() -> None:
    scene = Scene(
        containers=(container("old", "a", state="exited", ended=ago(days=30)),),
        logs=(log("old", MIB),),
        releases=(release(MIB, "log:old"), release(9 * MIB, "container:old")),
    )
    assert targets(scene.what_if()(owners("container:old")).plan) == {"container:old", "log:old"}
    assert scene.what_if()(owners("log:old")).plan.every_step == ()


def test_where_not_everything_was_read_the_bytes_are_a_lower_bound() -> None:
    scene = two_images()
    scene.unread = UNREAD
    assert isinstance(scene.what_if()(owners("image:sha256:a")).frees, AtLeast)


def test_an_engine_of_another_machine_or_a_disk_without_writing_leaves_no_step_and_says_why() -> None:
    scene = two_images()
    scene.local = Exact(False, replace(UNREAD.origin))
    answer = scene.what_if()(owners("image:sha256:a"))
    assert answer.plan.every_step == ()
    assert "another machine" in answer.without[owner("image:sha256:a")]


def test_a_recording_is_exact_for_one_thing_and_for_whole_steps_and_else_a_lower_bound() -> None:
    items = [an_item(Category.IMAGES, name, 500, 100) for name in "ab"] + [an_item(Category.IMAGES, "c", 40, 40)]
    ledger = a_ledger(a_filesystem(1 << 30, 1 << 29), {}, {Category.IMAGES: items})
    step = replace(two_images().what_if()(owners("image:sha256:a")).plan.steps[0], targets=owners_of("a", "b"))
    plan = Plan((step,), (Unlock(frozenset({step.id}), 600),), ())
    ask = what_if_recorded(ledger, plan, NOW)
    assert ask(frozenset(owners_of("a"))).frees == replace(items[0].exclusive, origin=ask(frozenset()).frees.origin)
    assert whole(ask(frozenset(owners_of("a", "b"))).frees) == 600
    mixed = ask(frozenset(owners_of("a", "c"))).frees
    assert isinstance(mixed, AtLeast)
    assert mixed.low == 140
    assert whole(ask(frozenset()).frees) == 0


def owners_of(*names: str) -> tuple[Owner, ...]:
    return tuple(Owner(OwnerKind.IMAGE, name) for name in names)


def test_a_container_and_its_log_and_a_folder_and_a_file_in_it_count_once() -> None:
    box, its = an_item(Category.CONTAINERS, "web", 90, 90), an_item(Category.LOGS, "web", 30, 30)
    folder, file = an_item(Category.OTHER_FILES, "/srv", 500, 500), an_item(Category.OTHER_FILES, "/srv/big", 400, 400)
    ledger = a_ledger(
        a_filesystem(1 << 30, 1 << 29),
        {},
        {Category.CONTAINERS: [box], Category.LOGS: [its], Category.OTHER_FILES: [folder, file]},
    )
    ask = what_if_recorded(ledger, Plan((), (), ()), NOW)
    assert floor(ask(frozenset({box.owner_id, its.owner_id})).frees) == 90
    assert floor(ask(frozenset({folder.owner_id, file.owner_id})).frees) == 500
