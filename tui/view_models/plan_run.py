"""A plan as rows, one that runs, and what it would do without running it. Pure.

Three figures stay apart: what the plan promised, what the engine says, what the filesystem shows. Refuses to call a
step done before its event says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from collectors.model.filesystem import FsSpace
from collectors.model.plan import Harm, Plan, Step
from collectors.model.reading import Size, charged
from collectors.report.formatting import bytes_, count, safe, size, whole_percent
from tui.drawing import Line, Span

if TYPE_CHECKING:
    from collectors.reclaim import Event, ReclaimOutcome


@dataclass(frozen=True, slots=True)
class AfterPlan:
    """What the chosen steps of the plan leave. `freed_bytes` is a promise until it is measured."""

    step_count: int
    freed_bytes: int
    used_bytes: int
    used_percent: int
    height: float  # of its bar, see height_of
    likely_bytes: int  # what the best guesses of estimates add to what is freed for certain
    likely_percent: int | None  # used if these hold; None: nothing chosen is an estimate


@dataclass(frozen=True, slots=True)
class HarmRow:
    """The head of all steps that cost this much at worst; each figure in bytes, milder steps done before.

    Estimates count by the least that they may be; `likely` is what their best guesses add.
    """

    harm: Harm
    steps: tuple[Step, ...]
    frees_bytes: int
    so_far_bytes: int  # by these and the milder ones together
    likely_bytes: int
    likely_so_far_bytes: int

    @property
    def id(self) -> str:
        """Unlike that of any step."""
        return f"harm {self.harm.word}"

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(step.id for step in self.steps)


def plan_rows(plan: Plan, filter_text: str = "") -> tuple[HarmRow | Step, ...]:
    """Least harm first, each harm under its head; in it the largest first, whatever order they are carried out in.

    With a filter the heads of those steps that match it.
    """
    wanted, later = filter_text.casefold(), plan.later_bytes()
    groups = [
        HarmRow(one.harm, one.steps, one.frees_bytes, one.so_far_bytes, one.likely_bytes, one.likely_so_far_bytes)
        for one in plan.harms()
    ]
    if plan.for_person:
        groups.append(_for_person(plan))
    rows: list[HarmRow | Step] = []
    for group in groups:
        mine = [step for step in group.steps if wanted in f"{step.title} {step.command}".casefold()]
        mine.sort(key=lambda step: -(charged(step.frees) or later.get(step.id, 0)))
        rows += [group, *mine] if mine else []
    return tuple(rows)


def _for_person(plan: Plan) -> HarmRow:
    """Everything that only a person may let go, after all the steps."""
    every, mine = frozenset(step.id for step in plan.every_step), plan.for_person
    whole, likely = plan.frees_bytes(every), plan.likely_bytes(every)
    before, guessed = plan.frees_bytes(plan.ids), plan.likely_bytes(plan.ids)
    return HarmRow(Harm.DATA, mine, whole - before, whole, likely - guessed, likely)


class StepState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    LEFT = "left"  # reached, and nothing of it was removed


@dataclass(frozen=True, slots=True)
class StepRun:
    """`measured_bytes` None: not measured yet. `removed`, `skipped`, `failed` count targets."""

    state: StepState
    done: int
    total: int
    removed: int
    skipped: int
    failed: int
    measured_bytes: int | None


_FRESH = StepRun(StepState.RUNNING, 0, 0, 0, 0, 0, None)


@dataclass(frozen=True, slots=True)
class PlanRun:
    """One application of a plan. `events` oldest first; `outcome` None: it runs, or `broke` says why there is none."""

    steps: Mapping[str, StepRun] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    waiting: str = ""
    outcome: ReclaimOutcome | None = None
    broke: str = ""

    @property
    def ended(self) -> bool:
        return self.outcome is not None or bool(self.broke)

    def with_event(self, event: Event) -> PlanRun:
        """The run once `event` has happened."""
        steps = dict(self.steps)
        if event.step:
            steps[event.step] = _step(steps.get(event.step, _FRESH), event)
        waiting = safe(event.text) if event.kind.value == "waiting" else ""
        return replace(self, steps=steps, events=(*self.events, event), waiting=waiting)

    def lines(self, *, si: bool) -> Iterator[Line]:
        """The log, oldest first."""
        yield from (_line(event, si=si) for event in self.events)
        if self.outcome is not None:
            yield from outcome_lines(self.outcome, si=si)
        if self.broke:
            yield (Span(f" ✖ {self.broke}", "bad", 1, shrinks=True),)

    @property
    def finished(self) -> frozenset[str]:
        return frozenset(key for key, step in self.steps.items() if step.state is not StepState.RUNNING)


def _step(step: StepRun, event: Event) -> StepRun:
    measured = event.freed_bytes if event.freed_bytes is not None else step.measured_bytes
    step = replace(step, done=event.done, total=event.total, measured_bytes=measured)
    match event.kind.value:
        case "target removed":
            return replace(step, removed=step.removed + 1)
        case "target skipped":
            return replace(step, skipped=step.skipped + 1)
        case "target failed":
            return replace(step, failed=step.failed + 1)
        case "step finished":
            nothing = step.removed == 0 and step.skipped + step.failed > 0
            return replace(step, state=StepState.LEFT if nothing else StepState.DONE)
        case _:
            return step


_ROLES = {
    "target removed": ("✔", "good"), "target skipped": ("○", "warn"), "target failed": ("✖", "bad"),
    "step started": ("▶", "accent"), "step finished": ("■", "strong"), "run started": ("▶", "strong"),
    "run finished": ("■", "strong"), "waiting": ("…", "muted"), "earlier run": ("!", "warn"),
}  # fmt: skip


def _line(event: Event, *, si: bool) -> Line:
    glyph, role = _ROLES.get(event.kind.value, ("·", "text"))
    count = f" {event.done}/{event.total}" if event.total else ""
    what = safe(event.text or (event.target.text() if event.target else ""))
    spans = [
        Span(f" {event.at:%H:%M:%S} ", "muted"),
        Span(f"{glyph} ", role),
        Span(f"{event.kind.value}{count} ", "muted", 2),
    ]
    if what != event.kind.value:
        spans.append(Span(what, "text", 1, shrinks=True))
    if event.freed_bytes is not None:
        spans.append(Span(f"  {bytes_(event.freed_bytes, si=si)} measured", "goodstrong"))
    return tuple(spans)


def outcome_lines(outcome: ReclaimOutcome, *, si: bool) -> tuple[Line, ...]:
    """How it ended: predicted, engine-reported and measured side by side, and every note."""

    def figure(label: str, value: Size, role: str) -> tuple[Span, Span]:
        return Span(f"   {label}  ", "muted"), Span(
            size(value, si=si), role, 0 if role == "goodstrong" else 1, shrinks=True
        )

    words = outcome.ended.value + (f": {safe(outcome.reason)}" if outcome.reason else "")
    lines: list[Line] = [(Span(" "), Span(words, "strong", 1, shrinks=True))]
    lines.append(figure("measured   ", outcome.measured, "goodstrong"))
    lines.append(figure("promised   ", outcome.predicted, "text"))
    lines.append(figure("engine says", outcome.engine_reported, "text"))
    for step in outcome.steps:
        left = Counter(target.reason for target in step.targets if not target.removed)
        for reason, number in left.items():
            lines.append((Span(f" ○ {number} left alone: ", "warn"), Span(safe(reason), "text", 1, shrinks=True)))
    for note in outcome.notes:
        lines.append((Span(" "), Span(safe(note), "muted", 1, shrinks=True)))
    return tuple(lines)


def dry_run(plan: Plan, chosen: frozenset[str], space: FsSpace, *, si: bool) -> tuple[Line, ...]:
    """Two lines a step: what comes free by then, and the command. Sets, not sums: shared bytes count once."""
    lines: list[Line] = []
    done: frozenset[str] = frozenset()
    for number, step in enumerate((step for step in plan.every_step if step.id in chosen), 1):
        before = plan.frees_bytes(done)
        done |= {step.id}
        freed = plan.frees_bytes(done)
        lines.append(
            (
                Span(f" {number} ", "muted"),
                Span("frees ", "muted"),
                Span(bytes_(freed - before, si=si), "goodstrong"),
                Span(f" → {whole_percent(space.used_percent_after(freed))} used", "text"),
                Span(f"  {safe(step.title)}", "text", 1, shrinks=True),
            )
        )
        lines.append((Span("   $ ", "muted"), Span(safe(step.command), "muted", 1, shrinks=True)))
        if step.targets:
            each = f"   {count(len(step.targets), 'item')}, each checked again just before it is removed"
            lines.append((Span(each, "muted", 1, shrinks=True),))
    if not lines:
        return ((Span(" No step is chosen: Space includes one.", "muted"),),)
    promised = bytes_(plan.frees_bytes(done), si=si)
    lines.append(
        (
            Span(f" {count(len(done), 'step')}: ", "muted"),
            Span(promised, "goodstrong"),
            Span(" promised. Nothing has run.", "muted", 1),
        )
    )
    return tuple(lines)
