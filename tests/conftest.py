"""With several workers (`-n 4 --dist loadscope`) the tests are spread as `tests.spread` says."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, shared
from tests.spread import Spread, in_order


@pytest.hookimpl(optionalhook=True)  # also without xdist there are tests
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Spread | None:
    if config.getoption("dist") != "loadscope":
        return None
    config.option.loadscopereorder = False  # by the number of tests: the longest are few
    return Spread(config, log)


def pytest_configure() -> None:
    Lab.in_memory = True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items[:] = in_order(items)


def pytest_sessionfinish() -> None:
    shared.down()


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder on a filesystem in memory: its walk is over at once, whatever else this machine's disks hold."""
    where = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=where, prefix="ullage-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
