"""Plans in words: their steps, what would be done, what was done, predicted beside measured.

Steps of a plan in words: the same wherever a plan is shown.

`--plan` and `--reclaim` in words: what would be done, what was done, predicted beside measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING

from collectors.model.filesystem import FsSpace
from collectors.model.plan import Harm, HarmTotal, Plan, Risk, Step
from collectors.model.reading import Exact, Size, Unavailable
from collectors.model.report import Report
from collectors.model.snapshot import shown_total
from collectors.report import formatting

if TYPE_CHECKING:
    from collectors.reclaim.act import ReclaimOutcome, StepResult


def plan_lines(report: Report, si: bool) -> list[str]:
    """The whole plan: the steps of each harm below its subtotal, then what is for a person, then what is left out."""
    plan, space, short = report.plan, _space(report), _inodes_are_short(report)
    lines: list[str] = []
    later, numbers = plan.later_bytes(), count(1)
    for total in plan.harms():
        lines.append(f"Harm: {harm_words(total, space, si)}")
        for step in total.steps:
            lines += _step(f"{next(numbers)}.", step, later.get(step.id, 0), si, inodes=short)
    lines += person_lines(plan, si, inodes=short)
    lines += [f"- Left out: {formatting.quoted(why, 300)}" for why in plan.left_out]
    return lines


def _inodes_are_short(report: Report) -> bool:
    space = _space(report)
    percent = space.inodes_used_percent if space is not None else None
    return percent is not None and percent >= report.settings.thresholds.inodes_p1_percent


def harm_words(total: HarmTotal, space: FsSpace | None, si: bool) -> str:
    """`time, 2 steps free 1.2 GiB, then 78% used`: what the steps of one harm come to, milder ones done before."""
    steps = formatting.count(len(total.steps), "step")
    frees = "frees" if len(total.steps) == 1 else "free"
    then = f", then {formatting.whole_percent(space.used_percent_after(total.so_far_bytes))} used" if space else ""
    return f"{total.harm.word}, {steps} {frees} {formatting.bytes_(total.frees_bytes, si=si)}{then}"


def person_lines(plan: Plan, si: bool, *, inodes: bool = False) -> list[str]:
    """What destroys data or work: never numbered, each with what it alone would free after all the steps."""
    later = plan.later_bytes()
    head = [f"For a person: {formatting.count(len(plan.for_person), 'choice')}, each destroys data or work"]
    rows = [_step("- For a person:", step, later.get(step.id, 0), si, inodes=inodes) for step in plan.for_person]
    return [*head, *(line for lines in rows for line in lines)] if rows else []


def target_words(plan: Plan, si: bool) -> str:
    """`80%, reached by these 3 steps (harm: time) at 79%`, or by how much it is not; "" where there is no target."""
    target = plan.target
    if target is None:
        return ""
    wanted, leads = f"{target.percent:g}%", formatting.whole_percent(target.leads_to_percent)
    if not (target.to_free_bytes or target.to_free_inodes):
        return f"{wanted}, reached already"
    worst = f"harm: {max(step.harm for step in plan.steps).word}" if plan.steps else "no step helps"
    steps = formatting.count(len(plan.steps), "step")
    leads = f"{leads} of the inodes" if target.inodes else leads
    if target.short_bytes or target.short_inodes:
        short = f"{target.short_inodes:,} inodes" if target.inodes else formatting.bytes_(target.short_bytes, si=si)
        return f"{wanted}, out of reach by {short}: {steps} ({worst}) lead to {leads}"
    how = "the fewest that do" if target.exact else "found by size, too many to compare every choice"
    return f"{wanted}, reached by {steps} ({worst}) at {leads}; {how}"


def step_lines(plan: Plan, steps: tuple[Step, ...], si: bool) -> list[str]:
    """One numbered line for each of these steps of the plan, its command and conditions below it."""
    later = plan.later_bytes()
    return [
        line for number, step in enumerate(steps, 1) for line in _step(f"{number}.", step, later.get(step.id, 0), si)
    ]


def _step(mark: str, step: Step, later_bytes: int, si: bool, *, inodes: bool = False) -> list[str]:
    """`inodes`: are they short, so that it matters how many come free?"""
    title, frees = formatting.quoted(step.title, 300), formatting.size(step.frees, si=si)
    lines = [f"{mark} [{step.risk.value}] {title}, {frees}{waits_for(step)}"]
    details = (
        ("Frees inodes", f"{step.frees_inodes:,}" if inodes and step.frees_inodes else ""),
        ("Leads to", leads_to(step, later_bytes, si)),
        ("Answers", ", ".join(map(formatting.quoted, step.answers))),
        # Shell-quoted already. A command that is cut short, or that Markdown's escapes stand in, is no command.
        ("Command", formatting.safe(step.command)),
        ("Needs", formatting.quoted(step.needs, None)),
        ("Costs", formatting.quoted(step.costs, None)),
        ("Undo", formatting.safe(step.undo)),
    )
    return lines + [f"   - {label}: {text}" for label, text in details if text]


def waits_for(step: Step) -> str:
    """What keeps a step from being run unasked: ` (young: 23 h 05 min still)`, ` (by hand)`, or nothing."""
    young = f" (young: {formatting.age(step.young_s)} still)" if step.young_s else ""
    return young + ("" if step.automatic else " (by hand)")


def leads_to(step: Step, later_bytes: int, si: bool) -> str:
    """What a step is good for where that is more than its own bytes; "" where it is not."""
    own = step.frees.value if isinstance(step.frees, Exact) else 0
    who = "another of these" if step.harm is Harm.DATA else "a later step"
    return f"{formatting.bytes_(later_bytes, si=si)} that only {who} frees" if later_bytes > own else ""


def plan_page(report: Report, until_percent: float | None, *, si: bool = False) -> str:
    """The plan alone, with where it leads."""
    plan = report.plan
    lines = ["## Docker Storage Plan", f"Disk: {_disk(report, si)}"]
    if until_percent is not None:
        lines.append(f"Target: {target_words(plan, si) or f'{until_percent:g}%'}")
    lines.append(f"After: {_after(report, plan.frees_bytes(plan.ids), si)}")
    lines += plan_lines(report, si)
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
            lines.append(f"- {_why_not(step, tier)}: [{step.risk.value}] {title}, {frees}{waits_for(step)}")
    lines += person_lines(report.plan, si)
    lines += [f"- Left out: {formatting.quoted(why, 300)}" for why in report.plan.left_out]
    return "\n".join(lines) + "\n"


def _why_not(step: Step, tier: Risk) -> str:
    """Why a step of the plan is not among those that would run by themselves."""
    if step.risk.rank > tier.rank or not step.automatic:
        return "Not at this tier"
    return "Young (--min-age 0 lifts the age rule)" if step.young_s else "Not before what is milder and young"


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


def _space(report: Report) -> FsSpace | None:
    space = report.judged_ledger.filesystem.space if report.judged_ledger else None
    return space.value if isinstance(space, Exact) else None


def _disk(report: Report, si: bool) -> str:
    figures = _space(report)
    if figures is None:
        return "unknown"
    facts = report.filesystem_facts if report.judged_ledger is report.ledger else None
    return formatting.disk(figures.used_percent, figures.used_bytes, shown_total(figures, facts), si=si)


def _after(report: Report, freed_bytes: int, si: bool) -> str:
    figures = _space(report)
    if figures is None:
        return "unknown"
    left = max(0, figures.used_bytes - freed_bytes)
    return formatting.disk(figures.used_percent_after(freed_bytes), left, None, si=si)


def exact_or_none(size: Size) -> int | None:
    """The bytes of a measured size, for the journal; None for anything less."""
    return size.value if isinstance(size, Exact) else None
