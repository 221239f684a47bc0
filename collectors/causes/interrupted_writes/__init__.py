"""Layer writes and removals that a crash cut short. One may have leaked a layer: worth knowing at any size."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext
from collectors.causes.leftovers import ENGINE_STOPPED, detect_leftovers, leftovers
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.store import Unit, UnitKind

ID = "interrupted-writes"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together."""
    claim, remedy = "layer writes that a crash interrupted", "remove with the engine stopped"
    return detect_leftovers(context, ID, UnitKind.INTERRUPTED_WRITE, claim, remedy, at_any_size=True)


def propose(context: PlanContext) -> Proposal:
    """One step for all of them; those of containerd are its own collector's."""
    units = leftovers(context, UnitKind.INTERRUPTED_WRITE)
    drafts = (_draft(units),) if units else ()
    ownerless = sum(1 for u in context.units if u.kind is UnitKind.INTERRUPTED_WRITE and not u.owners)
    if not ownerless:
        return Proposal(drafts)
    return Proposal(drafts, (_collected_by_containerd(ownerless),), answered=not units)


def _draft(units: tuple[Unit, ...]) -> Draft:
    # Layers before the rows that name them: cut short between the two, nothing is left that nobody knows.
    paths = sorted((unit.path for unit in units), key=lambda path: ("/layerdb/" in path, path))
    return Draft(
        id=ID,
        action="interrupted.remove",
        title="Remove layer writes and removals that a crash interrupted",
        command=commands.remove_trees(*paths),
        targets=tuple(Owner(OwnerKind.LEFTOVER, path) for path in paths),
        rank=120,  # after orphans: they are small, and need the engine stopped
        within=(),
        harm=Harm.TIME,
        risk=Risk.DESTRUCTIVE,
        needs=f"{ENGINE_STOPPED}; each one is looked up again in the layer database just before; "
        f"by hand: {commands.NOTHING_MOUNTED}",
        costs="none: no layer was registered from them; they are the trace of a crash",
        undo="none",
        automatic=True,
    )


def _collected_by_containerd(count: int) -> str:
    """Beside its leases a collector's own work needs nobody."""
    return (
        f"{count} {'write' if count == 1 else 'writes'} that containerd did not finish: left to its own collector, "
        "which takes them once their lease has run out (a day at most); `ctr --namespace moby leases ls` and "
        "`ctr --namespace moby content active` show what they wait for, and removing by hand comes last."
    )


LINE = "layer writes and removals that a crash interrupted"
REMOVER = "collectors.causes.interrupted_writes.remove:Interrupted"
CAUSE = Cause(ID, Category.DOCKER_OTHER, OwnerKind.LEFTOVER, Harm.TIME, LINE, detect, propose, REMOVER)
