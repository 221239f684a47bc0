"""Downloads and build contexts that were never cleaned up."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext
from collectors.causes.leftovers import detect_leftovers, leftovers, targets
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.owner import OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.store import UnitKind

ID = "engine-tmp"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together."""
    claim = "unfinished downloads and build contexts under the Docker root's tmp"
    remedy = "remove what no process has open and is over 1 h old"
    return detect_leftovers(context, ID, UnitKind.TEMPORARY, claim, remedy)


def propose(context: PlanContext) -> Proposal:
    """One step for all of them.

    Careful: a download starts over, a context is the client's own copy; but somebody has to start either again.
    """
    units = leftovers(context, UnitKind.TEMPORARY)
    if not units:
        return Proposal()
    draft = Draft(
        id=ID,
        action="temporary.remove",
        title="Remove unfinished downloads and build contexts",
        command=commands.remove_trees(*sorted(unit.path for unit in units)),
        targets=targets(units),
        rank=40,
        within=(),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs="no process has them open, none changed recently; each is checked again before. The engine may run; "
        f"by hand: {commands.NOTHING_MOUNTED}",
        costs="none, unless a pull or build that has stalled for long goes on after all: it then has to start over",
        undo="none needed: the pull, load or build makes them again",
        automatic=True,
    )
    return Proposal((draft,))


LINE = "unfinished downloads and build contexts under the Docker root's tmp"
REMOVER = "collectors.causes.engine_tmp.remove:Temporary"
CAUSE = Cause(ID, Category.DOCKER_OTHER, OwnerKind.LEFTOVER, Harm.TIME, LINE, detect, propose, REMOVER)
