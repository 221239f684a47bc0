"""One run from question to Report: look, close the books, judge, plan, remember. Both faces come through here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.engine.questions import soon
from collectors.inventory import Request, assemble
from collectors.inventory.filesystem import OnPart
from collectors.model import Owner, dataclass
from collectors.model.report import Report
from collectors.model.settings import Settings
from collectors.model.snapshot import Snapshot
from collectors.system.deadline import Clock, boot
from collectors.system.folders import Folder

# What judges is loaded while the machine answers: it takes as long as that.
if TYPE_CHECKING:
    from collectors.journal import Action
    from collectors.model.plan import MarkedSet
    from collectors.pipeline.judge import Judged, Ruling
    from collectors.pipeline.memory import Memory
    from collectors.planning.what_if import WhatIf
    from collectors.probe import Wish

__all__ = ["FinishedRun", "Options", "Progress", "begin", "judged_again", "load", "remember", "survey", "what_if"]

# For judging and printing.
_KEEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that a run can be told. `journal` None: no memory is read and none is written; `vault` likewise."""

    request: Request
    settings: Settings
    journal: Folder | None
    vault: Path | None
    until_percent: float | None
    probe: Wish | None = None  # None: no container is ever started
    bills: tuple[str, ...] = ()  # what to bill by, besides what always is


