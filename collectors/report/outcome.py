"""What came of a reclaim, as text and as a JSON document: predicted beside measured; what was left alone, and why.

The document is one line. `--reclaim --format json` prints it for a dry run, a run that was not begun, and one that was.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.model.plan import Risk, Step
from collectors.model.reading import Exact, Size, Unavailable, charged_or_none
from collectors.model.records import dataclass
from collectors.model.report import Report
from collectors.reclaim.act import Ended, ReclaimOutcome, StepResult
from collectors.report import formatting
from collectors.report.document import SCHEMA, Json
from collectors.report.plan_document import gaps

_FIGURES = ("predicted", "engine_reported", "measured", "measured_data")
_NOTHING_RAN = "nothing has run"


@dataclass(frozen=True, slots=True)
class Told:
    """What a call of `--reclaim` came to. `outcome` None: nothing was begun, `reason` says why, "" for a dry run."""

    report: Report  # of before
    tier: Risk
    exit_status: int
    chosen: tuple[Step, ...]
    outcome: ReclaimOutcome | None = None
    reason: str = ""


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


def encode(told: Told) -> Json:
    """The document. A figure of which only a floor is known stands as that floor, with the reason beside it."""
    report, outcome = told.report, told.outcome
    target = report.plan.target
    return {
        "schema": SCHEMA,
        "tool_version": report.tool_version,
        "host": report.host,
        "taken_at": formatting.moment(report.taken_at),
        "mode": "applied" if outcome else "not run" if told.reason else "dry run",
        "tier": told.tier.value,
        "target_percent": target.percent if target else None,
        "exit_status": told.exit_status,
        "ended": outcome.ended.value if outcome else None,
        "used_percent_before": outcome.used_percent_before if outcome else None,
        "used_percent_after": outcome.used_percent_after if outcome else None,
        **_figures(outcome, told.reason or _NOTHING_RAN),
        "steps": [_done(r) for r in outcome.steps] if outcome else [_promised(step) for step in told.chosen],
        "notes": list(outcome.notes) if outcome else [],
    }


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


def schema() -> Json:
    """The JSON Schema of the document, as a part of the report's."""
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
