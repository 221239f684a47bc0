"""`python -m tests.faults`: run the fault tests and write `table.md` from their results. Exits as pytest does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults.table import PATH, Table


def main(*arguments: str) -> int:
    table = Table()
    status = pytest.main([str(Path(__file__).parent), "-q", *arguments], plugins=[table])
    if arguments:  # a part of the tests is no table of all faults
        print(table.render(), end="")
    else:
        PATH.write_text(table.render())
        print(f"{PATH.name}: {len(table.cases)} cases, faults that no test met: {table.missing or 'none'}")
    return int(status) or bool(table.missing and not arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
