"""One run: the chosen steps in the plan's order, each target verified, removed, measured; stopped at the target.

A lost answer is never asked again: the state is read once the engine is back. Nothing that the machine does raises.

What an interrupted run left behind is said in words. Only one thing can be half done: an image whose tags were being
taken away one by one. Its lost tags are put back; the new plan then decides about the whole image again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from collectors.model import Owner, OwnerKind
from collectors.model.plan import Plan, Step
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why, total
from collectors.reclaim import Ended, Event, EventKind, ReclaimOutcome, StepResult, predicted
from collectors.reclaim.engine_and_disk import (
    EngineSession,
    NoAnswer,
    SpaceReading,
    flush,
    freed,
    freed_data,
    read_fill,
)
from collectors.reclaim.image_tags import drop_left_behind, is_own, restore_tags
from collectors.reclaim.run_log import RunLog, Unfinished, unfinished, unsettled
from collectors.reclaim.step import Stop, by_hand, run_step
from collectors.reclaim.tools import NoLock, ReclaimBusy, RunContext, Tools, only_one


def earlier_run(state: Path) -> str:
    """The last run in words, if it never ended; "" where nothing was interrupted. Asks no engine."""
    last = unfinished(state)
    return _words(last) if last else ""


def put_right(state: Path, engine: EngineSession, log: RunLog) -> str:
    """The same, with what became of the target that was being removed; restores names that images have lost."""
    try:
        for target, names in unsettled(state).items():
            restored = restore_tags(engine, target.id, (name for name in names if not is_own(name)))
            if drop_left_behind(engine) and not restored.lost:
                log.settled(target)
    except NoAnswer:  # the next run then
        pass
    last = unfinished(state)
    return _put_right(last, engine) if last else ""


def _put_right(last: Unfinished, engine: EngineSession) -> str:
    words = _words(last)
    if last.target is None:
        return words
    try:
        there = _there(last.target, engine)
        if there and last.tags:
            restored = restore_tags(engine, last.target.id, last.tags)
            if restored.back:
                words += f" Its tags {', '.join(restored.back)} are put back."
            if restored.elsewhere:
                words += f" Left at the image that has it by now: {', '.join(restored.elsewhere)}."
    except NoAnswer:
        return f"{words} What became of it is not known, since the engine does not answer."
    if there is None:
        return f"{words} What became of it shows in the new plan."
    return f"{words} It is {'still there' if there else 'gone'}."


def _words(last: Unfinished) -> str:
    done = f"{last.removed_count} {'thing was' if last.removed_count == 1 else 'things were'} removed before that."
    if last.target is None:
        return f"The reclaim that began at {last.began_at} did not end. {done}"
    target = f"{last.target.text()} ({last.step_title})"
    return f"The reclaim that began at {last.began_at} did not end: it was at {target}. {done}"


def _there(target: Owner, engine: EngineSession) -> bool | None:
    name = target.id
    paths = {
        OwnerKind.IMAGE: f"/images/{name}/json",
        OwnerKind.CONTAINER: f"/containers/{name}/json",
        OwnerKind.VOLUME: f"/volumes/{name}",
    }
    if target.kind is OwnerKind.ORPHAN:
        return Path(name).exists()
    if target.kind not in paths:
        return None
    reply = engine.get(paths[target.kind])
    return False if reply.status == 404 else (True if reply.ok else None)


_ENOSPC = "no space left on device"
_REACHED = "used is at or below the target"
_ENDED = {
    Stop.CANCELLED: Ended.CANCELLED,
    Stop.TARGET_REACHED: Ended.TARGET_REACHED,
    Stop.ENGINE_LOST: Ended.ENGINE_LOST,
}


def apply(
    plan: Plan,
    chosen: frozenset[str],
    context: RunContext,
    *,
    on_event: Callable[[Event], None],
    cancelled: Callable[[], bool],
) -> ReclaimOutcome:
    """Run the chosen steps in the plan's order; one run at a time. Never raises for what the machine does.

    Blocks: call it from a thread of its own, where `on_event` is called too; `cancelled` is asked between targets.
    """
    steps = tuple(step for step in plan.every_step if step.id in chosen)
    try:
        with (
            only_one(context.mountpoint, context.state),
            EngineSession(context.endpoint, timeout_s=context.request_timeout_s) as engine,
        ):
            log = RunLog(context.state)
            tools = Tools(context, engine, log, on_event, cancelled)
            earlier = put_right(context.state, engine, log)
            if earlier:
                tools.tell(EventKind.EARLIER_RUN, text=earlier)
            notes = [text for text in (earlier, flush(context.mountpoint)) if text]
            return _run(plan, steps, tools, read_fill(context.mountpoint), notes)
    except ReclaimBusy as busy:
        ended, reason = Ended.BUSY, str(busy)
    except NoLock as refusal:
        ended, reason = Ended.REFUSED, str(refusal)
    here = read_fill(context.mountpoint)
    return _outcome(plan, context, (), ended, reason, here, here, [])


def refused(step: Step, context: RunContext) -> str:
    """Why this step may not run under this context, "" when it may."""
    if step.risk.rank > context.tier.rank:
        return f"it is {step.risk}, and only the {context.tier} tier is open"
    if by_hand(step):
        return "this tool does not do it: a person has to, for example with its command"
    if step.id in context.named:
        return ""
    if not step.automatic:
        return "it never runs by itself: a person has to name it"
    return "it is younger than the keep rules ask for: --min-age 0 lifts that" if step.young_s else ""


def _run(
    plan: Plan, steps: tuple[Step, ...], tools: Tools, before: Reading[SpaceReading], notes: list[str]
) -> ReclaimOutcome:
    if reason := _unfit(before):
        return _outcome(plan, tools.context, (), Ended.REFUSED, reason, before, before, notes)
    notes += [f"{step.title}: not run, {why}." for step in steps if (why := refused(step, tools.context))]
    allowed = tuple(step for step in steps if not refused(step, tools.context))
    tools.log.begin(((step.id, step.title) for step in allowed), tools.context.target_percent)
    tools.tell(EventKind.RUN_STARTED, total=len(allowed))
    results: list[StepResult] = []
    ended, reason, after = _passes(tools, allowed, results, before)
    if any(_ENOSPC in target.reason for result in results for target in result.targets):
        way_out = "" if any(r.removed for r in results) else ": free a few MiB by hand, then run this again"
        notes.append(f"The engine could not write its own records on the full disk{way_out}.")
    tools.log.end(ended.value)
    if tools.log.problem:
        notes.append(f"{tools.log.problem}.")
    outcome = _outcome(plan, tools.context, tuple(results), ended, reason, before, after, notes)
    tools.tell(
        EventKind.RUN_FINISHED,
        text=reason,
        done=len(results),
        total=len(allowed),
        freed=outcome.measured.value if isinstance(outcome.measured, Exact) else None,
    )
    return outcome


def _unfit(space: Reading[SpaceReading]) -> str:
    """Why nothing is removed from such a filesystem; "" where it may be."""
    if isinstance(space, Unavailable):
        return f"the filesystem cannot be measured: {space.detail}"
    read_only = "the filesystem is mounted read-only: find out why first, and remove nothing"
    return read_only if space.value.read_only else ""


def _passes(
    tools: Tools, steps: tuple[Step, ...], results: list[StepResult], before: Reading[SpaceReading]
) -> tuple[Ended, str, Reading[SpaceReading]]:
    """Run these steps, and what failed for lack of space once more."""
    ended, reason, after = _pass(tools, steps, results, before)
    again = _once_more(steps, results) if ended is Ended.ALL_DONE else ()
    # The engine writes records of its own when it removes something; by now there is room for them.
    return _pass(tools, again, results, after) if again else (ended, reason, after)


def _pass(
    tools: Tools, steps: tuple[Step, ...], results: list[StepResult], before: Reading[SpaceReading]
) -> tuple[Ended, str, Reading[SpaceReading]]:
    """Run these steps one after the other, adding to `results`."""
    after = before
    for step in steps:
        if tools.cancelled():
            return Ended.CANCELLED, "stopped on request", after
        if tools.reached():
            return Ended.TARGET_REACHED, _REACHED, after
        done = run_step(tools, step, after)
        results.append(done.result)
        after = done.after
        if done.stop is not None:
            return _ENDED[done.stop], done.reason or done.result.note, after
    if tools.context.target_percent is not None and tools.reached():
        return Ended.TARGET_REACHED, _REACHED, after
    return Ended.ALL_DONE, "", after


def _once_more(steps: tuple[Step, ...], results: list[StepResult]) -> tuple[Step, ...]:
    """The steps with what failed for lack of space, if anything has come free since."""
    if not any(result.removed for result in results):
        return ()
    short = {t.target for result in results for t in result.targets if not t.removed and _ENOSPC in t.reason}
    return tuple(
        replace(step, targets=tuple(target for target in step.targets if target in short))
        for step in steps
        if short.intersection(step.targets)
    )


def _outcome(
    plan: Plan,
    context: RunContext,
    results: tuple[StepResult, ...],
    ended: Ended,
    reason: str,
    before: Reading[SpaceReading],
    after: Reading[SpaceReading],
    notes: list[str],
) -> ReclaimOutcome:
    origin = Origin("apply", "run", datetime.now(UTC), 0.0)
    told = [r.engine_reported for r in results if isinstance(r.engine_reported, Exact)]
    silent = Unavailable(Why.NOT_REPORTED, "the engine named no figure for any of this", origin)
    return ReclaimOutcome(
        ended=ended,
        reason=reason,
        steps=results,
        predicted=predicted(plan, results, origin, context.releases),
        engine_reported=total(told, origin) if told else silent,
        measured=freed(before, after),
        measured_data=freed_data(before, after),
        used_percent_before=before.value.used_percent if isinstance(before, Exact) else None,
        used_percent_after=after.value.used_percent if isinstance(after, Exact) else None,
        notes=tuple(notes),
    )
