"""From the command line's arguments to a dashboard on screen: the feed of the host, the terminal, the exit status."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.model.plan import MarkedSet, Plan, Risk
from collectors.model.settings import Settings
from tui import give_back
from tui.app import UllageApp
from tui.drawing.terminal import NOT_BY_A_KEY, Charset, SecondScreenDriver, charset_of, leave, leave_with_terminal
from tui.export import choices_of, default_theme, keep_choices, kept_choices
from tui.feed import Feed, ReplayError, ReplayFeed, first_hint, of_folder, of_recording
from tui.feed.live import LiveFeed, OnReport
from tui.serve import in_browser, leave_with_server, moment_of
from tui.view_models.categories import Units
from tui.view_models.history import RunSummary, runs_of_journal

if TYPE_CHECKING:
    from collectors.model import Owner
    from collectors.model.report import LiveFigures, Report
    from collectors.pipeline import FinishedRun as Survey
    from collectors.pipeline import Options
    from collectors.pipeline.browse import FilePlace
    from collectors.pipeline.image_history import LayerLook
    from collectors.pipeline.live import LiveMachine
    from collectors.planning.what_if import WhatIf
    from collectors.reclaim import Event, ReclaimOutcome

# A real incident on a real engine, recorded by tests/lab/demo.py.
DEMO = Path(__file__).with_name("demo.jsonl.gz")


def feed_of(arguments: argparse.Namespace) -> Feed:
    """Raises Unplayable, naming the path."""
    if not arguments.demo and arguments.replay is None:
        return LiveFeed(HostSource(arguments))
    path = DEMO if arguments.demo else Path(arguments.replay)
    feed = of_folder(path, _settings(arguments)) if path.is_dir() else of_recording(path)
    if arguments.at is not None:
        at = moment_of(arguments.at)
        if at is None:
            raise ReplayError(f"--at {arguments.at}: no moment such as 2026-11-28T11:40Z")
        feed.open_at(at)
    return feed


def _settings(arguments: argparse.Namespace) -> Settings:
    """A journal does not keep what it was judged by: it is what is configured here. Raises ReplayError."""
    from collectors.cli import command_line

    try:
        return command_line.load(arguments.config).settings
    except command_line.BadConfig as error:
        raise ReplayError(str(error)) from None


def read_only_here(feed: Feed, *, asked: bool) -> bool:
    """May this screen change nothing? Asked for, a recording, or in a browser, where nobody knows who presses keys."""
    return asked or in_browser() or isinstance(feed, ReplayFeed)


async def _shown(app: UllageApp) -> int | None:
    """The dashboard, left in good order also where the terminal hangs up or somebody ends the process."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, leave, app)
    if in_browser():
        leave_with_server(lambda: loop.call_soon_threadsafe(app.exit))
    gone = asyncio.create_task(leave_with_terminal(app))
    try:
        return await app.run_async()
    finally:
        gone.cancel()


def run(
    feed: Feed,
    *,
    read_only: bool = False,
    theme: str | None = None,
    si: bool = False,
    export_to: Path | None = None,
    choices: Path | None = None,
    hosts: Sequence[tuple[str, LiveFeed]] = (),
    rings: bool = False,
    drawn: bool = False,
) -> int:
    """Show the dashboard until it is left; the exit status.

    `theme` "dark", "light", "colour-blind", "ansi" or None: the last one chosen, else what the terminal can do.
    `choices`: the file that they are kept in; None: they are not. `hosts`: of several the name and feed of each;
    `feed` is then the first. `rings`: the terminal does when one becomes critical. `drawn`: the first frame stands.
    """
    web = in_browser()
    charset = Charset.FULL if web else charset_of(getattr(sys.__stderr__, "encoding", None), os.environ.get("TERM", ""))
    kept = kept_choices(choices)
    app = UllageApp(
        feed,
        read_only=read_only_here(feed, asked=read_only),
        theme=f"ullage-{theme}" if theme is not None else default_theme(kept.theme),
        charset=charset,
        units=Units.SI if si else kept.units,
        export_to=export_to,
        view=kept.view,
        hosts=hosts,
        rings=rings,
        orders=(kept.order, kept.item_order, kept.churn_order),
    )
    if drawn:
        app.driver_class = SecondScreenDriver
    status = asyncio.run(_shown(app))
    if drawn and not SecondScreenDriver.took_over:  # it was told to leave before it had begun
        give_back()
    if choices is not None:
        keep_choices(choices, choices_of(app.begun, app.state, kept, units_were_told=si))
    return status if status is not None else NOT_BY_A_KEY if app.return_code else 0