@dataclass(frozen=True, slots=True)
class Progress:
    """A report of what is known so far; `waiting` names the sources that are still being asked."""

    report: Report
    done: bool
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A finished run: the report for people, and what remedies and the journal need of it."""

    report: Report
    snapshot: Snapshot
    judged: Judged
    memory: Memory
    ruling: Ruling


def survey(options: Options, on_progress: Callable[[Progress], None] | None = None) -> FinishedRun:
    """Look at the machine once. Never raises for what the machine does, and writes nothing but measured figures."""
    return begin(options, on_progress)()


def begin(options: Options, on_progress: Callable[[Progress], None] | None = None) -> Callable[[], FinishedRun]:
    """Begin to look. What is returned loads what judges, waits for what was seen, and judges it.

    One thread may do so at a time, or `load` comes first.
    """
    recalled: Future[tuple[Memory, Ruling]] = Future()

    def part(snapshot: Snapshot, waiting: tuple[str, ...]) -> None:
        if on_progress is not None:
            on_progress(_progress(snapshot, waiting, *recalled.result()))

    looked = soon("look", lambda: _look(options, part if on_progress else None))
    return lambda: _finish(options, looked, recalled, on_progress)


def load() -> None:
    """Load what judges and remembers, before several threads would at once.

    Of a package and a module inside it each would wait for what another has begun, until Python lets both go on with
    half of it.
    """
    from collectors.journal import appending, reading, vault  # noqa: F401
    from collectors.ledger import bills  # noqa: F401
    from collectors.pipeline import image_history, judge, live, memory, run_record  # noqa: F401


def _finish(
    options: Options,
    looked: Future[Snapshot],
    recalled: Future[tuple[Memory, Ruling]],
    on_progress: Callable[[Progress], None] | None,
) -> FinishedRun:
    from collectors.ledger.bills import ALWAYS, bills
    from collectors.pipeline.image_history import recollect, repositories
    from collectors.pipeline.judge import Ruling, close_books, judge, report
    from collectors.pipeline.memory import journal_line, last_used, recall, with_churn

    memory = recall(options.journal, datetime.now(UTC), options.settings.thresholds)
    ruling = Ruling(options.settings, {}, options.until_percent)
    recalled.set_result((memory, ruling))
    snapshot = looked.result()
    if options.journal is not None:
        snapshot = replace(snapshot, reports=(*snapshot.reports, journal_line(memory)))
    builds = recollect(memory.journal, snapshot, options.request)
    if builds.reports:
        snapshot = replace(snapshot, ended_at=datetime.now(UTC), reports=(*snapshot.reports, *builds.reports))
    accounts = close_books(snapshot)
    memory = memory.at(snapshot, options.settings.thresholds)
    memory = replace(memory, trend=with_churn(memory, snapshot, accounts[0] if accounts else None, builds))
    ruling = replace(ruling, last_used=last_used(memory, snapshot))
    judged = judge(snapshot, accounts, memory, ruling)
    named = repositories(memory.journal, snapshot, builds)
    billed = bills(snapshot, [one.books for one in accounts], named, (*ALWAYS, *options.bills))
    final = report(snapshot, judged, memory.trend, options.settings, billed)
    if on_progress is not None:
        on_progress(Progress(final, True, ()))
    return FinishedRun(final, snapshot, judged, memory, ruling)


def _progress(snapshot: Snapshot, waiting: tuple[str, ...], memory: Memory, ruling: Ruling) -> Progress:
    """A report of what is known so far."""
    from collectors.pipeline.judge import close_books, judge, report

    known = memory.at(snapshot, ruling.settings.thresholds)
    judged = judge(snapshot, close_books(snapshot), known, ruling)
    return Progress(report(snapshot, judged, known.trend, ruling.settings), False, waiting)


def judged_again(run: FinishedRun, settings: Settings) -> FinishedRun:
    """The same look at the machine, judged and planned by other settings. Nothing is read and nothing is written."""
    from collectors.pipeline.judge import judge, report

    ruling = replace(run.ruling, settings=settings)
    judged = judge(run.snapshot, run.judged.accounts, run.memory, ruling)
    final = report(run.snapshot, judged, run.memory.trend, settings, run.report.bills)
    return replace(run, report=final, judged=judged, ruling=ruling)


def what_if(run: FinishedRun, mount: str = "") -> WhatIf:
    """What if things went, as this run saw them: what that frees on the filesystem which is mounted there, on the
    Docker root's where none is. There is one in the run's judgement."""
    from collectors.causes.plan_context import PlanContext
    from collectors.planning.what_if import owners_of  # asked by a screen alone
    from collectors.planning.what_if import what_if as make

    judged = run.judged
    places = [its.ledger.filesystem.mount.mountpoint for its in judged.accounts]
    at = places.index(mount) if mount in places else 0
    its, planned = judged.accounts[at], judged.plans[at].mount
    mine = tuple(finding for finding in judged.findings if finding.mount == planned)
    ask = make(
        PlanContext(
            run.snapshot,
            its.ledger,
            its.books,
            mine,
            run.ruling.settings.keep,
            run.ruling.last_used,
            run.snapshot.ended_at,
        )
    )

    def of_filesystem(marked: frozenset[Owner]) -> MarkedSet:
        answer = ask(marked)
        here = owners_of(its.ledger) if len(judged.accounts) > 1 else marked
        without = {owner: why for owner, why in answer.without.items() if owner in here}
        return replace(answer, plan=replace(answer.plan, mount=planned), without=without)

    return of_filesystem


def _look(options: Options, on_part: OnPart | None) -> Snapshot:
    """What can be seen from here; then, only if told to, what a probe container sees. Half of the time is its."""
    if options.probe is None:
        return assemble(options.request, on_part)
    clock = Clock(options.request.deadline_s)
    seen = assemble(replace(options.request, deadline_s=options.request.deadline_s / 2), on_part)
    from collectors.probe import probed  # here, because a container is hardly ever asked for

    return probed(seen, options.request, options.probe, left_s=clock.left(keep=_KEEP_S))


def remember(outcome: FinishedRun, options: Options, actions: tuple[Action, ...] = ()) -> tuple[str, ...]:
    """Write the run to the journal and its open tasks to the vault. What did not go as asked, one sentence each."""
    from collectors.journal.appending import Place, append
    from collectors.journal.vault import keep
    from collectors.pipeline.run_record import bullets, record_of, tasks
    from collectors.report import formatting

    notes: list[str] = []
    journal = outcome.memory.journal
    if options.journal is not None:
        host = options.request.host
        record = record_of(outcome.report, outcome.judged.raw, outcome.snapshot, boot(host), actions)
        before = journal.records[-1] if journal and journal.records else None
        written = append(options.journal, record, bullets(outcome.report, record, before, actions))
        notes += written.notes
        if written.place is Place.NOWHERE:
            notes.append(f"the journal entry could not be written anywhere; it follows\n{written.entry}")
    if options.vault is not None:
        name, now = outcome.report.host, outcome.snapshot.ended_at
        kept = keep(options.vault, tasks(outcome.report, journal), host=name, shown=formatting.quoted(name), now=now)
        notes += kept.failed
    return tuple(notes)
