"""The shortest safest plan that reaches a target, or the admission that none does."""

from __future__ import annotations

from collectors.model.filesystem import FsSpace
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Unavailable, Why
from collectors.planning.target import to_free_bytes
from tests.planning.build import GIB, HERE, Scene, ago, ids, image, record, release, volume


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


def test_images_are_added_longest_unused_first() -> None:
    assert ids(a_scene().plan(until=75)) == ["build-cache.old", "image:sha256:a"]


def test_what_a_later_step_makes_superfluous_is_taken_out_again() -> None:
    # 2 + 3 + 1 are not enough for 12 points; with c's 6 they are exactly; for 11, b can be spared.
    assert ids(a_scene().plan(until=68)) == ["build-cache.old", "image:sha256:a", "image:sha256:b", "image:sha256:c"]
    assert ids(a_scene().plan(until=69)) == ["build-cache.old", "image:sha256:a", "image:sha256:c"]


def test_a_target_that_only_a_person_s_steps_reach_says_so() -> None:
    made = a_scene().plan(until=60)
    assert "volume:v" in ids(made)
    assert any("need a person" in said for said in made.left_out)


def test_a_target_out_of_reach_shows_everything_and_how_far_it_leads() -> None:
    made = a_scene().plan(until=10)
    assert len(made.steps) == 5
    assert any("10% is out of reach" in said and "48%" in said for said in made.left_out)


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
