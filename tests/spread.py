"""Which tests stay together when several workers share them: those of one file that use one lab. And in which order.

Handed out file by file, one worker brings up lab after lab while the other has nothing left to do; test by test, each
brings up every lab. So a unit is a file, of a file on real engines the tests on one engine, and of files whose tests
share nothing a single test. The long ones are begun first, so that short ones fill the end. Of the short ones some
mostly wait for a screen to be drawn: these are spread over the others, or several at once would leave the processors
idle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

_T = TypeVar("_T")
# What a test's parameters call the lab that it shares with others of its file.
_LABS = frozenset(
    {"overlay2", "btrfs", "vfs", "containerd", "podman", "20.10", "26.1", "28.5", "ext4", "xfs", "buildkit"}
)
_ON_LABS = ("tests/machine/", "tests/adversary/test_adversary.py")
_ON_LABS_OF_THE_FOLDER = "tests/privileges/"
# Files that share the labs of `tests.lab.shared`; the engine is the host's own where a parameter names none.
_ON_EVERYDAY_LABS = (
    "tests/judgement/test_real.py",
    "tests/judgement/test_reports.py",
    "tests/machine/test_engine_real.py",
    "tests/machine/test_lab.py",
    "tests/machine/test_preflight.py",
)
# Long, and each test has made for itself what it needs.
ALONE = (
    "tests/engine/test_faults.py",
    "tests/faults/test_engine.py",
    "tests/faults/test_journal.py",
    "tests/machine/test_btrfs_load.py",
    "tests/machine/test_lab_messes.py",
    "tests/machine/test_longrun.py",
    "tests/machine/test_orphans_under_load.py",
    "tests/machine/test_reclaim_disk.py",
    "tests/scale/test_made.py",
    "tests/system/test_walk.py",
)
# Long, and the tests of one parameter share what was made for it.
BY_PARAMETER = ("tests/forecast/test_fleet.py",)
_WAITING = "tests/tui/test_"


def unit(nodeid: str) -> str:
    """The name of the unit that a test belongs to: `tests/machine/test_preflight.py btrfs`."""
    file, _, test = nodeid.partition("::")
    found = re.search(r"\[(.*)\]$", test)
    parameters = found[1] if found else ""
    if file in ALONE:
        return nodeid
    if file in BY_PARAMETER:
        return f"{file} {parameters or test}"
    labs = tuple(word for word in parameters.split("-") if word in _LABS)
    if file in _ON_EVERYDAY_LABS and labs:
        return " ".join(("everyday", *sorted({*labs} - {"20.10"})))
    if file.startswith(_ON_LABS):
        return " ".join((file, *labs))
    if file.startswith(_ON_LABS_OF_THE_FOLDER) and labs:
        return " ".join((_ON_LABS_OF_THE_FOLDER, *labs))
    return file


def is_long(item: pytest.Item) -> bool:
    """Whether a test is to begin early: on a real engine, or in one of the long files."""
    file = item.nodeid.partition("::")[0]
    return item.get_closest_marker("machine") is not None or file in ALONE or file in BY_PARAMETER


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The long ones, then the others with those that wait among them; each unit in one piece, as it was."""
    units: dict[str, list[pytest.Item]] = {}
    for item in items:
        units.setdefault(unit(item.nodeid), []).append(item)
    long = [one for one in units.values() if any(map(is_long, one))]
    short = [one for one in units.values() if not any(map(is_long, one))]
    waiting = [one for one in short if one[0].nodeid.startswith(_WAITING)]
    working = [one for one in short if not one[0].nodeid.startswith(_WAITING)]
    return [item for one in (*long, *among(waiting, working)) for item in one]


def among(few: Sequence[_T], many: Sequence[_T]) -> list[_T]:
    """Both, each in its own order and evenly over the whole."""
    placed = [((place + 0.5) / len(these), one) for these in (few, many) for place, one in enumerate(these)]
    return [one for _, one in sorted(placed, key=lambda pair: pair[0])]


class Spread(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker the next unit, in the order in which the tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)
