"""`python -m tests.faults`: run the fault tests and write `table.md` from their results. Exits as pytest does.

Arguments are pytest's (`-k journal`); then only the rows of the tests that run are written anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults.table import PATH, Table


def main(*arguments: str) -> int:
    table = Table(merge=bool(arguments))
    status = pytest.main([str(Path(__file__).parent), "-q", *arguments], plugins=[table])
    print(f"{PATH.name}: {len(table.rows)} cases, faults that no test met: {table.missing or 'none'}")
    return int(status) or bool(table.missing)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
