"""Plans in words, the same wherever one is shown; what `--reclaim` would do, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from collectors.model import Owner, called
from collectors.model.filesystem import FsSpace
from collectors.model.plan import Harm, HarmTotal, Plan, PlanTarget, Risk, Severity, Step
from collectors.model.reading import Exact, Size, Unavailable
from collectors.model.report import Report
from collectors.model.snapshot import shown_total
from collectors.report import formatting

if TYPE_CHECKING:
    from collectors.reclaim import ReclaimOutcome, StepResult


def plan_lines(report: Report, si: bool) -> list[str]:
    """The whole plan of the filesystem that leads, then those of the others, each under its mount."""
    lines = _plan(report.plan, _space(report), _inodes_are_short(report), si)
    for plan in report.other_plans:
        lines += _other_plan(report.aimed_at(plan), si)
    return lines


def _plan(plan: Plan, space: FsSpace | None, inodes: bool, si: bool) -> list[str]:
    """The steps of each harm below its subtotal, then what is for a person, then what is left out."""
    lines: list[str] = []
    later, numbers = plan.later_bytes(), count(1)
    for total in plan.harms():
        lines.append(f"Harm: {harm_words(total, space, si)}")
        for step in total.steps:
            lines += _step(f"{next(numbers)}.", step, later.get(step.id, 0), si, inodes=inodes)
    lines += person_lines(plan, si, inodes=inodes)
    lines += [f"- Left out: {formatting.quoted(why, 300)}" for why in plan.left_out]
    return lines


def _other_plan(aimed: Report, si: bool) -> list[str]:
    """Of a filesystem that does not lead: one field, and the rest indented, so that no field stands twice.

    () where there is nothing to do on it, nothing to decide, and nothing presses.
    """
    plan, ledger = aimed.plan, aimed.judged_ledger
    presses = any(finding.mount == plan.mount and finding.severity >= Severity.P2 for finding in aimed.findings)
    if ledger is None or not (plan.every_step or presses):
        return []
    steps = formatting.count(len(plan.steps), "step")
    words = [f"{formatting.quoted(ledger.filesystem.mount.mountpoint)}, {_disk(aimed, si)}; {steps}"]
    if plan.steps:
        words.append(f"free {frees_words(plan, plan.ids, si)}, then {_after(aimed, si)}")
    lines = [f"Target: {target_words(plan, si)}"] if plan.target is not None else []
    lines += _plan(plan, _space(aimed), _inodes_are_short(aimed), si)
    return [f"Other plan: {' '.join(words)}", *(f"  {text}" for text in lines)]


def frees_words(plan: Plan, chosen: frozenset[str], si: bool) -> str:
    """`1.2 GiB`, and `, ~300.0 MiB more by estimate` where not all of it was measured."""
    return _with_estimate(plan.frees_bytes(chosen), plan.likely_bytes(chosen), si)


def _with_estimate(sure_bytes: int, likely_bytes: int, si: bool) -> str:
    more = f", ~{formatting.bytes_(likely_bytes, si=si)} more by estimate" if likely_bytes else ""
    return f"{formatting.bytes_(sure_bytes, si=si)}{more}"


def _inodes_are_short(report: Report) -> bool:
    space = _space(report)
    percent = space.inodes_used_percent if space is not None else None
    return percent is not None and percent >= report.settings.thresholds.inodes_p1_percent


def harm_words(total: HarmTotal, space: FsSpace | None, si: bool) -> str:
    """`time (is built or pulled again), 2 steps free 1.2 GiB, then 78% used`, milder ones done before."""
    steps = formatting.count(len(total.steps), "step")
    frees = "frees" if len(total.steps) == 1 else "free"
    then = f", then {formatting.whole_percent(space.used_percent_after(total.so_far_bytes))} used" if space else ""
    cost, size = _COSTS[total.harm], _with_estimate(total.frees_bytes, total.likely_bytes, si)
    return f"{total.harm.word} ({cost}), {steps} {frees} {size}{then}"


_COSTS = {
    Harm.NONE: "comes back by itself",
    Harm.TIME: "is built or pulled again",
    Harm.HISTORY: "logs and dumps are lost",
    Harm.STATE: "may be the only copy",
    Harm.DATA: "data or work is lost",
}


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
    steps, lead = formatting.count(len(plan.steps), "step"), "leads" if len(plan.steps) == 1 else "lead"
    leads = f"{leads} of the inodes" if target.inodes else leads
    if target.short_bytes or target.short_inodes:
        how, leads = _short_words(target, leads, si)
        return f"{wanted}, {how}: {steps} ({worst}) {lead} to {leads}"
    how = "the fewest that do" if target.exact else "found by size, too many to compare every choice"
    return f"{wanted}, reached by {steps} ({worst}) at {leads}; {how}"


def _short_words(target: PlanTarget, leads: str, si: bool) -> tuple[str, str]:
    """By how much a target is missed, and where the steps lead, for certain and by estimate."""
    short = f"{target.short_inodes:,} inodes" if target.inodes else formatting.bytes_(target.short_bytes, si=si)
    if target.likely_percent is None:
        return f"out of reach by {short}", leads
    how = "reached by estimate alone" if target.likely_reached else f"out of reach by {short} for certain"
    return how, f"{formatting.whole_percent(target.likely_percent)} if estimates hold, to {leads} for certain"


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
        ("Not exact", formatting.quoted(formatting.doubt(step.frees, si=si), 200)),
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
    """What keeps a step from being run unasked: ` (young for another 23 h 05 min)`, ` (by hand)`, or nothing."""
    young = f" (young for another {formatting.age(step.young_s)})" if step.young_s else ""
    return young + ("" if step.automatic else " (by hand)")


def leads_to(step: Step, later_bytes: int, si: bool) -> str:
    """What a step is good for where that is more than its own bytes; "" where it is not."""
    own = step.frees.value if isinstance(step.frees, Exact) else 0
    who = "another of these" if step.harm is Harm.DATA else "a later step"
    return f"{who} can free {formatting.bytes_(later_bytes, si=si)} more once this is done" if later_bytes > own else ""


def plan_page(report: Report, until_percent: float | None, *, alone: bool = False, si: bool = False) -> str:
    """The plan with where it leads, and those of the other filesystems unless this one is asked for `alone`."""
    plan = report.plan
    lines = ["## Docker Storage Plan", f"Disk: {_disk(report, si)}"]
    if until_percent is not None:
        lines.append(f"Target: {target_words(plan, si) or f'{until_percent:g}%'}")
    lines.append(f"After: {_after(report, si)}")
    lines += plan_lines(replace(report, other_plans=()) if alone else report, si)
    return "\n".join(lines) + "\n"


def dry_run(report: Report, chosen: Iterable[Step], tier: Risk, *, si: bool = False) -> str:
    """What `--apply` would do at this tier."""
    steps = tuple(chosen)
    ids = frozenset(step.id for step in steps)
    lines = [
        "## Docker Storage Reclaim",
        f"Disk: {_disk(report, si)}",
        "Mode: dry run, nothing was removed (--apply removes)",
        f"Tier: {tier.value}",
        f"Steps: {len(steps)} of {len(report.plan.steps)}",
        f"Frees: {frees_words(report.plan, ids, si)}",
        f"After: {_after(report, si, ids)}",
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
    return "Young (--min-age 0 lifts the age rule)" if step.young_s else "Not before a milder step that is young"


def not_run(report: Report, when_percent: float, tier: Risk, *, si: bool = False) -> str:
    """What `--apply` says where the disk is not as full as it was to be for anything to be done, or nobody knows."""
    mode = f"Mode: not run, {why_not_run(report, when_percent)}"
    return "\n".join(("## Docker Storage Reclaim", f"Disk: {_disk(report, si)}", mode, f"Tier: {tier.value}")) + "\n"


def why_not_run(report: Report, when_percent: float) -> str:
    """For which of the two reasons."""
    return "how full the disk is is not known" if _space(report) is None else f"less than {when_percent:g}% is used"


def applied(planned: Report, outcome: ReclaimOutcome, tier: Risk, *, si: bool = False) -> str:
    """What was done: each step with what was promised, what the engine says, and what the filesystem says."""
    names = _names(planned)
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
        lines += _result(result, names, si)
    lines += [f"- Note: {formatting.quoted(note, 400)}" for note in outcome.notes]
    return "\n".join(lines) + "\n"


def _before_and_after(outcome: ReclaimOutcome) -> str:
    before, after = outcome.used_percent_before, outcome.used_percent_after
    if after is None:
        return "unknown"
    was = "unknown" if before is None else formatting.whole_percent(before)
    return f"{formatting.whole_percent(after)} used (was {was})"


def _names(planned: Report) -> Mapping[Owner, str]:
    """What people call each thing of the ledgers."""
    items = (item for ledger in planned.ledgers for listed in ledger.items.values() for item in listed)
    return {item.owner_id: called(item.owner_id, item.name) for item in items}


def _result(result: StepResult, names: Mapping[Owner, str], si: bool) -> list[str]:
    sizes = f"predicted {formatting.size(result.predicted, si=si)}, measured {formatting.size(result.measured, si=si)}"
    engine = "" if isinstance(result.engine_reported, Unavailable) else formatting.size(result.engine_reported, si=si)
    told = f", engine reported {engine}" if engine else ""
    done = f"{len(result.removed)} of {len(result.targets)} removed in {result.took_s:.1f} s"
    lines = [f"- {formatting.quoted(result.title, 200)}: {done}, {sizes}{told}"]
    for target in result.targets:
        if not target.removed:
            name = formatting.quoted(names.get(target.target) or target.target.text(), 120)
            lines.append(f"  - left alone: {name}: {formatting.quoted(target.reason, 200)}")
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


def _after(report: Report, si: bool, chosen: frozenset[str] | None = None) -> str:
    """Once these steps of the plan are done, else all of them; what is only estimated is told beside it."""
    figures, plan = _space(report), report.plan
    if figures is None:
        return "unknown"
    ids = plan.ids if chosen is None else chosen
    freed = plan.frees_bytes(ids)
    left = max(0, figures.used_bytes - freed)
    likely = figures.used_percent_after(freed + plan.likely_bytes(ids))
    guess = f", ~{formatting.whole_percent(likely)} if estimates hold" if plan.likely_bytes(ids) else ""
    return formatting.disk(figures.used_percent_after(freed), left, None, si=si) + guess


def exact_or_none(size: Size) -> int | None:
    """The bytes of a measured size, for the journal; None for anything less."""
    return size.value if isinstance(size, Exact) else None
