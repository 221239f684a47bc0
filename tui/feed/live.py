"""The live machine as a source of reports. Worker threads read it and send messages to the application.

The threads are daemons, not executor workers: Python waits for an executor's threads when it exits, and one that sits
in a system call would hold the terminal. What is slow to import (the engine's client, numpy) is imported in them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from textual.message import Message

from collectors.model.plan import MarkedSet, Plan
from collectors.model.report import Report
from tui.view_models.history import RunSummary

if TYPE_CHECKING:
    from textual.message import Message

    from collectors.model import Owner
    from collectors.model.report import LiveFigures
    from collectors.pipeline.browse import DirectoryListing, FilePlace
    from collectors.pipeline.image_history import LayerLook
    from collectors.reclaim import Event, ReclaimOutcome


class Scanned(Message):
    """A report, whole or in part. `run` tells one scan from the one before it."""

    def __init__(self, scan: int, report: Report, done: bool, waiting: tuple[str, ...]) -> None:
        super().__init__()
        self.scan, self.report, self.done, self.waiting = scan, report, done, waiting


class ScanFailed(Message):
    """A scan ended without a report."""

    def __init__(self, scan: int, reason: str) -> None:
        super().__init__()
        self.scan, self.reason = scan, reason


class JournalRead(Message):
    """The journal was read. `notes`: what did not go as asked when it was written, one sentence each.

    `hint`: how history comes about, where there is none yet.
    """

    def __init__(self, runs: Sequence[RunSummary], notes: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__()
        self.runs, self.notes, self.hint = tuple(runs), notes, hint


class Ticked(Message):
    """What goes on between scans; `due`: enough has changed for a new one."""

    def __init__(self, figures: LiveFigures, due: bool) -> None:
        super().__init__()
        self.figures, self.due = figures, due


class PlanEvent(Message):
    """One event of a plan that runs."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class PlanEnded(Message):
    """A plan ended; `outcome` None: it broke, and `reason` says why."""

    def __init__(self, outcome: ReclaimOutcome | None, reason: str) -> None:
        super().__init__()
        self.outcome, self.reason = outcome, reason


class WhatIfTold(Message):
    """What it would be if the marked things went."""

    def __init__(self, answer: MarkedSet) -> None:
        super().__init__()
        self.answer = answer


Deliver = Callable[["Message"], object]
# report, is it the last one, sources that are still being asked
OnReport = Callable[[Report, bool, tuple[str, ...]], None]


class LiveSource(Protocol):
    """What a live feed needs; the command line builds it. Methods run in worker threads and may import what is slow."""

    def survey(self, on_report: OnReport, cancelled: Callable[[], bool]) -> tuple[str, ...] | None:
        """Scan once; `on_report` gets partial reports and then the whole one. It may raise, then the scan stops.

        Returns what did not go as asked when the run was journaled; None where it was not.
        """

    def journal_runs(self) -> Sequence[RunSummary]:
        """The runs of the journal, oldest first; empty without one."""

    def first_hint(self) -> str:
        """How history comes about, for who has none yet; "" for nothing. Escaped."""

    def watch(self, on_figures: Callable[[LiveFigures, bool], object]) -> None:
        """After a scan: tell every second how full the disk is and who writes, for as long as that can be seen."""

    def look_at(self, mount: str) -> None:
        """Of several filesystems, which one the seconds are of from now on."""

    def places(self, owner: Owner) -> Sequence[FilePlace]:
        """Where the files of a thing lie, as the last scan saw it; () where there are none to open."""

    def layers(self, owner: Owner) -> LayerLook | None:
        """A look at the layers of an image; None for anything else, and where they are not known."""

    def what_if(self, marked: frozenset[Owner], mount: str) -> MarkedSet | None:
        """What it would be on this filesystem if these things went, by the last scan; None before the first."""

    def lift_age(self, lifted: bool) -> Report | None:
        """The last scan's report with or without minimum ages, with which scans go on; None before the first."""

    def apply(
        self, plan: Plan, chosen: frozenset[str], on_event: Callable[[Event], None], cancelled: Callable[[], bool]
    ) -> ReclaimOutcome:
        """Run the chosen steps."""


class Stopped(BaseException):
    """Raised inside a worker at its next sign of life once it is not wanted any more."""


class Look(Protocol):
    """Something that is read in the background and told as it becomes known, until it is done or stopped."""

    def run(self, tell: Callable[[Any], object], /) -> None: ...

    def stop(self) -> None: ...


