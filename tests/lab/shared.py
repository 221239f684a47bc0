"""One everyday lab of each engine for all tests of this process that only look at it.

It is brought up when first asked for. The few asked for last stay up, until the tests have ended. A test that changes
its lab must bring up one of its own.
"""

from __future__ import annotations

from tests.lab.lab import Lab

_MOST = 4
_up: dict[tuple[str, str], Lab] = {}


def everyday(driver: str, engine: str = "20.10") -> Lab:
    """A lab of 1 GiB with the mess `everyday`, to be looked at and frozen, and left as it was found."""
    lab = _up.pop((driver, engine), None)
    if lab is None:
        while len(_up) >= _MOST:
            _up.pop(next(iter(_up))).down()
        lab = Lab.up(driver=driver, engine=engine, mess="everyday", size_mib=1024)
    _up[driver, engine] = lab
    return lab


def down() -> None:
    """Take down all that are up. Raises `teardown.NotClean` for the first that would not go."""
    while _up:
        _up.popitem()[1].down()
