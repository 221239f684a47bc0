"""Subvolumes outside Docker's use: snapshots that hold what is deleted elsewhere, and dropped ones that wait."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import base
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, count, largest, mostly, owners
from collectors.causes.plan_context import PlanContext
from collectors.model import Owner, OwnerKind
from collectors.model.btrfs import Btrfs, Subvolume
from collectors.model.filesystem import Mount
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import Unavailable, charged
from collectors.model.store import Unit, UnitKind

ID = "btrfs-snapshots"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    items = context.items(Category.SNAPSHOTS)
    row = context.ledger.row(Category.SNAPSHOTS)
    if items and context.notable(charged(row.reclaimable)):
        claim = f"{count(len(items), 'snapshot')} outside Docker, holding what nothing else holds{mostly(items)}"
        remedy = "delete old ones with the tool that makes them; keep the Docker root on a subvolume of its own"
        severity = context.severity(row.reclaimable)
        yield Finding(ID, severity, claim, row.reclaimable, largest(items), remedy, owners(items), True)


def propose(context: PlanContext) -> Proposal:
    """One proposal a snapshot, oldest first."""
    mine = (unit for unit in context.units if unit.kind is UnitKind.SNAPSHOT and unit.owners)
    return Proposal(tuple(_draft(context, unit) for unit in mine))


def _draft(context: PlanContext, unit: Unit) -> Draft:
    mount = context.ledger.filesystem.mount
    return Draft(
        id=Owner(OwnerKind.SNAPSHOT, unit.name).text(),
        action="snapshot.remove",
        title=f"Remove the btrfs snapshot {unit.name}",
        command=base.command("btrfs", "subvolume", "delete", base.reachable(mount, unit.path)),
        targets=tuple(sorted(unit.owners)),
        rank=200,
        within=(unit.created_at.timestamp() if unit.created_at else 0.0, unit.id),
        harm=Harm.DATA,
        risk=Risk.DESTRUCTIVE,
        needs="a person who knows which backup it belongs to",
        costs="this state of the filesystem can no longer be restored",
        undo="none",
        automatic=False,
    )


LINE = "btrfs snapshots outside Docker that hold what nothing else holds"
REMOVER = "collectors.causes.btrfs_snapshots.remove:Snapshots"
CAUSE = Cause(
    ID,
    Category.SNAPSHOTS,
    OwnerKind.SNAPSHOT,
    Harm.DATA,
    LINE,
    detect,
    propose,
    REMOVER,
    no_step="no snapshot of them was there any more when the plan was made",
)


OF_ROOT_ID = "root-snapshotted"


def detect_of_root(context: FindingContext) -> Iterable[Finding]:
    """The smallest subvolume around the root has snapshots."""
    facts, root = context.facts(Btrfs), context.snapshot.docker_root
    if facts is None or isinstance(facts.subvolumes, Unavailable) or isinstance(root, Unavailable):
        return
    there = [s for s in facts.subvolumes.value if not s.deleted]
    copies = _copies(_home(there, context.study.filesystem.mount, root.value), there)
    if copies:
        copied = count(len(copies), "snapshot")
        claim = f"the Docker root lies in a subvolume that has {copied}: each pins its volumes and logs"
        evidence = tuple(("snapshot", s.path) for s in copies[:5])
        yield Finding(
            OF_ROOT_ID, Severity.P3, claim, None, evidence, "put the Docker root on a subvolume of its own", (), True
        )


def _copies(home: Subvolume | None, subvolumes: Iterable[Subvolume]) -> list[Subvolume]:
    """Those that are snapshots of it."""
    return [s for s in subvolumes if home is not None and s.parent_uuid and s.parent_uuid == home.uuid]


def _home(subvolumes: Iterable[Subvolume], mount: Mount, root: str) -> Subvolume | None:
    """The smallest subvolume around the Docker root."""
    below = root.removeprefix(mount.mountpoint).strip("/")
    inside = "/".join(part for part in (mount.root.strip("/"), below) if part)
    around = [s for s in subvolumes if not s.path or f"{inside}/".startswith(f"{s.path}/")]
    return max(around, key=lambda s: len(s.path), default=None)


OF_ROOT_LINE = "snapshots of the subvolume that the Docker root lies in pin its volumes and logs"
OF_ROOT_NO_STEP = "each of its snapshots is answered as a snapshot, and only moving the Docker root ends it"
OF_ROOT = Cause(
    OF_ROOT_ID, Category.SNAPSHOTS, None, None, OF_ROOT_LINE, detect_of_root, of_engine=True, no_step=OF_ROOT_NO_STEP
)


PENDING_ID = "btrfs-pending"


def detect_pending(context: FindingContext) -> Iterable[Finding]:
    """All of them together, at any size."""
    row = context.ledger.row(Category.DELETED_PENDING)
    items = context.items(Category.DELETED_PENDING)
    if items:
        claim = f"{count(len(items), 'deleted subvolume')} waiting for the cleaner"
        remedy = "wait, or btrfs subvolume sync"
        yield Finding(PENDING_ID, Severity.P4, claim, row.reclaimable, largest(items), remedy, owners(items), True)


def propose_pending(context: PlanContext) -> Proposal:
    """One step, that waits."""
    pending = tuple(sorted(who for unit in context.units if unit.kind is UnitKind.DELETED for who in unit.owners))
    if not pending:
        return Proposal()
    draft = Draft(
        id="btrfs.wait",
        action="btrfs.wait",
        title="Wait until btrfs has cleaned up what is already deleted",
        command=base.wait_for_cleaner(context.mountpoint),
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


PENDING_LINE = "deleted subvolumes that wait for btrfs' cleaner"
PENDING_REMOVER = "collectors.causes.btrfs_snapshots.remove:Cleaner"
PENDING = Cause(
    PENDING_ID,
    Category.DELETED_PENDING,
    OwnerKind.DELETED,
    Harm.NONE,
    PENDING_LINE,
    detect_pending,
    propose_pending,
    PENDING_REMOVER,
    no_step="the cleaner was done with them when the plan was made",
)
