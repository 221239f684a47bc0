"""`python -m tests.judgement`: the jury's table, of drawn hosts; with `--real` also of fills on real engines (root).

`--only TEXT` takes the fills whose name contains it. The status is the number of fills that were judged wrongly.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator

from tests.judgement.draw import draw
from tests.judgement.fills import FILLS
from tests.judgement.jury import SEEDS, Judged, Mark, of_a_drawn_host
from tests.judgement.real import Bench, try_fill
from tests.judgement.shown import Shown
from tests.lab import shared


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.judgement", description=__doc__)
    parser.add_argument("--real", action="store_true", help="also the fills on real engines")
    parser.add_argument("--only", default="", metavar="TEXT", help="fills whose name contains this")
    asked = parser.parse_args()
    count: Counter[Mark] = Counter()
    print("| Fill | Right | Said | Mark |\n|---|---|---|---|", flush=True)
    for judged in _all(asked.real, asked.only):
        count[judged.mark] += 1
        print(judged.row(), flush=True)
    print(f"\n{sum(count.values())} fills: " + ", ".join(f"{count[mark]} {mark}" for mark in Mark))
    return count[Mark.WRONG]


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
