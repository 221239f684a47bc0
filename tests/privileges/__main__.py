"""`python -m tests.privileges`: run these tests and write `table.md` from what they saw. Exits as pytest does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.privileges.seen import SEEN
from tests.privileges.table import PATH, render


def main(*arguments: str) -> int:
    status = pytest.main([str(Path(__file__).parent), "-q", *arguments])
    if arguments or not SEEN:  # a part of the places is no table of all
        print(render(SEEN), end="")
    else:
        PATH.write_text(render(SEEN))
        print(f"{PATH.name}: {len(SEEN)} runs")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
