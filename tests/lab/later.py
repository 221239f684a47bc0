"""Runs ullage as if it were so many minutes later: `python -m tests.lab.later MINUTES ARGUMENT…`. For the demo only.

Shifts what this one process takes for the time of day; files, engine and kernel keep theirs, and no deadline is touched
(those run on the monotonic clock).
"""

from __future__ import annotations

import datetime
import sys
import time


def shift(minutes: float) -> None:
    """From now on, `datetime.now` and `time.time` are `minutes` ahead. Before anything else is imported."""
    seconds = 60 * minutes
    real_time, real_class = time.time, datetime.datetime

    class Later(real_class):  # type: ignore[valid-type,misc]
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            later: datetime.datetime = cls.fromtimestamp(real_time() + seconds, tz)
            return later

    real_clock = time.clock_gettime

    def clock(which: int) -> float:
        # The journal would tell a clock that was set from time that passed; here time is to have passed.
        return real_clock(which) + (seconds if which == time.CLOCK_BOOTTIME else 0)

    time.time = lambda: real_time() + seconds
    time.clock_gettime = clock
    datetime.datetime = Later  # type: ignore[misc]


if __name__ == "__main__":
    shift(float(sys.argv[1]))
    from collectors import engine as past
    from collectors.cli import main

    # The engine is asked about its past in its own time: about the future it would keep silent until it came.
    setattr(past, "datetime", datetime.datetime.__mro__[1])  # noqa: B010 - another module's name, on purpose
    sys.exit(main(sys.argv[2:]))
