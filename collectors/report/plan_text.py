"""Plans in words: their steps, what would be done, what was done, predicted beside measured.

Steps of a plan in words: the same wherever a plan is shown.

`--plan` and `--reclaim` in words: what would be done, what was done, predicted beside measured.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.model.plan import Plan, Risk, Step
from collectors.model.reading import Exact, Size, Unavailable
from collectors.model.report import Report
from collectors.reclaim.act import ReclaimOutcome, StepResult
from collectors.report import formatting


def step_lines(plan: Plan, steps: tuple[Step, ...], si: bool) -> list[str]:
    """One numbered line for each of these steps of the plan, its command and conditions below it."""
    lines: list[str] = []
    later = plan.later_bytes()
    for number, step in enumerate(steps, 1):
        manual = "" if step.automatic else " (by hand)"
        title, frees = formatting.quoted(step.title, 300), formatting.size(step.frees, si=si)
        lines.append(f"{number}. [{step.risk.value}] {title}, {frees}{manual}")
        details = (
            ("Leads to", leads_to(step, later.get(step.id, 0), si)),
            # Shell-quoted already. A command that is cut short, or that Markdown's escapes stand in, is no command.
            ("Command", formatting.safe(step.command)),
            ("Needs", formatting.quoted(step.needs, None)),
            ("Costs", formatting.quoted(step.costs, None)),
            ("Undo", formatting.safe(step.undo)),
        )
        lines += [f"   - {label}: {text}" for label, text in details if text]
    return lines


def leads_to(step: Step, later_bytes: int, si: bool) -> str:
    """What a step is good for where that is more than its own bytes; "" where it is not."""
    own = step.frees.value if isinstance(step.frees, Exact) else 0
    return f"{formatting.bytes_(later_bytes, si=si)} that only a later step frees" if later_bytes > own else ""


def plan_page(report: Report, until_percent: float | None, *, si: bool = False) -> str:
    """The plan alone, with where it leads."""
    plan = report.plan
    lines = ["## Docker Storage Plan", f"Disk: {_disk(report, si)}"]
    if until_percent is not None:
        lines.append(f"Target: {until_percent:g}%")
    lines.append(f"After: {_after(report, plan.frees_bytes(plan.ids), si)}")
    lines += step_lines(plan, plan.steps, si)
    lines += [f"- Left out: {formatting.quoted(why, 300)}" for why in plan.left_out]
    return "\n".join(lines) + "\n"


def dry_run(report: Report, chosen: Iterable[Step], tier: Risk, *, si: bool = False) -> str:
    """What `--apply` would do at this tier."""
    steps = tuple(chosen)
    freed = report.plan.frees_bytes(frozenset(step.id for step in steps))
    lines = [
        "## Docker Storage Reclaim",
        f"Disk: {_disk(report, si)}",
        "Mode: dry run, nothing was removed (--apply removes)",
        f"Tier: {tier.value}",
        f"Steps: {len(steps)} of {len(report.plan.steps)}",
        f"Frees: {formatting.bytes_(freed, si=si)}",
        f"After: {_after(report, freed, si)}",
    ]
    lines += step_lines(report.plan, steps, si)
    for step in report.plan.steps:
        if step not in steps:
            title, frees = formatting.quoted(step.title, 200), formatting.size(step.frees, si=si)
            lines.append(f"- Not at this tier: [{step.risk.value}] {title}, {frees}")
    lines += [f"- Left out: {formatting.quoted(why, 300)}" for why in report.plan.left_out]
    return "\n".join(lines) + "\n"


def not_run(report: Report, when_percent: float, tier: Risk, *, si: bool = False) -> str:
    """What `--apply` says where the disk is not as full as it was to be for anything to be done, or nobody knows."""
    disk = _disk(report, si)
    why = "how full the disk is is not known" if disk == "unknown" else f"less than {when_percent:g}% is used"
    lines = ["## Docker Storage Reclaim", f"Disk: {disk}", f"Mode: not run, {why}", f"Tier: {tier.value}"]
    return "\n".join(lines) + "\n"


def applied(outcome: ReclaimOutcome, tier: Risk, *, si: bool = False) -> str:
    """What was done: each step with what was promised, what the engine says, and what the filesystem says."""
    lines = [
        "## Docker Storage Reclaim",
        f"Disk: {_before_and_after(outcome)}",
        "Mode: applied",
        f"Tier: {tier.value}",
        f"Ended: {outcome.ended.value}" + (f" ({formatting.quoted(outcome.reason, 300)})" if outcome.reason else ""),
        f"Predicted: {formatting.size(outcome.predicted, si=si)}",
        f"Engine reported: {formatting.size(outcome.engine_reported, si=si)}",
        f"Measured: {formatting.size(outcome.measured, si=si)}",
    ]
    if isinstance(outcome.measured_data, Exact):
        lines.append(f"Measured data: {formatting.size(outcome.measured_data, si=si)}")
    for result in outcome.steps:
        lines += _result(result, si)
    lines += [f"- Note: {formatting.quoted(note, 400)}" for note in outcome.notes]
    return "\n".join(lines) + "\n"


def _before_and_after(outcome: ReclaimOutcome) -> str:
    before, after = outcome.used_percent_before, outcome.used_percent_after
    if after is None:
        return "unknown"
    was = "unknown" if before is None else formatting.whole_percent(before)
    return f"{formatting.whole_percent(after)} used (was {was})"


def _result(result: StepResult, si: bool) -> list[str]:
    removed = len(result.removed)
    sizes = f"predicted {formatting.size(result.predicted, si=si)}, measured {formatting.size(result.measured, si=si)}"
    engine = "" if isinstance(result.engine_reported, Unavailable) else formatting.size(result.engine_reported, si=si)
    told = f", engine reported {engine}" if engine else ""
    done = f"{removed} of {len(result.targets)} removed in {result.took_s:.1f} s"
    lines = [f"- {formatting.quoted(result.title, 200)}: {done}, {sizes}{told}"]
    for target in result.targets:
        if not target.removed:
            name, reason = formatting.quoted(target.target.text(), 120), formatting.quoted(target.reason, 200)
            lines.append(f"  - left alone: {name}: {reason}")
    if result.note:
        lines.append(f"  - {formatting.quoted(result.note, 300)}")
    return lines


def _disk(report: Report, si: bool) -> str:
    space = report.judged_ledger.filesystem.space if report.judged_ledger else None
    if not isinstance(space, Exact):
        return "unknown"
    figures = space.value
    return formatting.disk(figures.used_percent, figures.used_bytes, figures.total_bytes, si=si)


def _after(report: Report, freed_bytes: int, si: bool) -> str:
    space = report.judged_ledger.filesystem.space if report.judged_ledger else None
    if not isinstance(space, Exact):
        return "unknown"
    figures = space.value
    left = max(0, figures.used_bytes - freed_bytes)
    return formatting.disk(figures.used_percent_after(freed_bytes), left, None, si=si)


def exact_or_none(size: Size) -> int | None:
    """The bytes of a measured size, for the journal; None for anything less."""
    return size.value if isinstance(size, Exact) else None
