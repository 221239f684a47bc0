"""What the engine began and never finished: downloads, build contexts, writes that a crash cut short."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, largest, owners
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Exact, charged
from collectors.model.store import Unit, UnitKind

ENGINE_STOPPED = "the engine stopped, and its socket unit too, so that nothing starts it meanwhile"


def detect_leftovers(
    context: FindingContext, cause: str, kind: UnitKind, claim: str, remedy: str, *, at_any_size: bool = False
) -> Iterable[Finding]:
    """All things of this kind together; small ones for information, where they are worth it `at_any_size`.

    Of temporary files only those that nobody has open and nothing touched for long.
    """
    items = context.in_state(Category.DOCKER_OTHER, kind.value)
    items = tuple(i for i in items if kind is not UnitKind.TEMPORARY or i.owner_id.kind is OwnerKind.LEFTOVER)
    amount = context.sum(item.referenced for item in items)
    notable = context.notable(charged(amount))
    if items and (notable or at_any_size):
        severity = context.severity(amount, Severity.P3 if notable else Severity.P4)
        yield Finding(cause, severity, claim, amount, largest(items), remedy, owners(items), True)


def leftovers(context: PlanContext, kind: UnitKind) -> tuple[Unit, ...]:
    """Those of this kind that are proved to be left behind."""
    mine = (unit for unit in context.units if unit.kind is kind)
    return tuple(unit for unit in mine if any(who.kind is OwnerKind.LEFTOVER for who in unit.owners))


def leftover_targets(units: Iterable[Unit]) -> tuple[Owner, ...]:
    """All their owners."""
    return tuple(sorted(frozenset[Owner]().union(*(unit.owners for unit in units))))


TEMPORARY_ID = "engine-tmp"


def detect_temporary(context: FindingContext) -> Iterable[Finding]:
    """All of them together."""
    claim = "unfinished downloads and build contexts under the Docker root's tmp"
    remedy = "remove what no process has open and is over 1 h old"
    return detect_leftovers(context, TEMPORARY_ID, UnitKind.TEMPORARY, claim, remedy)


def propose_temporary(context: PlanContext) -> Proposal:
    """One step for all of them.

    Careful: a download starts over, a context is the client's own copy; but somebody has to start either again.
    """
    units = leftovers(context, UnitKind.TEMPORARY)
    if not units:
        return Proposal()
    draft = Draft(
        id=TEMPORARY_ID,
        action="temporary.remove",
        title="Remove unfinished downloads and build contexts",
        command=commands.remove_trees(*sorted(unit.path for unit in units)),
        targets=leftover_targets(units),
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


TEMPORARY_LINE = "unfinished downloads and build contexts under the Docker root's tmp"
TEMPORARY_REMOVER = "collectors.causes.engine_leftovers.remove:Temporary"
TEMPORARY = Cause(
    TEMPORARY_ID,
    Category.DOCKER_OTHER,
    OwnerKind.LEFTOVER,
    Harm.TIME,
    TEMPORARY_LINE,
    detect_temporary,
    propose_temporary,
    TEMPORARY_REMOVER,
    no_step="none of them is proved to be left behind: something may still write them",
)


INTERRUPTED_ID = "interrupted-writes"


def detect_interrupted(context: FindingContext) -> Iterable[Finding]:
    """All of them together."""
    claim, remedy = "layer writes that a crash interrupted", "remove with the engine stopped"
    store = context.snapshot.store
    if isinstance(store, Exact) and store.value.driver_facts.clears_unfinished:
        claim, remedy = "layer writes that were not finished", "left to the engine's own collector: see the plan"
    return detect_leftovers(context, INTERRUPTED_ID, UnitKind.INTERRUPTED_WRITE, claim, remedy, at_any_size=True)


def propose_interrupted(context: PlanContext) -> Proposal:
    """One step for all of them; those of containerd are its own collector's."""
    units = leftovers(context, UnitKind.INTERRUPTED_WRITE)
    stopped = not isinstance(context.engine.engine, Exact)
    drafts = (_draft_interrupted(units, engine_stopped=stopped),) if units else ()
    ownerless = sum(1 for u in context.units if u.kind is UnitKind.INTERRUPTED_WRITE and not u.owners)
    if not ownerless:
        return Proposal(drafts)
    return Proposal(drafts, (_collected_by_containerd(ownerless),), answered=not units)


def _draft_interrupted(units: tuple[Unit, ...], *, engine_stopped: bool) -> Draft:
    """A person has to stop the engine first, where it runs."""
    # Layers before the rows that name them: cut short between the two, nothing is left that nobody knows.
    paths = sorted((unit.path for unit in units), key=lambda path: ("/layerdb/" in path, path))
    return Draft(
        id=INTERRUPTED_ID,
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
        automatic=engine_stopped,
    )


def _collected_by_containerd(count: int) -> str:
    """Beside its leases a collector's own work needs nobody."""
    return (
        f"{count} {'write' if count == 1 else 'writes'} that containerd did not finish: left to its own collector, "
        "which takes them once their lease has run out (a day at most); `ctr --namespace moby leases ls` and "
        "`ctr --namespace moby content active` show what they wait for, and removing by hand comes last."
    )


INTERRUPTED_LINE = "layer writes and removals that a crash interrupted"
INTERRUPTED_REMOVER = "collectors.causes.engine_leftovers.remove:Interrupted"
INTERRUPTED = Cause(
    INTERRUPTED_ID,
    Category.DOCKER_OTHER,
    OwnerKind.LEFTOVER,
    Harm.TIME,
    INTERRUPTED_LINE,
    detect_interrupted,
    propose_interrupted,
    INTERRUPTED_REMOVER,
    no_step="none of them is proved to be left behind: something may still write them",
)
