"""Plans in the JSON document, and what came of one as a document of its own.

The plan of the filesystem which leads stands at the top, those of the others beside their ledgers.

A step's `frees_bytes` is the best that is known of it, with bounds where it was not measured. Every sum (a harm's
subtotal, what a target is short of) counts an estimate by its `frees_low_bytes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from collectors.model import dataclass
from collectors.model.ledger import Ledger
from collectors.model.plan import Finding, HarmTotal, Plan, PlanTarget, Risk, Step
from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable, ceiling, charged_or_none, floor, reason
from collectors.model.report import Report
from collectors.report import formatting

if TYPE_CHECKING:
    from collectors.reclaim import ReclaimOutcome, StepResult

SCHEMA = 1
Json = dict[str, object]
_FIGURES = ("predicted", "engine_reported", "measured", "measured_data")
_NOTHING_RAN = "nothing has run"


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


@dataclass(frozen=True, slots=True)
class Told:
    """What a call of `--reclaim` came to. `outcome` None: nothing was begun, `reason` says why, "" for a dry run."""

    report: Report  # of before
    tier: Risk
    exit_status: int
    chosen: tuple[Step, ...]
    outcome: ReclaimOutcome | None = None
    reason: str = ""
    asked_host: str | None = None  # the engine as it was named


def reclaim_document(told: Told) -> Json:
    """One line, for `--reclaim --format json`: of a dry run, a run that was not begun, and one that was.

    A figure of which only a floor is known stands as that floor, with the reason beside it.
    """
    report, outcome = told.report, told.outcome
    target = report.plan.target
    return {
        "schema": SCHEMA,
        "tool_version": report.tool_version,
        "host": report.host,
        "asked_host": told.asked_host,
        "taken_at": formatting.moment(report.taken_at),
        "mode": "applied" if outcome else "not run" if told.reason else "dry run",
        "tier": told.tier.value,
        "target_percent": target.percent if target else None,
        "exit_status": told.exit_status,
        **_ending(outcome),
        **_figures(outcome, told.reason or _NOTHING_RAN),
        **({} if outcome or told.reason else {"predicted_bytes": _of_chosen(told)}),
        "steps": [_done(r) for r in outcome.steps] if outcome else [_promised(step) for step in told.chosen],
        "notes": list(outcome.notes) if outcome else [],
    }


def _ending(outcome: ReclaimOutcome | None) -> Json:
    if outcome is None:
        return dict.fromkeys(("ended", "used_percent_before", "used_percent_after"))
    return {
        "ended": outcome.ended.value,
        "used_percent_before": outcome.used_percent_before,
        "used_percent_after": outcome.used_percent_after,
    }


def _of_chosen(told: Told) -> int:
    return told.report.plan.frees_bytes(frozenset(step.id for step in told.chosen))


def _figures(of: ReclaimOutcome | None, why_not: str) -> Json:
    if of is None:
        return {**{f"{name}_bytes": None for name in _FIGURES}, "reason": why_not}
    sizes = (of.predicted, of.engine_reported, of.measured, of.measured_data)
    return {**_bytes(sizes), "reason": "; ".join(filter(None, (of.reason, gaps(*sizes))))}


def _bytes(sizes: Iterable[Size]) -> Json:
    return {f"{name}_bytes": charged_or_none(size) for name, size in zip(_FIGURES, sizes, strict=True)}


def _done(result: StepResult) -> Json:
    sizes = (result.predicted, result.engine_reported, result.measured, result.measured_data)
    return {
        "id": result.step,
        "action": result.action,
        "title": result.title,
        **_bytes(sizes),
        "reason": gaps(*sizes),
        "took_s": round(result.took_s, 3),
        "worked": result.worked,
        "note": result.note,
        "targets": [{"id": t.target.text(), "removed": t.removed, "reason": t.reason} for t in result.targets],
    }


def _promised(step: Step) -> Json:
    return {
        "id": step.id,
        "action": step.action,
        "title": step.title,
        **_figures(None, "; ".join(filter(None, (gaps(step.frees), _NOTHING_RAN)))),
        "predicted_bytes": charged_or_none(step.frees),
        "took_s": None,
        "worked": None,
        "note": "",
        "targets": [{"id": owner.text(), "removed": False, "reason": _NOTHING_RAN} for owner in step.targets],
    }


def reclaim_schema() -> Json:
    """The JSON Schema of `reclaim_document`, as a part of the report's."""
    from collectors.reclaim import Ended

    text: Json = {"type": "string"}
    figures: Json = {f"{name}_bytes": {"type": ["integer", "null"]} for name in _FIGURES}
    percent: Json = {"type": ["number", "null"]}
    target = _object({"id": text, "removed": {"type": "boolean"}, "reason": text})
    told = {"took_s": percent, "worked": {"type": ["boolean", "null"]}, "note": text}
    step = {"id": text, "action": text, "title": text, **figures, "reason": text, **told}
    return _object(
        {
            "schema": {"const": SCHEMA},
            "tool_version": text,
            "host": text,
            "asked_host": {"type": ["string", "null"]},
            "taken_at": text,
            "mode": {"enum": ["applied", "not run", "dry run"]},
            "tier": {"enum": [risk.value for risk in Risk]},
            "target_percent": percent,
            "exit_status": {"enum": [0, 1, 2, 3]},
            "ended": {"enum": [*(ended.value for ended in Ended), None]},
            "used_percent_before": percent,
            "used_percent_after": percent,
            **figures,
            "reason": text,
            "steps": {"type": "array", "items": _object({**step, "targets": {"type": "array", "items": target}})},
            "notes": {"type": "array", "items": text},
        }
    )


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
