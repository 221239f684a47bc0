"""Fixtures of the fault tests: a Docker root on a filesystem that is walked at once, and the table's notebook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.room import Room
from tests.faults.running import Ended
from tests.faults.table import plain

Told = Callable[[str, Ended], None]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(number): which fault of the catalogue a test meets")


@pytest.fixture(autouse=True)
def _numbered(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    mark = request.node.get_closest_marker("fault")
    assert mark is not None, "a fault test says which fault it meets"
    record_property("fault", mark.args[0])


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Told:
    """Say what happened, in the program's own words, for the table."""

    def tell(what: str, ended: Ended) -> None:
        record_property("told", (plain(what), str(ended.status), plain(ended.stderr)))

    return tell


@pytest.fixture
def room(in_memory: Path) -> Room:
    return Room.at(in_memory)
