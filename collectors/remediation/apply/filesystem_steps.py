"""Steps without targets of their own: wait for the cleaner, compact data chunks."""

from __future__ import annotations

import errno
from pathlib import Path

from collectors.model.plan import Step
from collectors.model.reading import Exact
from collectors.remediation.apply import btrfs_actions, measure
from collectors.remediation.apply.act import REMOVED, Act, failed, skipped
from collectors.remediation.apply.outcome import EventKind
from collectors.remediation.apply.tools import Tools
from collectors.remediation.plan.balance import pressure, squeeze
from collectors.sources.btrfs import filesystem

_ASK_S = 60.0


def wait(tools: Tools, step: Step) -> Act:
    """Until everything that is deleted by now has been cleaned up."""

    def waiting(left: int, total: int) -> bool:
        text = "subvolumes wait for the cleaner"
        tools.tell(EventKind.WAITING, step, text=text, done=total - left, total=total)
        return not tools.cancelled()

    left = measure.settle(tools.context.mountpoint, tools.context.cleaner_timeout_s, waiting)
    return failed(left) if left else REMOVED


def compact(tools: Tools, step: Step) -> Act:
    """A balance with a filter derived from the fill that the chunks have now; refused where it must fail."""
    path = Path(tools.context.mountpoint)
    facts = filesystem(path, tools.context.host, timeout_s=_ASK_S)
    if not isinstance(facts, Exact):
        return skipped(f"the chunks could not be read: {facts.detail}")
    now = pressure(facts.value, decided=True)
    if now is None:
        return skipped("there is room for another metadata chunk by now")
    if now.lacking_bytes:
        return skipped("it would fail: metadata is too full to start with")
    chunks, spaces = facts.value.chunks, facts.value.spaces
    if not isinstance(chunks, Exact) or not isinstance(spaces, Exact):
        return skipped("the chunks' fill could not be read")
    found = squeeze(chunks.value, spaces.value, now)
    if found is None:
        return skipped("no data chunk can be emptied into the others")

    def going_on(moved: int, expected: int) -> bool:
        text = f"data chunks filled to less than {found.usage_percent}%"
        tools.tell(EventKind.WAITING, step, text=text, done=moved, total=expected)
        return not tools.cancelled()

    try:
        done = btrfs_actions.balance(path, found.usage_percent, found.limit, going_on)
    except OSError as error:
        if error.errno in (errno.EINPROGRESS, errno.EBUSY):
            return skipped("another balance, or a replacement, is running")
        return failed(error.strerror or str(error))
    said = f"{done.moved} data chunks compacted"
    return skipped(f"stopped on request: {said}") if done.cancelled else Act(True, said)
