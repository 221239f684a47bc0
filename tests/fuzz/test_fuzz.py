"""Each fuzzer for a moment, from a given start, so that none rots; and that a find is found, made small and told."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz import minimise, run, table
from tests.fuzz.target import Find, Target, judged
from tests.fuzz.targets import TARGETS

_SECONDS = 0.7  # of processor time for each


@pytest.mark.parametrize("name", TARGETS)
def test_a_moment_of_fuzzing_finds_nothing(name: str) -> None:
    outcome = run.at_random(TARGETS[name], seed=20261123, cases=None, seconds=_SECONDS)
    assert outcome.cases >= run.EACH
    assert {find.signature: find.trace for find in outcome.finds.values()} == {}
    assert len(outcome.ends) > 1, "all cases end in the same way: nothing is tried"


def test_every_seed_is_taken_as_it_is() -> None:
    for target in TARGETS.values():
        for seed in target.seeds():
            assert not isinstance(judged(target, seed), Find), target.name


def _judge(case: bytes) -> str:
    if b"\xff" in case:
        raise ZeroDivisionError
    return "answered"


def _mutate(random: Random, case: bytes) -> bytes:
    at = random.randrange(len(case) + 1)
    return case[:at] + random.randbytes(1) + case[at:]


BROKEN = Target("broken", "a | reader", lambda: (b"seed" * 20,), _mutate, _judge, ())


def test_a_find_is_found_made_small_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run.at_random(BROKEN, seed=1, cases=5000, seconds=None)
    (find,) = outcome.finds.values()
    assert find.case == b"\xff"
    assert find.signature.startswith("ZeroDivisionError")
    assert outcome.ends["find"] + outcome.ends["answered"] == outcome.cases == 5000
    monkeypatch.setattr(table, "PATH", tmp_path / "table.md")
    assert "5,000 cases, 0 of them over the engine's decoders; finds that are left: 1." in table.write(
        table.entered({}, BROKEN, outcome), ["broken"]
    )
    assert table.rows()["broken", "random"][:4] == ("broken", r"a \| reader", "random", "5,000")


def test_the_same_seed_makes_the_same_cases() -> None:
    one, other, another = (run.at_random(BROKEN, seed, 3000, None).ends for seed in (1, 1, 2))
    assert one == other
    assert another != one


def test_making_small_keeps_the_cause() -> None:
    find = judged(BROKEN, b'{"a": 1, "b": "\xff", "c": [2, 3]}')
    assert isinstance(find, Find)
    assert minimise.smallest(BROKEN, find).case == b"\xff"
