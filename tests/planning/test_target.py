"""The least harm that reaches a target, or the admission that nothing short of data does."""

from __future__ import annotations

from dataclasses import replace

from collectors.causes.base import Draft
from collectors.model import Owner, OwnerKind
from collectors.model.filesystem import FsSpace
from collectors.model.ledger import Release
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Unavailable, Why
from collectors.planning.order import ordered
from collectors.planning.target import to_free_bytes
from tests.planning.build import (
    GIB,
    HERE,
    Scene,
    ago,
    container,
    ids,
    image,
    persons,
    record,
    release,
    step,
    volume,
    with_rules,
)


def a_scene(**changes: object) -> Scene:
    """80 GiB of 100 used: 2 of build cache, images of 3, 1 and 6, a volume of 20."""
    days = {"a": 90, "b": 60, "c": 30}
    return Scene(
        **{
            "build_cache": (record("r"),),
            "images": tuple(image(name, f"{name}:1") for name in days),
            "volumes": (volume("v"),),
            "last_used": {Owner(OwnerKind.IMAGE, f"sha256:{name}"): ago(days=age) for name, age in days.items()},
            "releases": (
                release(2 * GIB, "build:r"),
                release(3 * GIB, "image:sha256:a"),
                release(1 * GIB, "image:sha256:b"),
                release(6 * GIB, "image:sha256:c"),
                release(20 * GIB, "volume:v"),
            ),
            **changes,
        }
    )


def test_the_safe_tier_alone_where_it_suffices() -> None:
    assert ids(a_scene().plan(until=78)) == ["build-cache.old"]


def test_of_one_harm_the_fewest_are_taken_and_of_as_few_those_that_free_most() -> None:
    # 5 points: 2 of the cache, then the one image whose 6 suffice alone, and bring more than another's 3 would.
    assert ids(a_scene().plan(until=75)) == ["build-cache.old", "image:sha256:c"]


def test_what_is_not_needed_is_not_taken() -> None:
    # 2 + 3 + 1 are not enough for 12 points; with c's 6 they are exactly; for 11, b is not needed.
    assert ids(a_scene().plan(until=68)) == ["build-cache.old", "image:sha256:a", "image:sha256:b", "image:sha256:c"]
    assert ids(a_scene().plan(until=69)) == ["build-cache.old", "image:sha256:a", "image:sha256:c"]


def test_a_target_that_only_the_loss_of_data_reaches_is_out_of_reach_and_that_is_told() -> None:
    made = a_scene().plan(until=60)
    assert len(made.steps) == 4
    assert persons(made) == ["volume:v"]
    assert made.target is not None
    assert (made.target.short_bytes, made.target.leads_to_percent) == (8 * GIB, 68)
    assert made.target.closes == ("volume:v",)
    assert any("60% is out of reach" in said and "Remove the volume v" in said for said in made.left_out)


def test_a_target_out_of_reach_shows_everything_and_how_far_it_leads() -> None:
    made = a_scene().plan(until=10)
    assert (len(made.steps), persons(made)) == (4, ["volume:v"])
    assert made.target is not None
    assert made.target.closes == ()
    assert any("10% is out of reach" in said and "68%" in said for said in made.left_out)


def test_where_inodes_are_short_and_bytes_are_not_the_target_counts_inodes() -> None:
    def inodes(count: int, *owners: str) -> Release:
        return replace(release(1, *owners), inodes=count)

    scene = a_scene(used=10 * GIB, inodes=(1000, 900))
    scene.releases = (inodes(60, "image:sha256:a"), inodes(100, "image:sha256:b"), inodes(500, "volume:v"))
    made = scene.plan(until=80)
    assert ids(made) == ["image:sha256:b"]
    assert made.target is not None
    assert (made.target.inodes, made.target.to_free_inodes, made.target.leads_to_percent) == (True, 100, 80)
    missed = scene.plan(until=60)
    assert (ids(missed), persons(missed)) == (["image:sha256:a", "image:sha256:b"], ["volume:v"])
    assert missed.target is not None
    assert (missed.target.short_inodes, missed.target.closes) == (140, ("volume:v",))
    assert any("74% of the inodes" in said for said in missed.left_out)


