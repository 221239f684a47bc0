"""Dropped subvolumes that btrfs' cleaner still holds: wait, do not escalate."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.owner import OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.store import UnitKind

ID = "btrfs-pending"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, at any size."""
    row = context.ledger.row(Category.DELETED_PENDING)
    items = context.items(Category.DELETED_PENDING)
    if items:
        claim = f"{count(len(items), 'deleted subvolume')} waiting for the cleaner"
        remedy = "wait, or btrfs subvolume sync"
        yield Finding(ID, Severity.P4, claim, row.reclaimable, largest(items), remedy, owners(items), True)


def propose(context: PlanContext) -> Proposal:
    """One step, that waits."""
    pending = tuple(sorted(who for unit in context.units if unit.kind is UnitKind.DELETED for who in unit.owners))
    if not pending:
        return Proposal()
    draft = Draft(
        id="btrfs.wait",
        action="btrfs.wait",
        title="Wait until btrfs has cleaned up what is already deleted",
        command=commands.wait_for_cleaner(context.mountpoint),
        targets=pending,
        rank=0,  # what is already deleted only needs waiting for
        within=(),
        harm=Harm.NONE,
        risk=Risk.SAFE,
        needs="",
        costs="",
        undo="none needed: it was deleted before",
        automatic=True,
        only_waits=True,
    )
    return Proposal((draft,))


LINE = "deleted subvolumes that wait for btrfs' cleaner"
REMOVER = "collectors.causes.btrfs_pending.remove:Cleaner"
CAUSE = Cause(
    ID,
    Category.DELETED_PENDING,
    OwnerKind.DELETED,
    Harm.NONE,
    LINE,
    detect,
    propose,
    REMOVER,
    no_step="the cleaner was done with them when the plan was made",
)
