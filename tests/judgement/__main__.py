"""`python -m tests.judgement`: the jury's table, of drawn hosts; with `--real` also of fills on real engines (root).

`--reports` tries public reports of full hosts instead. `--only TEXT` takes the fills whose name contains it; `--write`
keeps the table. The status is the number of wrong ones.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.judgement.draw import draw
from tests.judgement.fills import FILLS
from tests.judgement.jury import HEAD, SEEDS, Judged, Mark, of_a_drawn_host
from tests.judgement.real import Bench, try_fill
from tests.judgement.reports import ABOUT, CASES, ELSEWHERE, try_case
from tests.judgement.shown import Shown
from tests.lab import shared

TABLE, REPORTS = (Path(__file__).with_name(name) for name in ("table.md", "reports.md"))
_ABOUT = """# The jury

`python -m tests.judgement --real --write`: fills, with the right answer written beside each before the program was
asked. Drawn hosts say by seed and shape what they are; harms are 0 (comes back by itself), 1 (time), 2 (history),
3 (state)."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.judgement", description=__doc__)
    parser.add_argument("--real", action="store_true", help="also the fills on real engines")
    parser.add_argument("--reports", action="store_true", help="public reports of full hosts, on real engines, alone")
    parser.add_argument("--only", default="", metavar="TEXT", help="fills whose name contains this")
    parser.add_argument("--write", action="store_true", help=f"write it to {TABLE.name}")
    asked = parser.parse_args()
    if asked.reports:
        return _reports(asked.only, asked.write)
    found = []
    print(HEAD.format("Said"), flush=True)
    for judged in _all(asked.real, asked.only):
        found.append(judged)
        print(judged.row(), flush=True)
    count = Counter(judged.mark for judged in found)
    totals = f"{len(found)} fills: " + ", ".join(f"{count[mark]} {mark}" for mark in Mark) + "."
    print(f"\n{totals}")
    if asked.write:
        rows = "\n".join(judged.short_row() for judged in found)
        TABLE.write_text(f"{_ABOUT}\n\n{totals}\n\n{HEAD.format('Named first')}\n{rows}\n")
    return count[Mark.WRONG]


def _reports(only: str, write: bool) -> int:
    bench, rows, wrong = Bench(), [], 0
    try:
        for one in (one for one in CASES if only in one.source):
            judged = try_case(one, bench)
            print(judged.row(), flush=True)
            wrong += judged.mark is Mark.WRONG
            rows.append(one.row(judged))
    finally:
        bench.down()
        shared.down()
    if write:
        REPORTS.write_text("\n".join((ABOUT, *rows, ELSEWHERE)) + "\n")
    return wrong


def _all(real: bool, only: str) -> Iterator[Judged]:
    for judged in map(of_a_drawn_host, map(Shown, map(draw, SEEDS))):
        if only in judged.fill:
            yield judged
    if not real:
        return
    bench = Bench()
    try:
        for fill in FILLS:
            if only in fill.name:
                yield try_fill(fill, bench)
    finally:
        bench.down()
        shared.down()


if __name__ == "__main__":
    sys.exit(main())
