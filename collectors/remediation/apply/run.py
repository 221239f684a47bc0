"""One run: the chosen steps in the plan's order, each target verified, removed, measured; stopped at the target.

A lost answer is never asked again: the state is read once the engine is back. Nothing that the machine does raises.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from collectors.model.plan import Plan, Risk, Step
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.model.sums import total
from collectors.remediation.apply.context import Context
from collectors.remediation.apply.history import put_right
from collectors.remediation.apply.lock import Busy, NoLock, only_one
from collectors.remediation.apply.measure import Room, freed, freed_data, room
from collectors.remediation.apply.one_step import Stop, run_step
from collectors.remediation.apply.outcome import Ended, Event, EventKind, Outcome, StepResult
from collectors.remediation.apply.predicted import predicted
from collectors.remediation.apply.run_log import RunLog
from collectors.remediation.apply.tools import Tools
from collectors.remediation.apply.wire import Wire

_RISKS = (Risk.SAFE, Risk.CAREFUL, Risk.DESTRUCTIVE)
_ENDED = {
    Stop.CANCELLED: Ended.CANCELLED,
    Stop.TARGET_REACHED: Ended.TARGET_REACHED,
    Stop.ENGINE_LOST: Ended.ENGINE_LOST,
}


def apply(
    plan: Plan,
    chosen: frozenset[str],
    context: Context,
    *,
    on_event: Callable[[Event], None],
    cancelled: Callable[[], bool],
) -> Outcome:
    """Run the chosen steps in the plan's order; one run at a time. Never raises for what the machine does.

    Blocks: call it from a thread of its own, where `on_event` is called too; `cancelled` is asked between targets.
    """
    before = room(context.mountpoint)
    steps = tuple(step for step in plan.steps if step.id in chosen)
    try:
        with (
            only_one(context.mountpoint, context.state),
            Wire(context.endpoint, timeout_s=context.request_timeout_s) as wire,
        ):
            log = RunLog(context.state)
            tools = Tools(context, wire, log, on_event, cancelled)
            earlier = put_right(context.state, wire)
            if earlier:
                tools.tell(EventKind.EARLIER_RUN, text=earlier)
            notes = [earlier] if earlier else []
            return _run(plan, steps, tools, before, notes)
    except Busy as busy:
        return _outcome(plan, (), Ended.BUSY, str(busy), before, before, [])
    except NoLock as refusal:
        return _outcome(plan, (), Ended.REFUSED, str(refusal), before, before, [])


def refused(step: Step, context: Context) -> str:
    """Why this step may not run under this context, "" when it may."""
    if _RISKS.index(step.risk) > _RISKS.index(context.tier):
        return f"it is {step.risk}, and only the {context.tier} tier is open"
    if not step.automatic and step.id not in context.named:
        return "it never runs by itself: a person has to name it"
    return ""


def _run(plan: Plan, steps: tuple[Step, ...], tools: Tools, before: Reading[Room], notes: list[str]) -> Outcome:
    if isinstance(before, Unavailable):
        reason = f"the filesystem cannot be measured: {before.detail}"
        return _outcome(plan, (), Ended.REFUSED, reason, before, before, notes)
    if before.value.read_only:
        reason = "the filesystem is mounted read-only: find out why first, and remove nothing"
        return _outcome(plan, (), Ended.REFUSED, reason, before, before, notes)
    notes += [f"{step.title}: not run, {why}." for step in steps if (why := refused(step, tools.context))]
    allowed = tuple(step for step in steps if not refused(step, tools.context))
    tools.log.begin(((step.id, step.title) for step in allowed), tools.context.target_percent)
    tools.tell(EventKind.RUN_STARTED, total=len(allowed))
    results: list[StepResult] = []
    ended, reason = Ended.ALL_DONE, ""
    after: Reading[Room] = before
    for step in allowed:
        if tools.cancelled():
            ended, reason = Ended.CANCELLED, "stopped on request"
            break
        if tools.reached():
            ended, reason = Ended.TARGET_REACHED, "used is at or below the target"
            break
        done = run_step(tools, step, after)
        results.append(done.result)
        after = done.after
        if done.stop is not None:
            ended, reason = _ENDED[done.stop], done.reason or done.result.note
            break
    if ended is Ended.ALL_DONE and tools.context.target_percent is not None and tools.reached():
        ended, reason = Ended.TARGET_REACHED, "used is at or below the target"
    tools.log.end(ended.value)
    if tools.log.problem:
        notes.append(f"{tools.log.problem}.")
    outcome = _outcome(plan, tuple(results), ended, reason, before, after, notes)
    tools.tell(
        EventKind.RUN_FINISHED,
        text=reason,
        done=len(results),
        total=len(allowed),
        freed=outcome.measured.value if isinstance(outcome.measured, Exact) else None,
    )
    return outcome


def _outcome(
    plan: Plan,
    results: tuple[StepResult, ...],
    ended: Ended,
    reason: str,
    before: Reading[Room],
    after: Reading[Room],
    notes: list[str],
) -> Outcome:
    origin = Origin("apply", "run", datetime.now(UTC), 0.0)
    told = [r.engine_reported for r in results if isinstance(r.engine_reported, Exact)]
    silent = Unavailable(Why.NOT_REPORTED, "the engine named no figure for any of this", origin)
    return Outcome(
        ended=ended,
        reason=reason,
        steps=results,
        predicted=predicted(plan, results, origin),
        engine_reported=total(told, origin) if told else silent,
        measured=freed(before, after),
        measured_data=freed_data(before, after),
        used_percent_before=before.value.used_percent if isinstance(before, Exact) else None,
        used_percent_after=after.value.used_percent if isinstance(after, Exact) else None,
        notes=tuple(notes),
    )
