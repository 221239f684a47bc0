"""The host that the dashboard runs on: scans, the journal, and the one way to run a plan. Built by the command line.

Everything slow (the engine's client, numpy, the remedies) is imported in the worker threads that call these methods.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from collectors.model.plan import Plan, Risk
from tui.feed.live import OnReport
from tui.view_models.history import RunSummary, runs_of_journal

if TYPE_CHECKING:
    import argparse

    from collectors.model.owner import Owner
    from collectors.model.report import LiveFigures, Report
    from collectors.pipeline import FinishedRun as Survey
    from collectors.pipeline import Options
    from collectors.pipeline.browse import FilePlace
    from collectors.pipeline.live import LiveMachine
    from collectors.reclaim.act import Event, ReclaimOutcome

_PAST = timedelta(days=35)
_SAMPLES = 1200
_JOURNAL_EVERY_S = 600.0


class HostSource:
    """What `tui.feed.live.LiveSource` asks for, from the command line's arguments."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._last: Survey | None = None
        self._age_lifted = False
        self._live: LiveMachine | None = None
        self._journaled_s: float | None = None

    def survey(self, on_report: OnReport, cancelled: Callable[[], bool]) -> tuple[str, ...] | None:
        """Scan once. What did not go as asked with the journal; None where this scan was not written to it."""
        from collectors.pipeline import Progress, survey

        chosen = self._options()
        begun_s = _spent_s()
        finished: list[Progress] = []

        def tell(progress: Progress) -> None:
            if progress.done:
                finished.append(progress)
            else:
                on_report(progress.report, False, progress.waiting)

        self._last = survey(chosen, tell)
        self._look_on(chosen, _spent_s() - begun_s)
        on_report(finished[-1].report, True, ())
        return self._journal(chosen)

    def _look_on(self, chosen: Options, cost_s: float) -> None:
        from collectors.pipeline.live import LiveMachine

        if self._last is not None:
            self._live = self._live or LiveMachine(chosen.request.endpoint)
            self._live.scanned(self._last.snapshot, chosen.request.host.proc, cost_s)

    def _journal(self, chosen: Options) -> tuple[str, ...] | None:
        """Scans that follow each other closely are one run to the journal. The vault is for supervisors."""
        from collectors.pipeline import remember

        now_s = time.monotonic()
        recent = self._journaled_s is not None and now_s - self._journaled_s < _JOURNAL_EVERY_S
        if self._last is None or chosen.journal is None or recent:
            return None
        self._journaled_s = now_s
        return remember(self._last, replace(chosen, vault=None))

    def places(self, owner: Owner) -> Sequence[FilePlace]:
        """Where the files of a thing lie, as the last scan saw it."""
        from collectors.pipeline.browse import places

        return () if self._last is None else places(self._last.snapshot, owner)

    def watch(self, on_figures: Callable[[LiveFigures, bool], object]) -> None:
        """Give the fill and who writes, every second after the first scan, and whether a new scan is due."""
        if self._live is not None:
            self._live.run(on_figures)

    def journal_runs(self) -> Sequence[RunSummary]:
        """The runs of the journal, oldest first: the last days whole, the weeks before in samples."""
        from collectors.journal.reading import read, sample

        folder = self._options().journal
        if folder is None:
            return ()
        now = datetime.now(UTC)
        near = read(folder, since=now - timedelta(days=3), now=now)
        far = sample(folder, since=now - _PAST, count=_SAMPLES, now=now)
        first = near.records[0].at if near.records else now
        older = tuple(record for record in far.records if record.at < first)
        return runs_of_journal(replace(near, records=(*older, *near.records)))

    def lift_age(self, lifted: bool) -> Report | None:
        """The last scan with or without the minimum ages of the keep rules; None before the first."""
        from collectors.pipeline import judged_again

        self._age_lifted = lifted
        if self._last is None:
            return None
        self._last = judged_again(self._last, self._options().settings)
        return self._last.report

    def apply(
        self, plan: Plan, chosen: frozenset[str], on_event: Callable[[Event], None], cancelled: Callable[[], bool]
    ) -> ReclaimOutcome:
        """Run the chosen steps: a person has seen and confirmed each of them, so every tier is open to them."""
        from collectors.cli.reclaim import actions_of, state_of
        from collectors.pipeline import remember
        from collectors.reclaim.run import apply
        from collectors.reclaim.tools import for_snapshot

        if self._last is None:
            raise RuntimeError("there was no scan yet")
        options = self._options()
        context = for_snapshot(
            self._last.snapshot,
            options.request.endpoint,
            options.request.host,
            state_of(options),
            options.settings,
            tier=Risk.DESTRUCTIVE,
            target_percent=None,
            named=chosen,
            mount=plan.mount,
            books=self._last.judged.books,
        )
        outcome = apply(plan, chosen, context, on_event=on_event, cancelled=cancelled)
        remember(self._last, options, actions_of(outcome, plan.every_step))
        return outcome

    def _options(self) -> Options:
        from collectors.cli import config, preflight

        arguments = copy(self._arguments)
        if self._age_lifted:
            arguments.min_age = 0.0
        return preflight.options(arguments, config.load(arguments.config))


def _spent_s() -> float:
    """What this process and its ended children have taken of a processor, in seconds."""
    return sum(os.times()[:4])
