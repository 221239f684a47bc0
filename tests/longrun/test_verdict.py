"""Does the verdict on a long run see each kind of leak? Made-up courses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.longrun.course import Course
from tests.longrun.verdict import failures
from tests.longrun.watch import Held

HELD = Held(
    rss_bytes=60 << 20,
    peak_bytes=61 << 20,
    blocks=228_000,
    descriptors=3,
    threads=1,
    children=0,
    temporary=0,
    mounts=0,
    state_bytes=2_000,
    state_files=1,
    journal_bytes=1_000,
)


def a_course(**grows: int) -> Course:
    """Thirty runs, each of which holds so much more than the one before."""
    seen = Course("made up", days_bytes=[30_000])
    for run in range(30):
        seen.held.append(replace(HELD, **{name: getattr(HELD, name) + more * run for name, more in grows.items()}))
    return seen


def test_a_run_that_leaves_nothing_fails_nothing() -> None:
    assert failures(a_course()) == []


@pytest.mark.parametrize(
    "grows",
    [
        {"rss_bytes": 1 << 20},
        {"blocks": 5_000},
        {"descriptors": 1},
        {"threads": 1},
        {"children": 1},
        {"temporary": 1},
        {"mounts": 1},
    ],
)
def test_whatever_grows_with_the_runs_is_named(grows: dict[str, int]) -> None:
    assert len(failures(a_course(**grows))) == 1


def test_a_journal_beyond_its_bound_is_named() -> None:
    seen = a_course()
    seen.days_bytes = [500_000]  # in 30 runs
    assert any("journal" in failure for failure in failures(seen))
