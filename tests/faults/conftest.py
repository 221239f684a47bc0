"""Fixtures of the fault tests: a Docker root on a filesystem that is walked at once, and the table's notebook."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
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
def room() -> Iterator[Room]:
    # A filesystem in memory: its walk is over at once, whatever else this machine's disks hold.
    where = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=where, prefix="ullage-", ignore_cleanup_errors=True) as folder:
        yield Room.at(Path(folder))