def test_what_destroys_data_is_no_choice_where_nobody_read_what_it_frees() -> None:
    unread = Unavailable(Why.TIMED_OUT, "the walk was cut short", HERE)
    scene = a_scene(releases=(release(3 * GIB, "volume:w"),), unread=unread)
    scene.volumes = (replace(volume("v"), size=unread), replace(volume("w"), size=unread), volume("x"))
    made = scene.plan()
    assert persons(made) == ["volume:w", "volume:x"]
    assert any("volume v: not proposed, because what would come free was not read" in said for said in made.left_out)


def test_a_reached_target_needs_no_word_of_what_destroys() -> None:
    made = a_scene().plan(until=78)
    assert persons(made) == []
    assert made.target is not None
    assert (made.target.short_bytes, made.target.exact) == (0, True)


def test_what_is_young_comes_before_any_worse_harm_and_after_what_may_go_of_its_own() -> None:
    young = a_scene(
        build_cache=(record("r", used=ago(hours=1)),),
        containers=(container("c", "gone", state="exited", ended=ago(days=9)),),
        releases=(*a_scene().releases, release(30 * GIB, "container:c")),
    )
    # 10 points are those of the images alone: the young cache of the same harm waits.
    assert ids(young.plan(until=70)) == ["image:sha256:a", "image:sha256:b", "image:sha256:c"]
    made = young.plan(until=68)
    assert [(one.harm, one.unasked) for one in made.steps] == [(Harm.TIME, True)] * 3 + [(Harm.TIME, False)]
    assert step(made, "build-cache.young").young_s == 23 * 3600
    assert any("--min-age 0" in said for said in made.left_out)
    young.rules = with_rules(min_age_s=0.0)
    lifted = young.plan(until=68)
    assert all(one.unasked for one in lifted.steps)
    assert {one.harm for one in lifted.steps} == {Harm.TIME}


def test_a_target_that_is_reached_already_needs_nothing() -> None:
    made = a_scene().plan(until=80)
    assert made.steps == ()
    assert any("nothing to do" in said for said in made.left_out)


def test_images_that_free_bytes_only_together_are_taken_together() -> None:
    scene = a_scene(releases=(release(9 * GIB, "image:sha256:a", "image:sha256:b"), release(1, "image:sha256:c")))
    assert set(ids(scene.plan(until=72))) == {"image:sha256:a", "image:sha256:b"}


def test_claims_count_where_nothing_was_measured() -> None:
    unread = Unavailable(Why.NOT_PERMITTED, "not root", HERE)
    scene = a_scene(releases=(), unread=unread, build_cache=(record("r", size=5 * GIB),))
    assert ids(scene.plan(until=75)) == ["build-cache.old"]


def test_the_bytes_to_free_bring_df_to_the_target_and_one_less_does_not() -> None:
    for used in (7, 80, 999):
        space = FsSpace(1, 1, 1000, 1000 - used, max(0, 950 - used), 0, 0, 0, False)
        for percent in (5, 33, 70):
            needed = to_free_bytes(space, percent)
            if needed > 0:
                assert space.used_percent_after(needed) <= percent
                assert space.used_percent_after(needed - 1) > percent


def test_steps_of_one_rank_that_order_by_other_things_still_have_an_order() -> None:
    """The system journal goes by its name, a snapshot by its age."""
    plain = replace(_DRAFT, id="a", within=("journald",)), replace(_DRAFT, id="b", within=(3.0, "snapshot"))
    assert [draft.id for draft in ordered(plain)] == ["b", "a"]


_DRAFT = Draft(
    id="",
    action="made.up",
    title="",
    command="",
    targets=(),
    rank=7,
    within=(),
    harm=Harm.DATA,
    risk=Risk.DESTRUCTIVE,
    needs="",
    costs="",
    undo="",
    automatic=False,
)
