"""What is not measured counts by the least that it may be, says so, and is not nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.ledger.unlisted import METHOD
from collectors.model.plan import Harm, Plan, Risk, Step, Unlock
from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable, Why
from collectors.planning.target import way_to
from collectors.report.document import encode
from collectors.report.plan_text import plan_lines, target_words
from tests.planning.build import GIB, HERE, UNREAD, Scene, ids, image, record, release, volume
from tests.tui.build import a_filesystem, a_ledger, a_report, gib

SILENT = Unavailable(Why.NOT_REPORTED, "nobody counted it", HERE)


def a_step(name: str, frees: Size, harm: Harm = Harm.TIME) -> Step:
    return Step(name, "image.remove", f"Remove {name}", f"docker rmi {name}", (), frees, Risk.SAFE, harm, "", "", "",
                "dangling-images", True)  # fmt: skip


def guess(low: int, best: int) -> Between:
    return Between(best, low, best + GIB, 0.9, "counted by somebody else", HERE)


def a_plan(*steps: Step) -> Plan:
    unlocks = tuple(Unlock(frozenset({one.id}), one.frees.value) for one in steps if isinstance(one.frees, Exact))
    return Plan(steps, unlocks, ())


def told(plan: Plan) -> str:
    report = replace(a_report(a_ledger(a_filesystem(gib(100), gib(90)), {}, {})), plan=plan)
    return "\n".join(plan_lines(report, si=False))


MEASURED = a_step("measured", Exact(3 * GIB, HERE))


def test_an_estimate_counts_by_its_least_and_the_rest_is_told_beside_it() -> None:
    made = a_plan(MEASURED, a_step("guessed", guess(2 * GIB, 6 * GIB)), a_step("unknown", AtLeast(0, (SILENT,), HERE)))
    assert (made.frees_bytes(made.ids), made.likely_bytes(made.ids)) == (5 * GIB, 4 * GIB)
    assert (made.frees_bytes(frozenset({"unknown"})), made.likely_bytes(frozenset({"measured"}))) == (0, 0)
    (total,) = made.harms()
    assert (total.frees_bytes, total.likely_bytes) == (5 * GIB, 4 * GIB)
    page = told(made)
    assert ", 3 steps free 5.0 GiB, ~4.0 GiB more by estimate, then 85% used" in page
    assert "Not exact: 2.0 GiB to 7.0 GiB: counted by somebody else" in page
    assert re.search(r"Remove unknown, ≥ 0 B\n.* - Not exact: not reported: nobody counted it", page)


def test_the_document_has_the_bounds_and_counts_the_least() -> None:
    made = a_plan(MEASURED, a_step("guessed", guess(2 * GIB, 6 * GIB)))
    report = replace(a_report(a_ledger(a_filesystem(gib(100), gib(90)), {}, {})), plan=made)
    document: dict[str, Any] = encode(report)
    measured, guessed = document["plan"]
    assert {measured[key] for key in ("frees_low_bytes", "frees_bytes", "frees_high_bytes")} == {3 * GIB}
    assert [guessed[f"frees_{key}bytes"] for key in ("low_", "", "high_")] == [2 * GIB, 6 * GIB, 7 * GIB]
    (total,) = document["plan_harms"]
    assert (total["frees_bytes"], total["estimated_bytes"], total["used_percent_after"]) == (5 * GIB, 4 * GIB, 85)


def claimed(**parts: object) -> Scene:
    """Nothing was measured: the engine alone tells of 5 GiB of build cache; 80 of 100 GiB are used."""
    scene = Scene(**{"releases": (), "unread": UNREAD, "build_cache": (record("r", size=5 * GIB),)})
    for name, value in parts.items():
        setattr(scene, name, value)
    return scene


def test_a_target_that_only_claims_reach_is_planned_for_and_not_called_reached() -> None:
    made = claimed().plan(until=75)
    assert ids(made) == ["build-cache.old"]
    assert made.target is not None
    assert (made.target.leads_to_percent, made.target.likely_percent, made.target.short_bytes) == (80, 75, 5 * GIB)
    assert made.target.likely_reached
    assert target_words(made, si=False) == (
        "75%, reached by estimate alone: 1 step (harm: none) leads to 75% if estimates hold, to 80% for certain"
    )
    assert any("75% is not certain" in said and "80% is left" in said for said in made.left_out)
    assert METHOD in told(made)


def test_what_is_certain_goes_before_what_is_guessed_though_its_harm_is_worse() -> None:
    """A log's length was read; the cache of less harm is only claimed."""
    scene = claimed(releases=(release(6 * GIB, "image:sha256:a"),))
    scene.images = (image("a"),)
    made = scene.plan(until=75)
    assert "image:sha256:a" in ids(made)
    assert made.target is not None
    assert (made.target.short_bytes, made.target.likely_percent) == (0, None)


def test_a_target_that_not_even_estimates_reach_says_both() -> None:
    made = claimed(volumes=(volume("v"),)).plan(until=70)
    assert made.target is not None
    assert (made.target.likely_reached, made.target.likely_percent, made.target.leads_to_percent) == (False, 75, 80)
    assert "out of reach by 10.0 GiB for certain" in target_words(made, si=False)
    assert any("out of reach" in said for said in made.left_out)


@pytest.mark.parametrize("until", [70, 75, 78])
def test_the_dashboards_way_is_the_plans(until: int) -> None:
    scene = claimed(build_cache=(record("r", size=5 * GIB), record("s", size=GIB, used=None)))
    space = scene.filesystem().space
    assert isinstance(space, Exact)
    made = scene.plan(until=until)
    assert made.target is not None
    assert way_to(scene.plan(), space.value, until) == (replace(made.target, closes=()), frozenset(ids(made)))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(list(Harm)[:4])), max_size=8))
def test_what_is_certain_and_what_is_guessed_add_up_harm_by_harm(parts: list[tuple[int, int, Harm]]) -> None:
    steps = [
        a_step(f"s{number}", guess(low, low + more) if more else Exact(low, HERE), harm)
        for number, (low, more, harm) in enumerate(parts)
    ]
    made = a_plan(*steps)
    totals = made.harms()
    assert sum(total.frees_bytes for total in totals) == made.frees_bytes(made.ids) == sum(low for low, *_ in parts)
    assert (
        sum(total.likely_bytes for total in totals) == made.likely_bytes(made.ids) == sum(more for _, more, _ in parts)
    )
    assert all(total.so_far_bytes <= made.frees_bytes(made.ids) for total in totals)
