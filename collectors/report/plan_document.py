"""Plans in the JSON document: that of the filesystem which leads at the top, those of the others beside their ledgers.

A step's `frees_bytes` is the best that is known of it, with bounds where it was not measured. Every sum (a harm's
subtotal, what a target is short of) counts an estimate by its `frees_low_bytes`.
"""

from __future__ import annotations

from collectors.model.finding import Finding
from collectors.model.ledger import Ledger
from collectors.model.plan import HarmTotal, Plan, PlanTarget, Step
from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable, ceiling, charged_or_none, floor, reason
from collectors.model.report import Report

Json = dict[str, object]


def plan_fields(report: Report) -> Json:
    """The fields of the plan that leads; `plan_mount` says for which filesystem it is."""
    plan, ledger = report.plan, report.judged_ledger
    return {
        "plan": [_step(step) for step in plan.steps],
        "plan_harms": [_harm_total(total, ledger) for total in plan.harms()],
        "plan_target": _target(plan.target) if plan.target else None,
        "plan_for_person": [_step(step) for step in plan.for_person],
        "plan_left_out": list(plan.left_out),
        "plan_mount": ledger.filesystem.mount.mountpoint if ledger else None,
    }


def other_plan(report: Report, mount: str) -> Json | None:
    """The plan of a filesystem that does not lead, "" the Docker root's; None where it leads or has none."""
    plan = next((one for one in report.other_plans if one.mount == mount), None)
    return None if plan is None else _whole(plan, report.ledger_at(mount))


def no_step(finding: Finding, report: Report) -> str:
    """Why no step of its filesystem's plan is about it; "" where one is."""
    plan = report.plan_at(finding.mount) or report.plan
    return plan.answers.get(finding.id, "")


def _whole(plan: Plan, ledger: Ledger | None) -> Json:
    return {
        "steps": [_step(step) for step in plan.steps],
        "harms": [_harm_total(total, ledger) for total in plan.harms()],
        "target": _target(plan.target) if plan.target else None,
        "for_person": [_step(step) for step in plan.for_person],
        "left_out": list(plan.left_out),
    }


def _step(step: Step) -> Json:
    return {
        "id": step.id,
        "answers": list(step.answers),
        "action": step.action,
        "title": step.title,
        "command": step.command,
        "frees_bytes": charged_or_none(step.frees),
        "frees_low_bytes": None if isinstance(step.frees, Unavailable) else floor(step.frees),
        "frees_high_bytes": ceiling(step.frees),
        "frees_inodes": step.frees_inodes,
        "risk": step.risk.value,
        "harm": step.harm.word,
        "needs": step.needs,
        "costs": step.costs,
        "undo": step.undo,
        "automatic": step.automatic,
        "young_s": round(step.young_s),
        "reason": gaps(step.frees) or ("" if step.frees_inodes is not None else "its inodes are not counted"),
    }


def _harm_total(total: HarmTotal, ledger: Ledger | None) -> Json:
    space = ledger.filesystem.space if ledger else None
    after = space.value.used_percent_after(total.so_far_bytes) if isinstance(space, Exact) else None
    return {
        "harm": total.harm.word,
        "steps": len(total.steps),
        "frees_bytes": total.frees_bytes,
        "estimated_bytes": total.likely_bytes,
        "used_percent_after": after,
        "reason": "" if after is not None else "how full the filesystem is was not read",
    }


def _target(target: PlanTarget) -> Json:
    return {
        "percent": target.percent,
        "to_free_bytes": target.to_free_bytes,
        "leads_to_percent": target.leads_to_percent,
        "likely_percent": target.likely_percent,
        "short_bytes": target.short_bytes,
        "inodes": target.inodes,
        "to_free_inodes": target.to_free_inodes,
        "short_inodes": target.short_inodes,
        "exact": target.exact,
    }


def gaps(*sizes: Size) -> str:
    """Why these are not exact, each reason once; "" where all are."""
    told: dict[str, None] = {}
    for size in sizes:
        match size:
            case Unavailable():
                told[reason(size)] = None
            case AtLeast(missing=missing):
                told.update((f"at least: {reason(part)}", None) for part in missing)
            case Between(method=method):
                told[f"estimate: {method}"] = None
            case Exact():
                pass
    return "; ".join(list(told)[:4])
