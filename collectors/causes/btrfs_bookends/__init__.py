"""Extents that were overwritten in part stay pinned whole; defragmenting does not help."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext
from collectors.causes.plan_context import PlanContext
from collectors.model.btrfs import Btrfs
from collectors.model.finding import Finding
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Between, Exact, Unavailable

ID = "btrfs-bookends"


def detect(context: FindingContext) -> Iterable[Finding]:
    """As far as they are notable."""
    facts = context.facts(Btrfs)
    if facts is None or isinstance(facts.sharing, Unavailable):
        return
    wasted = facts.sharing.value.bookend_bytes
    if context.notable(wasted):
        claim = "overwritten data that stays on disk, because a part of its extent is still used"
        remedy = "rewrite the largest random-write files: cp --reflink=never and mv (this ends their sharing)"
        amount = context.exact(wasted)
        yield Finding(ID, context.severity(amount), claim, amount, (), remedy, (), True)


def propose(context: PlanContext) -> Proposal:
    """One proposal, for a person: which files it is about is not known."""
    sharing = facts.sharing if (facts := context.facts(Btrfs)) else None
    asked = context.found(ID) is not None
    if not asked or not isinstance(sharing, Exact) or sharing.value.bookend_bytes <= 0:
        return Proposal()
    most = sharing.value.bookend_bytes
    draft = Draft(
        id="btrfs.rewrite",
        action="btrfs.rewrite",
        title="Rewrite files whose overwritten parts are still pinned",
        command="cp --archive --reflink=never FILE FILE.new && mv FILE.new FILE",
        targets=(),
        rank=100,
        within=(),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs="the writer of the file stopped; room for one copy of it",
        costs="what the file shared with snapshots or clones is no longer shared; defragmenting does not help",
        undo="none needed: the content is the same",
        automatic=False,
        estimate=Between(most // 2, 0, most, 0.9, "pinned by extents that are only partly referenced", sharing.origin),
    )
    return Proposal((draft,))


LINE = "overwritten data that stays on disk, because a part of its extent is still used"
NO_STEP = "how much of it there is was not read again"
CAUSE = Cause(ID, None, None, Harm.TIME, LINE, detect, propose, no_step=NO_STEP)