class Listings:
    """Directories and layers that somebody looks into, one at a time, each read in the background."""

    def __init__(self) -> None:
        self._look: Look | None = None

    def browse(
        self,
        place: FilePlace,
        inside: Sequence[str],
        on_screen: Callable[..., object],
        listed: Callable[[DirectoryListing], object],
    ) -> None:
        """Read one directory; `on_screen(listed, …)` hands over what is known. What was read before is let go."""
        from collectors.pipeline.browse import Browse

        self.look(Browse(place.path, inside, tells_alone=place.tells_alone), on_screen, listed)

    def look(self, look: Look, on_screen: Callable[..., object], told: Callable[[Any], object]) -> None:
        """The same with anything that can be looked at."""
        self.stop_browsing()
        self._look = look

        def tell(found: object) -> None:
            if self._look is look:
                with contextlib.suppress(RuntimeError):  # the application has closed its loop meanwhile
                    on_screen(told, found)

        _start("files", lambda: look.run(tell), lambda _: None)

    def stop_browsing(self) -> None:
        """Nobody looks any more."""
        if self._look is not None:
            self._look.stop()
            self._look = None


class LiveFeed(Listings):
    """One machine. At most one scan and one plan run at a time; nothing of an older scan is delivered."""

    def __init__(self, machine: LiveSource) -> None:
        super().__init__()
        self._source = machine
        self._scan = 0
        self._stop_plan = threading.Event()
        self._watching = False

    def read_journal(self, deliver: Deliver) -> None:
        """Read the journal in the background."""

        def work() -> None:
            runs = self._source.journal_runs()
            deliver(JournalRead(runs, hint="" if runs else self._source.first_hint()))

        _start("journal", work, lambda _: None)

    def scan(self, deliver: Deliver) -> int:
        """Scan the machine in the background; the number tells its messages from those of another scan."""
        self._scan += 1
        scan = self._scan

        def cancelled() -> bool:
            return scan != self._scan

        def on_report(report: Report, done: bool, waiting: tuple[str, ...]) -> None:
            if cancelled():
                raise Stopped
            deliver(Scanned(scan, report, done, waiting))

        def work() -> None:
            notes = self._source.survey(on_report, cancelled)
            if notes is not None:
                deliver(JournalRead(self._source.journal_runs(), notes))

        _start(
            "scan",
            work,
            lambda reason: None if cancelled() else deliver(ScanFailed(scan, reason)),
        )
        return scan

    def watch(self, deliver: Deliver) -> None:
        """Look on in the background from now on; asking again changes nothing."""
        if self._watching:
            return
        self._watching = True

        def tell(figures: LiveFigures, due: bool) -> None:
            with contextlib.suppress(RuntimeError):  # the application has closed its loop meanwhile
                deliver(Ticked(figures, due))

        _start("watch", lambda: self._source.watch(tell), lambda _: None)

    def look_at(self, mount: str) -> None:
        """Tell the seconds of this filesystem from now on."""
        self._source.look_at(mount)

    def places(self, owner: Owner) -> Sequence[FilePlace]:
        """Where the files of a thing lie; () where there are none to open."""
        return self._source.places(owner)

    def layers(self, owner: Owner) -> LayerLook | None:
        """A look at the layers of an image; None for anything else, and where they are not known."""
        return self._source.layers(owner)

    def stop_scan(self) -> None:
        """Nothing of the current scan is delivered from now on; its thread ends at its next sign of life."""
        self._scan += 1

    def lift_age(self, lifted: bool, scan: int, deliver: Deliver) -> None:
        """Plan again from what was seen, with or without minimum ages, in the background; told as that scan's."""

        def work() -> None:
            if (report := self._source.lift_age(lifted)) is not None:
                deliver(Scanned(scan, report, True, ()))

        _start("plan", work, lambda reason: deliver(ScanFailed(scan, reason)))

    def what_if(self, marked: frozenset[Owner], mount: str, deliver: Deliver) -> None:
        """Work out in the background what it would be on this filesystem if these things went."""

        def work() -> None:
            if (answer := self._source.what_if(marked, mount)) is not None:
                deliver(WhatIfTold(answer))

        _start("what if", work, lambda _: None)

    def apply(self, plan: Plan, chosen: frozenset[str], deliver: Deliver) -> None:
        """Run the chosen steps in the background."""
        self._stop_plan = stop = threading.Event()

        def tell(event: Event) -> None:
            deliver(PlanEvent(event))

        def work() -> None:
            outcome = self._source.apply(plan, chosen, tell, stop.is_set)
            deliver(PlanEnded(outcome, ""))

        _start("apply", work, lambda reason: deliver(PlanEnded(None, reason)))

    def stop_plan(self) -> None:
        """Stop after the item that is being removed now."""
        self._stop_plan.set()


def _start(name: str, work: Callable[[], object], broke: Callable[[str], object]) -> None:
    def scan() -> None:
        try:
            work()
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - a broken worker must say so on screen, not die in silence
            with contextlib.suppress(RuntimeError):  # the application has closed its loop meanwhile
                broke(f"{type(error).__name__}: {error}")

    threading.Thread(target=scan, name=f"ullage {name}", daemon=True).start()
