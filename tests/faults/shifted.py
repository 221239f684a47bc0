"""The command line under another clock: `python -m tests.faults.shifted SECONDS ARGUMENTS…`.

The clock is set before anything of the program is imported; a monotonic clock goes on as it is, as when NTP or a person
sets the time.
"""

from __future__ import annotations

import datetime as library
import sys


def shift(seconds: float) -> None:
    """From now on, `datetime.now` is `seconds` ahead."""
    by = library.timedelta(seconds=seconds)

    class Shifted(library.datetime):
        @classmethod
        def now(cls, tz: library.tzinfo | None = None) -> Shifted:
            return super().now(tz) + by

    library.datetime = Shifted  # type: ignore[misc]


if __name__ == "__main__":
    shift(float(sys.argv[1]))
    from collectors.cli import main

    sys.exit(main(sys.argv[2:]))
