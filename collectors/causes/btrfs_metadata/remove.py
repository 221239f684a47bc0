"""Compacting data chunks, so that metadata can grow."""

from __future__ import annotations

import errno
from pathlib import Path

from collectors.causes.btrfs_metadata.balance import Squeeze, pressure, refused, squeeze
from collectors.filesystems import freeing as btrfs_changes
from collectors.filesystems.btrfs import filesystem
from collectors.model import Owner, dataclass
from collectors.model.plan import Step
from collectors.model.reading import Exact
from collectors.reclaim import Act, EventKind, failed, skipped
from collectors.reclaim.tools import Tools, WholeStep

_ASK_S = 60.0
_ROUNDS = 10
_IDLE_ROUNDS = 2
_ROOM = "there is space for another metadata chunk now"


class Balance(WholeStep):
    """As many rounds as it takes, each with a filter of its own."""

    def perform(self, step: Step, acts: dict[Owner, Act]) -> Act:
        self._tools.log.means(step.id, None)
        act = compact(self._tools, step)
        self._tools.log.did(step.id, None, act.removed, act.reason)
        return Act(act.removed or act.reason == _ROOM, act.reason, failed=act.failed)


def compact(tools: Tools, step: Step) -> Act:
    """Balances with a filter derived from the fill that the chunks have at that moment, until there is room enough.

    One round may win little: what it moves may open a chunk of its own. Refused where it must fail.
    """
    said: list[str] = []
    idle_rounds = 0
    while len(said) < _ROUNDS and idle_rounds < _IDLE_ROUNDS:
        found = _next_filter(tools)
        if not isinstance(found, Filter):
            # A reason to stop: after some rounds it is the end of the work, before the first one a refusal.
            return Act(True, "; ".join(said)) if said else skipped(found)
        act = _round(tools, step, found)
        if act.failed or not act.removed:
            return Act(bool(said), "; ".join((*said, act.reason)), failed=act.failed and not said)
        said.append(act.reason)
        again = _allocatable(tools)
        idle_rounds = idle_rounds + 1 if again is None or again <= found.allocatable_bytes else 0
    return Act(True, "; ".join(said))


@dataclass(frozen=True, slots=True)
class Filter:
    squeeze: Squeeze
    allocatable_bytes: int


def _next_filter(tools: Tools) -> Filter | str:
    """What to compact next, or why nothing."""
    facts = filesystem(Path(tools.context.mountpoint), tools.context.host, timeout_s=_ASK_S)
    if not isinstance(facts, Exact):
        return f"the chunks could not be read: {facts.detail}"
    if why := refused(facts.value):
        return why
    now = pressure(facts.value, decided=True)
    if now is None:
        return _ROOM
    if now.lacking_bytes:
        return "it would fail: metadata is too full to start with"
    chunks, spaces = facts.value.chunks, facts.value.spaces
    if not isinstance(chunks, Exact) or not isinstance(spaces, Exact):
        return "the chunks' fill could not be read"
    found = squeeze(chunks.value, spaces.value, now)
    return Filter(found, now.room.allocatable_bytes) if found else "no data chunk can be emptied into the others"


def _round(tools: Tools, step: Step, found: Filter) -> Act:
    usage, limit = found.squeeze.usage_percent, found.squeeze.limit

    def going_on(moved: int, expected: int) -> bool:
        text = f"data chunks filled to less than {usage}%"
        tools.tell(EventKind.WAITING, step, text=text, done=moved, total=expected)
        return not tools.cancelled()

    try:
        done = btrfs_changes.balance(Path(tools.context.mountpoint), usage, limit, going_on)
    except OSError as error:
        if error.errno in (errno.EINPROGRESS, errno.EBUSY):
            return skipped("another balance, or a replacement, is running")
        return failed(error.strerror or str(error))
    said = f"{done.moved} data chunks below {usage}% compacted"
    return skipped(f"stopped on request: {said}") if done.cancelled else Act(True, said)


def _allocatable(tools: Tools) -> int | None:
    facts = filesystem(Path(tools.context.mountpoint), tools.context.host, timeout_s=_ASK_S)
    now = pressure(facts.value, decided=True) if isinstance(facts, Exact) else None
    return now.room.allocatable_bytes if now else None
