"""The host that the dashboard runs on: scans, the journal, and the one way to run a plan. Built by the command line.

Everything slow (the engine's client, numpy, the remedies) is imported in the worker threads that call these methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from collectors.model.plan import Plan, Risk
from tui.feed.live import OnReport
from tui.view_models.history import RunSummary, runs_of_journal

if TYPE_CHECKING:
    import argparse

    from collectors.pipeline import FinishedRun as Survey
    from collectors.pipeline import Options
    from collectors.reclaim.act import Event, ReclaimOutcome

_PAST = timedelta(days=35)
_SAMPLES = 1200


class HostSource:
    """What `tui.feed.live.LiveSource` asks for, from the command line's arguments."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._last: Survey | None = None

    def survey(self, on_report: OnReport, cancelled: Callable[[], bool]) -> None:
        """Scan once, and write the run to the journal unless it was cancelled."""
        from collectors.pipeline import Progress, survey

        chosen = self._options()
        finished: list[Progress] = []

        def tell(progress: Progress) -> None:
            if progress.done:
                finished.append(progress)
            else:
                on_report(progress.report, False, progress.waiting)

        self._last = survey(chosen, tell)
        on_report(finished[-1].report, True, ())

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
        )
        outcome = apply(plan, chosen, context, on_event=on_event, cancelled=cancelled)
        remember(self._last, options, actions_of(outcome, plan.every_step))
        return outcome

    def _options(self) -> Options:
        from collectors.cli import config, preflight

        return preflight.options(self._arguments, config.load(self._arguments.config))
