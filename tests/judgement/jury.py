"""One fill before the jury: the right answer beside it, what was said, and whether that is right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from collectors.model.plan import Severity
from tests.judgement.key import Way, answer, labels
from tests.judgement.reading import Verdict
from tests.judgement.shown import Shown

# The drawn hosts that the jury sees: four of each shape.
SEEDS = range(40)


class Mark(StrEnum):
    RIGHT = "right"
    ACCEPTABLE = "acceptable"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Judged:
    """`first` is who was named first, "" for nobody; `why` says what is wrong, "" where nothing is."""

    fill: str
    expected: str
    first: str
    said: str
    mark: Mark
    why: str

    def row(self) -> str:
        """A line for a person who looks into it, with the whole verdict."""
        return _line(self.fill, self.expected, self.said, f"{self.mark}: {self.why}" if self.why else str(self.mark))

    def short_row(self) -> str:
        """A line of the table that is kept."""
        return _line(self.fill, self.expected, self.first or "–", str(self.mark))


HEAD = "| Fill | Right | {} | Mark |\n|---|---|---|---|"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def of_a_drawn_host(shown: Shown) -> Judged:
    """Who is named first, and which harms lead to the target, against the key of the host.

    On a host that is well nobody has to be named.
    """
    host = shown.host
    key = answer(host)
    verdict = shown.report.verdict
    first = Verdict(verdict).first(labels(host, verdict))
    harms = tuple(sorted({int(step.harm) for step in shown.planned.plan.steps}))
    target = shown.planned.plan.target
    reached = target is not None and not target.short_bytes and not target.short_inodes
    wrong = []
    if first not in key.right | key.acceptable and (first or shown.report.severity >= Severity.P2):
        wrong.append(f"first named is {first or 'nothing'}")
    taken = Way(harms, reached)
    if taken not in key.ways:
        wrong.append(f"harms {taken}")
    mark = Mark.WRONG if wrong else Mark.RIGHT if first in key.right or not first else Mark.ACCEPTABLE
    ways = " or ".join(f"{way} {host.target_percent}%" for way in dict.fromkeys(key.ways))
    name = f"{host.seed} {host.shape}, {host.fstype}, {host.used_percent}%"
    return Judged(name, f"{' or '.join(sorted(key.right))}; harms {ways}", first, verdict, mark, "; ".join(wrong))
