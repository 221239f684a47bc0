"""With several workers (`-n 3 --dist loadscope`) the tests are spread as `tests.spread` says."""

from __future__ import annotations

import pytest

from tests.lab import shared
from tests.spread import Spread, is_long


@pytest.hookimpl(optionalhook=True)  # also without xdist there are tests
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Spread | None:
    if config.getoption("dist") != "loadscope":
        return None
    config.option.loadscopereorder = False  # by the number of tests: the longest are few
    return Spread(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not is_long(item))


def pytest_sessionfinish() -> None:
    shared.down()
