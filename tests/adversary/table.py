"""The table of what was tried: for each driver the acts × the actions, in a Markdown file that the command writes.

A cell is `tried (gone)`: interleavings in which the act was done, and in how many of them the victim went all the same.
The file has one section a driver; a run replaces its own and leaves the others.
"""

from __future__ import annotations

import fcntl
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.adversary.interleave import Interleaving, Seen

HERE = Path(__file__).with_name("table.md")
HEAD = """# What was tried against `--apply`

Each action that removes something, disturbed once by one act at one of its moments (each request to the engine, each
answer, each system call that removes), on a real engine; afterwards all that is there is compared with what may be
gone. `interleave.py` says what has to hold. A cell is `tried (gone)`: how often the act was done, and how often the
victim went all the same, rightly, because the act neither used nor named it. Written by
`python -m tests.adversary --write`.
"""


class Ending(StrEnum):
    """How one interleaving went."""

    GONE = "gone"  # and it may
    STAYED = "stayed"
    NOT_REACHED = "not reached"  # the run never came to the boundary: nothing was tried
    NOT_RUN = "not run"  # its victim could not be made
    VIOLATED = "violated"

    @classmethod
    def of(cls, seen: Seen) -> Ending:
        if seen.violations:
            return cls.VIOLATED
        if not seen.fired:
            return cls.NOT_REACHED
        return cls.GONE if seen.removed else cls.STAYED


TRIED = (Ending.GONE, Ending.STAYED, Ending.VIOLATED)


@dataclass
class Counts:
    """Of one driver, by action and act. `possible` is the number of all interleavings there are."""

    driver: str
    engine: str
    possible: int
    actions: tuple[str, ...]
    acts: tuple[str, ...]
    _counts: Counter[tuple[str, str, Ending]] = field(default_factory=Counter)

    def add(self, one: Interleaving, ending: Ending) -> None:
        self._counts[one.scenario.name, one.act.name, ending] += 1

    def number(self, *endings: Ending, action: str = "", act: str = "") -> int:
        """How many ended so, of all or of one action or act."""
        return sum(
            count
            for (of, by, ending), count in self._counts.items()
            if ending in endings and action in ("", of) and act in ("", by)
        )

    def summary(self) -> str:
        """One sentence of figures."""
        endings = ", ".join(f"{self.number(one)} {one}" for one in Ending)
        return f"{self.number(*TRIED)} of {self.possible} possible interleavings tried: {endings}."

    def section(self) -> str:
        """This driver's section of the file."""
        rows = [self._row(act, [self._cell(action, act) for action in self.actions]) for act in self.acts]
        return "\n".join(
            (
                f"## {self.driver}, engine {self.engine}\n",
                f"{self.summary()}\n",
                self._row("act", list(self.actions)),
                self._row("---", ["--:"] * len(self.actions)),
                *rows,
                self._row("all", [self._cell(action, "") for action in self.actions]),
                "",
            )
        )

    def _cell(self, action: str, act: str) -> str:
        tried = self.number(*TRIED, action=action, act=act)
        broken = self.number(Ending.VIOLATED, action=action, act=act)
        gone = self.number(Ending.GONE, action=action, act=act)
        return (f"{tried} ({gone})" if tried else "·") + (f" **{broken} violated**" if broken else "")

    @staticmethod
    def _row(first: str, cells: list[str]) -> str:
        return f"| {first} | {' | '.join(cells)} |"


def write(counts: Counts, path: Path = HERE) -> None:
    """Put this driver's section in place of its last one; runs of other drivers may write at the same time."""
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        _, *sections = file.read().split("\n## ")
        kept = {section.partition(",")[0]: f"## {section.strip()}\n" for section in sections}
        kept[counts.driver] = counts.section()
        file.truncate(0)
        file.write("\n".join((HEAD, *(kept[driver] for driver in sorted(kept)))))
