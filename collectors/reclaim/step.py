"""One step of a run: its targets one after the other, then the wait until their bytes are free, then the measure."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TypeVar

from collectors import causes
from collectors.model import Owner, dataclass
from collectors.model.plan import Step
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why
from collectors.reclaim import Act, EventKind, StepResult, TargetResult, engine_and_disk, failed, skipped
from collectors.reclaim.engine_and_disk import NoAnswer, SpaceReading, StillDown, read_fill
from collectors.reclaim.tools import Remover, Tools, WholeStep

T = TypeVar("T")

_LOOK_AT_LEAST_S = 5.0  # between two looks at the target while one step removes many things
_STILL_WORKING_S = 30.0  # after a time-out the engine may yet finish what it was asked


def by_hand(step: Step) -> bool:
    """Only a person can do it: nothing here runs its command."""
    cause = causes.find(step.cause)
    return cause is None or not cause.remover


def remover_of(step: Step, tools: Tools) -> Remover | WholeStep:
    """What its cause names. Loaded here alone, so that no code that only looks can reach it."""
    cause = causes.find(step.cause)
    if cause is None or not cause.remover:  # what only a person can do was refused before
        raise ValueError(f"nothing here does the step {step.id}")
    module, _, name = cause.remover.partition(":")
    made: Remover | WholeStep = getattr(importlib.import_module(module), name)(tools)
    return made


class Stop(Enum):
    """Why a step ended before its last target."""

    CANCELLED = auto()
    TARGET_REACHED = auto()
    ENGINE_LOST = auto()


@dataclass(frozen=True, slots=True)
class Done:
    result: StepResult
    after: Reading[SpaceReading]
    stop: Stop | None
    reason: str


def run_step(tools: Tools, step: Step, before: Reading[SpaceReading]) -> Done:
    """Verify, remove, wait, measure. Never raises for what the machine does."""
    began = time.monotonic()
    tools.tell(EventKind.STEP_STARTED, step, text=step.title, total=len(step.targets))
    acts: dict[Owner, Act] = {}
    stop: Stop | None = None
    note, reason, worked = "", "", False
    try:
        note, stop, worked = _targets(tools, step, acts)
    except (NoAnswer, StillDown) as silence:
        stop, reason = Stop.ENGINE_LOST, str(silence)
    limit = tools.context.cleaner_timeout_s
    left = engine_and_disk.settle(tools.context.mountpoint, limit, tools.stuck, _waiting(tools, step))
    after = read_fill(tools.context.mountpoint)
    if stop is None and tools.cancelled():
        stop = Stop.CANCELLED
    result = StepResult(
        step=step.id,
        action=step.action,
        title=step.title,
        predicted=step.frees,
        engine_reported=_reported(step, acts),
        measured=engine_and_disk.freed(before, after),
        measured_data=engine_and_disk.freed_data(before, after),
        targets=tuple(_result(target, acts.get(target)) for target in step.targets),
        took_s=time.monotonic() - began,
        note="; ".join(part for part in (note, left) if part),
        worked=worked,
    )
    freed = result.measured.value if isinstance(result.measured, Exact) else None
    gone = len(result.removed)
    tools.tell(EventKind.STEP_FINISHED, step, text=result.note, done=gone, total=len(step.targets), freed=freed)
    return Done(result, after, stop, reason)


def _targets(tools: Tools, step: Step, acts: dict[Owner, Act]) -> tuple[str, Stop | None, bool]:
    """Fills `acts`; the step's note, why it stopped early, and whether it worked. Raises NoAnswer, StillDown."""
    remover = remover_of(step, tools)
    if isinstance(remover, WholeStep):
        whole = remover.perform(step, acts)
        return whole.reason, None, whole.removed
    if reason := _patiently(tools, step, lambda: remover.before(step)):
        acts.update(dict.fromkeys(step.targets, skipped(reason)))
        return reason, None, False
    looked = time.monotonic()
    for count, target in enumerate(step.targets):
        if tools.cancelled():
            return "stopped on request", Stop.CANCELLED, False
        if count and time.monotonic() - looked > _LOOK_AT_LEAST_S:
            looked = time.monotonic()
            if tools.reached():
                return "the target is reached", Stop.TARGET_REACHED, True
        acts[target] = act = _one(tools, remover, step, target)
        kind = EventKind.TARGET_REMOVED if act.removed else EventKind.TARGET_SKIPPED
        kind = EventKind.TARGET_FAILED if act.failed else kind
        tools.tell(kind, step, target=target, text=act.reason, done=count + 1, total=len(step.targets))
    return "", None, True


def _one(tools: Tools, remover: Remover, step: Step, target: Owner) -> Act:
    names = _patiently(tools, step, lambda: remover.names(target))
    tools.log.means(step.id, target, names)
    try:
        act = remover.act(step, target)
    except NoAnswer as silence:
        tools.come_back(step)
        act = _after_silence(tools, remover, target, names, silence)
    tools.log.did(step.id, target, act.removed, act.reason, act.unsettled)
    return act


def _after_silence(tools: Tools, remover: Remover, target: Owner, names: tuple[str, ...], silence: NoAnswer) -> Act:
    """Read what became of it; never ask for it again. After a time-out the engine may be at it still."""
    ends = time.monotonic() + (_STILL_WORKING_S if silence.timed_out else 0.0)
    while (there := remover.still_there(target)) and time.monotonic() < ends and not tools.cancelled():
        time.sleep(1.0)
    if there is False:
        return Act(True, "the engine gave no answer; it is gone")
    if there is None:
        return failed(f"the engine gave no answer ({silence}); what became of it shows in the next plan")
    if not silence.timed_out:
        remover.put_back(target, names)
    return failed(f"the engine gave no answer ({silence}); it is still there")


def _patiently(tools: Tools, step: Step, look: Callable[[], T]) -> T:
    """A question that changes nothing may be asked again, once the engine is back."""
    try:
        return look()
    except NoAnswer:
        tools.come_back(step)
        return look()


def _waiting(tools: Tools, step: Step) -> Callable[[int, int], bool]:
    def waiting(left: int, total: int) -> bool:
        text = "subvolumes wait for the cleaner"
        tools.tell(EventKind.WAITING, step, text=text, done=total - left, total=total)
        return not tools.cancelled()

    return waiting


def _reported(step: Step, acts: Mapping[Owner, Act]) -> Size:
    origin = Origin("apply", step.action, datetime.now(UTC), 0.0)
    told = [act.reported_bytes for act in acts.values() if act.reported_bytes is not None]
    if told:
        return Exact(sum(told), origin)
    return Unavailable(Why.NOT_REPORTED, "the engine names no figure for this", origin)


def _result(target: Owner, act: Act | None) -> TargetResult:
    if act is None:
        return TargetResult(target, False, "not reached")
    return TargetResult(target, act.removed, act.reason)