_NEAR, _PAST = timedelta(days=3), timedelta(days=35)
_SAMPLES, _JOURNAL_EVERY_S = 1200, 600.0


class HostSource:
    """What `tui.feed.live.LiveSource` asks for, from the command line's arguments."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from collectors.cli import command_line, preflight
        from collectors.pipeline import load

        load()  # its methods run in several threads
        self._arguments = arguments
        self._preflight, self._configured = preflight, command_line.load
        self._last: Survey | None = None
        self._age_lifted = False
        self._live: LiveMachine | None = None
        self._journaled_s: float | None = None
        self._what_if: tuple[Survey, str, WhatIf] | None = None  # of that run and that mount

    def survey(self, on_report: OnReport, cancelled: Callable[[], bool]) -> tuple[str, ...] | None:
        """Scan once. What did not go as asked with the journal; None where this scan was not written to it."""
        from collectors.pipeline import Progress, survey
        from collectors.pipeline.live import spent_s

        chosen = self._options()
        begun_s = spent_s()
        finished: list[Progress] = []

        def tell(progress: Progress) -> None:
            if progress.done:
                finished.append(progress)
            else:
                on_report(progress.report, False, progress.waiting)

        self._last = survey(chosen, tell)
        self._look_on(chosen, spent_s() - begun_s)
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

    def layers(self, owner: Owner) -> LayerLook | None:
        """A look at the layers of an image, as the last scan saw them; None where they are not known."""
        from collectors.model import ImageId, OwnerKind
        from collectors.pipeline.image_history import LayerLook

        if self._last is None or owner.kind is not OwnerKind.IMAGE:
            return None
        look = LayerLook(self._last.snapshot, self._options().request.endpoint, ImageId(owner.id))
        return None if look.is_empty else look

    def watch(self, on_figures: Callable[[LiveFigures, bool], object]) -> None:
        """Give the fill and who writes, every second after the first scan, and whether a new scan is due."""
        if self._live is not None:
            self._live.run(on_figures)

    def look_at(self, mount: str) -> None:
        """Watch this filesystem from now on."""
        if self._live is not None:
            self._live.look_at(mount)

    def journal_runs(self) -> Sequence[RunSummary]:
        """The runs of the journal, oldest first: the last days whole, the weeks before in samples."""
        from collectors.journal.reading import read, sample

        folder = self._options().journal
        if folder is None:
            return ()
        now = datetime.now(UTC)
        near, far = read(folder, since=now - _NEAR, now=now), sample(folder, since=now - _PAST, count=_SAMPLES, now=now)
        first = near.records[0].at if near.records else now
        older = tuple(record for record in far.records if record.at < first)
        return runs_of_journal(replace(near, records=(*older, *near.records)))

    def first_hint(self) -> str:
        """Where runs are kept from now on, and what keeps them coming while nobody looks."""
        folder = self._options().journal
        return first_hint(None if folder is None else folder.path)

    def what_if(self, marked: frozenset[Owner], mount: str) -> MarkedSet | None:
        """What it would be on this filesystem if these things went, by the last scan; None before the first."""
        from collectors.pipeline import what_if

        run, known = self._last, self._what_if
        if run is None or not run.judged.accounts:
            return None
        if known is None or known[0] is not run or known[1] != mount:
            known = self._what_if = (run, mount, what_if(run, mount))
        return known[2](marked)

    def lift_age(self, lifted: bool) -> Report | None:
        """The last scan with or without the minimum ages of the keep rules; None before the first."""
        from collectors.pipeline import judged_again

        self._age_lifted = lifted
        if self._last is not None:
            self._last = judged_again(self._last, self._options().settings)
        return self._last.report if self._last is not None else None

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
            books=self._last.judged.books_of(plan.mount),
        )
        outcome = apply(plan, chosen, context, on_event=on_event, cancelled=cancelled)
        remember(self._last, options, actions_of(outcome, plan.every_step))
        return outcome

    def _options(self) -> Options:
        arguments = copy(self._arguments)
        if self._age_lifted:
            arguments.min_age = 0.0
        return self._preflight.options(arguments, self._configured(arguments.config))
