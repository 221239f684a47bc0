"""`table.md`: one row for each target and engine. Rows of what is not run now stay as they are."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.fuzz.run import Outcome
from tests.fuzz.target import Target

PATH = Path(__file__).with_name("table.md")
_MOST_ENDS = 6
_HEAD = """\
# Fuzzing, and what became of the cases

Written by `python -m tests.fuzz`. A find is another exception than the reader promises, an answer that is wrong (each
module of `targets/` says what that means), a case that takes too long or too much memory. *Kinds* counts the distinct
ways in which cases ended; *features* is what atheris counts as reached. Processor seconds; the same seed makes the
same random cases.

| Target | What is fuzzed | Engine | Cases | Kinds | How they ended | Features | Finds | Seconds | Seed |
|---|---|---|---:|---:|---|---:|---:|---:|---:|
"""

Key = tuple[str, str]  # target, engine
Rows = dict[Key, tuple[str, ...]]


def rows() -> Rows:
    """What the table holds."""
    found: Rows = {}
    for line in PATH.read_text().splitlines() if PATH.exists() else ():
        cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        if len(cells) == 10 and cells[8].isdecimal():
            found[cells[0], cells[2]] = cells
    return found


def entered(held: Rows, target: Target, outcome: Outcome) -> Rows:
    """The rows with this outcome in the place of what stood there."""
    cells = (
        target.name,
        target.fuzzed.replace("|", r"\|"),
        outcome.engine,
        f"{outcome.cases:,}",
        str(len(outcome.ends)),
        _ends(outcome.ends).replace("|", r"\|"),
        "–" if outcome.features is None else str(outcome.features),
        str(len(outcome.finds)),
        f"{outcome.took_s:.0f}",
        str(outcome.seed),
    )
    return held | {(target.name, outcome.engine): cells}


def write(held: Rows, order: list[str]) -> str:
    """Write the table; its last line is returned: how many cases in all."""
    known = {key: cells for key, cells in held.items() if key[0] in order}
    ordered = sorted(known.items(), key=lambda row: (order.index(row[0][0]), row[0][1]))
    total = sum(int(cells[3].replace(",", "")) for _, cells in ordered)
    engine = sum(int(cells[3].replace(",", "")) for (name, _), cells in ordered if name.startswith("engine-"))
    finds = sum(int(cells[7]) for _, cells in ordered)
    last = f"{total:,} cases, {engine:,} of them over the engine's decoders; finds that are left: {finds}."
    PATH.write_text(_HEAD + "".join(f"| {' | '.join(cells)} |\n" for _, cells in ordered) + f"\n{last}\n")
    return last


def _ends(ends: Counter[str]) -> str:
    """The most frequent ones in parts of all; refusals by their kind."""
    kinds: Counter[str] = Counter()
    for end, count in ends.items():
        kinds[end.partition(":")[0]] += count
    total = max(1, sum(kinds.values()))
    shown = [f"{kind} {100 * count / total:.1f}%" for kind, count in kinds.most_common(_MOST_ENDS)]
    return ", ".join(shown) + (", …" if len(kinds) > _MOST_ENDS else "")
