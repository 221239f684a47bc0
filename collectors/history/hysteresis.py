"""When an alarm goes up and when it comes down, over several runs. Pure; the numbers are handed in.

P0 is raised by one run, everything else by two that agree. A severity comes down when the runs in a row that say so are
enough, and for a fill level only `clear_points` below where it began. A run that could not tell moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collectors.history.record import Journal
from collectors.model.finding import Severity
from collectors.model.settings import Thresholds


@dataclass(frozen=True, slots=True)
class Said:
    """What one run says: `raises` on its own figures, and what it would still `hold` if it stood already."""

    raises: Severity
    holds: Severity


def level(used_percent: int, thresholds: Thresholds) -> Said:
    """What a fill level says, from the same used % that is shown."""
    return Said(thresholds.level(used_percent), thresholds.level(used_percent + thresholds.clear_points))


def settle(said: Sequence[Said | None], thresholds: Thresholds) -> Severity:
    """The severity that stands after these runs, oldest first; None for a run that could not tell."""
    standing = Severity.OK
    told: list[Said] = []
    for one in said:
        if one is None:
            continue
        told.append(one)
        if one.raises is Severity.P0:
            standing = Severity.P0
            continue
        agreed = min(known.raises for known in told[-thresholds.raise_runs :])
        held = max(known.holds for known in told[-thresholds.clear_runs :])
        if agreed > standing and len(told) >= thresholds.raise_runs:
            standing = agreed
        elif held < standing and len(told) >= thresholds.clear_runs:
            standing = held
    return standing


def fill(used_percents: Sequence[int | None], thresholds: Thresholds) -> Severity:
    """The severity of how full the disk is after these runs, oldest first, the present one last."""
    return settle([None if used is None else level(used, thresholds) for used in used_percents], thresholds)


def rule(raws: Sequence[Severity], thresholds: Thresholds) -> Severity:
    """The severity of one rule after these runs, oldest first: what each run alone said, OK where it was silent."""
    return settle([Said(raw, raw) for raw in raws], thresholds)


def raws(journal: Journal, name: str) -> tuple[Severity, ...]:
    """What each run of the journal said about a rule on its own, oldest first."""
    return tuple(
        max((noted.raw for noted in record.findings if noted.rule == name), default=Severity.OK)
        for record in journal.records
    )
