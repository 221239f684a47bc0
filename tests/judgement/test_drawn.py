"""The jury over the drawn hosts, and DESIGN's laws of judgement over many more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import pytest

from tests.judgement.draw import SHAPES, draw
from tests.judgement.host import Kind
from tests.judgement.jury import SEEDS, Mark, of_a_drawn_host
from tests.judgement.key import way
from tests.judgement.laws import LAWS
from tests.judgement.shown import Shown

HOSTS = range(2000)


def test_what_is_said_of_the_drawn_hosts_is_right() -> None:
    wrong = [judged.row() for judged in map(of_a_drawn_host, map(Shown, map(draw, SEEDS))) if judged.mark is Mark.WRONG]
    assert not wrong, "\n".join(wrong)


@dataclass(frozen=True, slots=True)
class Examined:
    """Each law by name → where it is broken; and on how many hosts a plan had to choose among steps of one harm."""

    broken: Mapping[str, list[str]]
    choices: int


@cache
def examined() -> Examined:
    """Host by host: thousands at once would take memory for nothing."""
    found: dict[str, list[str]] = {law.__name__: [] for law in LAWS}
    choices = 0
    for shown in map(Shown, map(draw, HOSTS)):
        for law in LAWS:
            if said := law(shown):
                found[law.__name__].append(f"{shown.host.seed}, {shown.host.shape}: {said}")
        taken = shown.planned.plan.steps
        choices += bool(taken) and len(taken) < len(
            [step for step in shown.report.plan.steps if step.harm <= taken[-1].harm]
        )
    return Examined(found, choices)


@pytest.mark.parametrize("law", [law.__name__ for law in LAWS])
def test_a_law_of_judgement_holds_on_every_drawn_host(law: str) -> None:
    where = examined().broken[law]
    assert not where, f"{len(where)} of {len(HOSTS)}, the first: {where[:3]}"


def test_plans_had_to_choose() -> None:
    assert examined().choices > 300


def test_the_hosts_are_of_every_shape_and_all_of_what_the_laws_are_about() -> None:
    hosts = [draw(seed) for seed in HOSTS]
    assert {host.shape for host in hosts} == set(SHAPES)
    for kind in Kind:
        assert sum(any(thing.kind is kind for thing in host.things) for host in hosts) > 100, kind
    assert sum(host.short_of_inodes for host in hosts) > 100
    assert sum(host.target_is_of_inodes for host in hosts) > 50
    assert sum(host.cut for host in hosts) > 100
    assert sum(bool(host.shared) for host in hosts) > 200
    assert sum(any(thing.needs for thing in host.things) for host in hosts) > 100
    assert {harm for host in hosts for harm in way(host).harms} == {0, 1, 2, 3}
    assert sum(way(host).reaches and host.needed > 0 for host in hosts) > 500
    assert sum(not way(host).reaches for host in hosts) > 200
