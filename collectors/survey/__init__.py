"""One run from question to Report: look, close the books, judge, plan. The door that both faces come through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from collectors.assemble import Request, assemble
from collectors.diagnosis.thresholds import Thresholds
from collectors.history.folder import Folder
from collectors.model.report import Report
from collectors.model.snapshot import Snapshot
from collectors.remediation.plan.keep import Rules
from collectors.survey.judge import Judged, Ruling, judge, report
from collectors.survey.memory import no_trend, recall

__all__ = ["Options", "Outcome", "Progress", "survey"]


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that a run can be told. `journal` None: no memory is read and none is written."""

    request: Request
    limits: Thresholds
    rules: Rules
    journal: Folder | None
    until_percent: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A report of what is known so far; `waiting` names the sources that are still being asked."""

    report: Report
    done: bool
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: the report for people, and what remedies need to act on it."""

    report: Report
    snapshot: Snapshot
    judged: Judged | None


def survey(options: Options, on_progress: Callable[[Progress], None] | None = None) -> Outcome:
    """Look at the machine once. Never raises for what the machine does."""
    began = datetime.now(UTC)
    trend = no_trend("no journal is read yet") if options.journal is None else recall(options.journal, began)

    ruling = Ruling(options.limits, options.rules, {}, options.until_percent)

    def part(snapshot: Snapshot, waiting: tuple[str, ...]) -> None:
        if on_progress is not None:
            on_progress(Progress(report(snapshot, judge(snapshot, trend, ruling), trend), False, waiting))

    snapshot = assemble(options.request, part if on_progress else None)
    judged = judge(snapshot, trend, ruling)
    final = report(snapshot, judged, trend)
    if on_progress is not None:
        on_progress(Progress(final, True, ()))
    return Outcome(final, snapshot, judged)
