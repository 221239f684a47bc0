"""A sample of all interleavings on real engines: nothing else goes; and each fault of the past, put back, is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors import causes
from tests.adversary import table
from tests.adversary.__main__ import ENGINES
from tests.adversary.acts import ACTS
from tests.adversary.boundaries import Boundary, Where
from tests.adversary.faults import FAULTS, Fault
from tests.adversary.interleave import Adversary, Interleaving, sample
from tests.adversary.scenarios import EXEMPT, SCENARIOS
from tests.adversary.table import Counts, Ending
from tests.adversary.world import World
from tests.lab import Lab
from tests.lab.require import require_machine

MOST = 8  # interleavings at which a fault has to show
COUNT = 16  # of each driver; all of them: python -m tests.adversary


def test_everything_that_removes_has_a_victim() -> None:
    removing = {cause.id for cause in causes.CAUSES if cause.remover}
    assert {scenario.cause for scenario in SCENARIOS} | EXEMPT.keys() == removing
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert len({act.name for act in ACTS}) == len(ACTS)


def test_the_table_replaces_its_own_section_and_counts_what_was_tried(tmp_path: Path) -> None:
    boundary = Boundary(Where.REQUEST, 0, "GET /version")
    one, other = (Interleaving(SCENARIOS[0], boundary, act) for act in ACTS[:2])
    names = (SCENARIOS[0].name,), tuple(act.name for act in ACTS[:2])
    for driver, ending in (("b", Ending.VIOLATED), ("a", Ending.NOT_REACHED), ("b", Ending.GONE)):
        counts = Counts(driver, "1.0", 9, *names)
        counts.add(one, ending)
        counts.add(other, Ending.STAYED)
        table.write(counts, tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("#")][1:] == ["## a, engine 1.0", "## b, engine 1.0"]
    assert "1 of 9 possible interleavings tried: 0 gone, 1 stayed, 1 not reached" in text
    assert f"| {one.act.name} | · |" in text
    assert f"| {one.act.name} | 1 (1) |\n| {other.act.name} | 1 (0) |\n| all | 2 (1) |" in text
    assert " violated**" not in text


@pytest.fixture(scope="module", params=ENGINES)
def adversary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adversary]:
    require_machine()
    with Lab.up(driver=request.param, engine=ENGINES[request.param], mess="empty", size_mib=512) as lab:
        yield Adversary(World(lab), tmp_path_factory.mktemp("state"))


def of(adversary: Adversary) -> list[Interleaving]:
    driver = adversary.world.lab.driver
    scenarios = (scenario for scenario in SCENARIOS if driver in scenario.drivers)
    return [one for scenario in scenarios for one in adversary.interleavings(scenario)]


@pytest.mark.machine
def test_nothing_else_goes_whatever_is_done_meanwhile(adversary: Adversary) -> None:
    every = of(adversary)
    assert len(every) > 1000
    seen = {one.words: adversary.run(one) for one in sample(every, COUNT)}
    assert {words: one for words, one in seen.items() if one.violations} == {}
    assert sum(one.fired for one in seen.values()) > COUNT // 2


@pytest.mark.machine
@pytest.mark.parametrize("adversary", ["overlay2"], indirect=True)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_of_the_past_is_found_once_it_is_put_back(adversary: Adversary, fault: Fault) -> None:
    (scenario,) = (one for one in SCENARIOS if one.name == fault.scenario)
    with fault.put_back():
        there = [
            one
            for one in adversary.interleavings(scenario)
            if one.act.name == fault.act and one.boundary.name.startswith(fault.at)
        ]
        assert there
        seen = [adversary.run(one) for one in there[:MOST]]
        assert any(one.violations for one in seen), seen
