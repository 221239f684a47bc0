"""The only code that changes the machine, and only when told: steps of a plan, each re-verified just before.

Here is what came of it: of one target, of one step, of a run; events while it happens, one outcome at the end. Refuses
to call a prediction a result. What removes is loaded by `run` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import IntEnum, StrEnum

from collectors.ledger.release_table import closure
from collectors.model import Owner, dataclass
from collectors.model.ledger import Release
from collectors.model.plan import Plan, Step
from collectors.model.reading import AtLeast, Exact, Origin, Size, Unavailable, Why


@dataclass(frozen=True, slots=True)
class Act:
    """`failed` True: it was tried and did not work; else `reason` says why it was left alone.

    `reported_bytes` is the engine's own figure, None where it names none. `unsettled` are names that are not as they
    were and could not be put right: the next run tries again.
    """

    removed: bool
    reason: str = ""
    failed: bool = False
    reported_bytes: int | None = None
    unsettled: tuple[str, ...] = ()


def skipped(reason: str) -> Act:
    """Left alone: something is not as the plan meant it."""
    return Act(False, reason)


def failed(reason: str) -> Act:
    """Tried, and refused or broken."""
    return Act(False, reason, failed=True)


REMOVED = Act(True)
GONE = skipped("it is already gone")


class EventKind(StrEnum):
    """Stable: the dashboard and the journal match on them."""

    RUN_STARTED = "run started"
    EARLIER_RUN = "earlier run"  # text: what an interrupted run left behind
    STEP_STARTED = "step started"
    TARGET_REMOVED = "target removed"
    TARGET_SKIPPED = "target skipped"  # text: what changed since the plan
    TARGET_FAILED = "target failed"
    WAITING = "waiting"  # for the cleaner, or for an engine that restarts; done/total count down
    STEP_FINISHED = "step finished"
    RUN_FINISHED = "run finished"


@dataclass(frozen=True, slots=True)
class Event:
    """`done` of `total` are targets of the step (or what WAITING waits for); `freed_bytes` is measured so far."""

    at: datetime
    kind: EventKind
    step: str  # id of the step, "" for events of the run
    target: Owner | None
    text: str
    done: int
    total: int
    freed_bytes: int | None  # None: not measured at this point


class Ended(StrEnum):
    """Why the run ended. Stable."""

    ALL_DONE = "all done"
    TARGET_REACHED = "target reached"
    CANCELLED = "cancelled"
    BUSY = "busy"  # another reclaim holds the lock
    REFUSED = "refused"  # nothing was started: the preconditions do not hold
    ENGINE_LOST = "engine lost"  # it did not come back in time; what it did last is re-read on the next run
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TargetResult:
    """One owner of a step. `removed` False: `reason` says why it was left alone."""

    target: Owner
    removed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step that was reached: what was promised, what the engine says it freed, what the filesystem says."""

    step: str
    action: str
    title: str
    predicted: Size
    engine_reported: Size  # Unavailable where the engine names no figure
    measured: Size  # fall of statvfs used, in bytes; below 0 where others wrote meanwhile
    measured_data: Size  # btrfs: fall of data bytes, exact; elsewhere Unavailable
    targets: tuple[TargetResult, ...]
    took_s: float
    note: str
    worked: bool  # False: a step that is done in one go did not do what it is for

    @property
    def removed(self) -> tuple[Owner, ...]:
        """The owners that are gone."""
        return tuple(result.target for result in self.targets if result.removed)


@dataclass(frozen=True, slots=True)
class ReclaimOutcome:
    """The whole run. `predicted` is what the removed things were to free together, by the plan's books."""

    ended: Ended
    reason: str  # in words, "" for ALL_DONE
    steps: tuple[StepResult, ...]
    predicted: Size
    engine_reported: Size
    measured: Size
    measured_data: Size
    used_percent_before: int | None  # None: statvfs failed
    used_percent_after: int | None
    notes: tuple[str, ...]  # an earlier run explained, a run log that could not be written …


class ApplyStatus(IntEnum):
    """How a run that may remove things exits, for a script to act on. Stable; not the statuses of a report."""

    REACHED = 0  # the target, or without one everything that was chosen
    NOT_REACHED = 1  # done as far as it went
    REFUSED = 2  # or another run is at it: nothing was changed
    UNKNOWN = 3


def status(outcome: ReclaimOutcome, chosen: frozenset[str], target_percent: float | None) -> ApplyStatus:
    """What came of the run against what was asked: the target, or without one the things of each chosen step."""
    if outcome.ended in (Ended.BUSY, Ended.REFUSED):
        return ApplyStatus.REFUSED
    if outcome.ended in (Ended.ENGINE_LOST, Ended.FAILED):
        return ApplyStatus.UNKNOWN
    if target_percent is None:
        return ApplyStatus.REACHED if _all_gone(outcome, chosen) else ApplyStatus.NOT_REACHED
    if outcome.used_percent_after is None:
        return ApplyStatus.UNKNOWN
    return ApplyStatus.REACHED if outcome.used_percent_after <= target_percent else ApplyStatus.NOT_REACHED


def _all_gone(outcome: ReclaimOutcome, chosen: frozenset[str]) -> bool:
    """A thing that somebody else removed first is gone too; a second pass over a step tells of it again."""
    left: dict[str, set[Owner]] = {}
    for result in outcome.steps:
        kept = {t.target for t in result.targets if not t.removed and t.reason != GONE.reason}
        tried = {t.target for t in result.targets}
        left[result.step] = (left.get(result.step, set()) - tried) | kept
    worked = all(result.worked for result in outcome.steps if not result.targets)
    return worked and left.keys() >= chosen and not any(left.values())


def predicted(
    plan: Plan, results: tuple[StepResult, ...], origin: Origin, releases: tuple[Release, ...] | None = None
) -> Size:
    """What the removed things were to free together, by the plan's books. At least so much where some of it is unknown.

    `releases` are those books, where they were whole: with them a step that was done in part counts to the byte too.
    Without them it counts 0, and the sum is a lower bound.
    """
    gone: dict[str, set[Owner]] = {}
    for result in results:
        gone.setdefault(result.step, set()).update(result.removed)
    tried = [step for step in plan.every_step if step.id in gone]
    gaps = [gap for step in tried for gap in _gaps(step, gone[step.id], origin, counts_parts=releases is not None)]
    if releases is None:
        count = plan.frees_bytes(frozenset(step.id for step in tried if gone[step.id].issuperset(step.targets)))
    else:
        owners = closure(frozenset[Owner]().union(*gone.values()))
        count = sum(release.bytes for release in releases if release.owners <= owners)
    return AtLeast(count, tuple(gaps), origin) if gaps else Exact(count, origin)


def _gaps(step: Step, removed: set[Owner], origin: Origin, *, counts_parts: bool) -> Iterator[Unavailable]:
    """Why it is not known what the removed targets of a step were to free, where it is not."""
    if removed.issuperset(step.targets):
        if not isinstance(step.frees, Exact):
            yield Unavailable(Why.NOT_REPORTED, f"{step.title}: it was not measured before", origin)
    elif removed and not counts_parts:
        words = f"{step.title}: {len(removed)} of {len(step.targets)} were removed"
        yield Unavailable(Why.NOT_APPLICABLE, words, origin)
