"""A machine that exists only in a test: it scans by a script, remembers, and 'applies' by telling events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from collectors.model import Owner
from collectors.model.plan import MarkedSet, Plan
from collectors.model.reading import Exact
from collectors.model.report import LiveFigures, Report
from collectors.pipeline.browse import FilePlace
from collectors.pipeline.image_history import LayerLook
from collectors.planning.what_if import what_if_recorded
from collectors.reclaim import Ended, Event, EventKind, ReclaimOutcome
from tests.tui.build import HERE, NOW, missing
from tui.feed.live import OnReport
from tui.view_models.history import RunSummary


class FakeSource:
    """`script` holds (report, done, waiting) of each look; the last look is repeated. `gate` holds a look back."""

    def __init__(
        self,
        *looks: Sequence[tuple[Report, bool, tuple[str, ...]]],
        runs: Sequence[RunSummary] = (),
        deaf_s: float = 0.0,
    ) -> None:
        self.looks = list(looks)
        self.runs = tuple(runs)
        self.where: dict[str, Sequence[FilePlace]] = {}
        self.looks_into: dict[str, LayerLook] = {}
        self.ticks: list[tuple[LiveFigures, bool]] = []
        self.applied: list[frozenset[str]] = []
        self.plans: list[Plan] = []  # that were applied
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0
        self.looked_at: list[str] = []
        self.hint = ""
        self.step_gate = threading.Event()
        self.step_gate.set()
        self._deaf_s = deaf_s

    @classmethod
    def showing(cls, report: Report, *, runs: Sequence[RunSummary] = ()) -> FakeSource:
        return cls([(report, True, ())], runs=runs)

    def survey(self, on_report: OnReport, cancelled: Callable[[], bool]) -> None:
        appearance = self.looks[min(self.asked, len(self.looks) - 1)]
        self.asked += 1
        for report, done, waiting in appearance:
            on_report(report, done, waiting)
            if not done:
                self.gate.wait(30)

    def places(self, owner: Owner) -> Sequence[FilePlace]:
        return self.where.get(owner.id, ())

    def layers(self, owner: Owner) -> LayerLook | None:
        return self.looks_into.get(owner.id)

    def watch(self, on_figures: Callable[[LiveFigures, bool], object]) -> None:
        for figures, due in self.ticks:
            on_figures(figures, due)

    def look_at(self, mount: str) -> None:
        self.looked_at.append(mount)

    def first_hint(self) -> str:
        return self.hint

    def journal_runs(self) -> Sequence[RunSummary]:
        return self.runs

    def what_if(self, marked: frozenset[Owner], mount: str) -> MarkedSet | None:
        report = self.looks[min(self.asked, len(self.looks)) - 1][-1][0]
        ledger, plan = report.ledger_at(mount), report.plan_at(mount)
        return None if ledger is None or plan is None else what_if_recorded(ledger, plan, NOW)(marked)

    def lift_age(self, lifted: bool) -> Report | None:
        """The last look, as the machine would plan it by then."""
        report = self.looks[min(self.asked, len(self.looks)) - 1][-1][0]
        keep = replace(report.settings.keep, min_age_s=0.0 if lifted else None)
        steps = tuple(replace(step, young_s=0.0) for step in report.plan.steps) if lifted else report.plan.steps
        return replace(report, settings=replace(report.settings, keep=keep), plan=replace(report.plan, steps=steps))

    def apply(
        self, plan: Plan, chosen: frozenset[str], on_event: Callable[[Event], None], cancelled: Callable[[], bool]
    ) -> ReclaimOutcome:
        self.applied.append(chosen)
        self.plans.append(plan)
        on_event(_event(EventKind.RUN_STARTED, "", "apply", 0, len(chosen)))
        ended = Ended.ALL_DONE
        for step in plan.every_step:
            if step.id not in chosen:
                continue
            if cancelled():
                ended = Ended.CANCELLED
                break
            total = max(1, len(step.targets))
            on_event(_event(EventKind.STEP_STARTED, step.id, step.title, 0, total))
            for number in range(total):
                on_event(_event(EventKind.TARGET_REMOVED, step.id, "removed [/red] \x1b[31m", number + 1, total))
            self.step_gate.wait(30)
            freed = step.frees.value if isinstance(step.frees, Exact) else 0
            on_event(replace(_event(EventKind.STEP_FINISHED, step.id, step.title, total, total), freed_bytes=freed))
        freed = plan.frees_bytes(chosen)
        return ReclaimOutcome(
            ended, "", (), Exact(freed, HERE), missing(), Exact(freed, HERE), missing(), 98, 51, ("an earlier note",)
        )


def _event(kind: EventKind, step: str, text: str, done: int, total: int) -> Event:
    return Event(NOW, kind, step, None, text, done, total, None)
