"""What the engine began and never finished: downloads, build contexts, writes cut short by a crash, pulls given up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from collectors.causes import base
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.plan_context import PlanContext
from collectors.ledger.unlisted import LEASED, NOT_KNOWN
from collectors.model import Owner, OwnerKind
from collectors.model.engine import Flavour
from collectors.model.ledger import Category, Item
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import Exact, charged
from collectors.model.snapshot import Snapshot
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
        command=base.remove_trees(*sorted(unit.path for unit in units)),
        targets=leftover_targets(units),
        rank=40,
        within=(),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs="no process has them open, none changed recently; each is checked again before. The engine may run; "
        f"by hand: {base.NOTHING_MOUNTED}",
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
    collected = _collected_by_podman if context.tool == Flavour.PODMAN else _collected_by_containerd
    return Proposal(drafts, (collected(ownerless),), answered=not units)


def _draft_interrupted(units: tuple[Unit, ...], *, engine_stopped: bool) -> Draft:
    """A person has to stop the engine first, where it runs."""
    # Layers before the rows that name them: cut short between the two, nothing is left that nobody knows.
    paths = sorted((unit.path for unit in units), key=lambda path: ("/layerdb/" in path, path))
    return Draft(
        id=INTERRUPTED_ID,
        action="interrupted.remove",
        title="Remove layer writes and removals that a crash interrupted",
        command=base.remove_trees(*paths),
        targets=tuple(Owner(OwnerKind.LEFTOVER, path) for path in paths),
        rank=120,  # after orphans: they are small, and need the engine stopped
        within=(),
        harm=Harm.TIME,
        risk=Risk.DESTRUCTIVE,
        needs=f"{ENGINE_STOPPED}; each one is looked up again in the layer database just before; "
        f"by hand: {base.NOTHING_MOUNTED}",
        costs="none: no layer was registered from them; they are the trace of a crash",
        undo="none",
        automatic=engine_stopped,
    )


def _collected_by_podman(count: int) -> str:
    """By whichever of its processes reads the list of layers next."""
    layers = "1 layer" if count == 1 else f"{count} layers"
    return f"{layers} that Podman did not finish: left to its next command, podman images is enough."


def _collected_by_containerd(count: int) -> str:
    """Beside its leases a collector's own work needs nobody."""
    return (
        f"{count} {'write' if count == 1 else 'writes'} that containerd did not finish: left to its own collector, "
        "which takes them once their lease has run out (a day at most); ctr --namespace moby leases ls and "
        "ctr --namespace moby content active show what they wait for, and removing by hand comes last."
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


def unlisted_by_podman(context: PlanContext) -> tuple[Draft, ...]:
    """Images that a pull or load did not finish, and containers in which builds worked: Podman removes them by name."""
    if context.tool != Flavour.PODMAN:
        return ()
    found = (item for its in _UNLISTED for item in context.ledger.items.get(its, ()))
    return tuple(_draft_unlisted(context, item) for item in found if item.state == NOT_KNOWN)


# What they are called; the words of the command; which harm.
_UNLISTED: Mapping[Category, tuple[str, tuple[str, ...], Harm]] = {
    Category.IMAGES: ("image that was not finished", ("image", "rm"), Harm.TIME),
    Category.CONTAINERS: ("working container of a build", ("container", "rm", "--force"), Harm.STATE),
}


def _draft_unlisted(context: PlanContext, item: Item) -> Draft:
    what, words, harm = _UNLISTED[item.category]
    log = (Owner(OwnerKind.LOG, item.id),) if item.category is Category.CONTAINERS else ()
    return Draft(
        id=item.owner_id.text(),
        action="unlisted.remove",
        title=f"Remove the {what}, {item.name}",
        command=base.ask_engine(context, *words, item.id.removeprefix("sha256:")[:12]),
        targets=(item.owner_id, *log),
        rank=125,
        within=(item.id,),
        harm=harm,
        risk=Risk.DESTRUCTIVE,
        needs="no pull, load or build that is still going on, and nobody who works with buildah",
        costs="none, unless it goes on after all: it then has to start over",
        undo="none needed: the pull, load or build makes it again",
        automatic=False,
    )


LEASED_ID = "leased-content"


def detect_leased(context: FindingContext) -> Iterable[Finding]:
    """What nothing but a lease keeps that ends by itself: pulls that go on, or that were given up."""
    ends = _ends(context.snapshot)
    items = [item for item in context.in_state(Category.DOCKER_OTHER, LEASED) if item.owner_id.id in ends]
    amount = context.freed(owners(items))
    if items and context.notable(charged(amount)):
        last = max(ends[item.owner_id.id] for item in items)
        claim = f"layers and blobs of {count(len(items), 'pull or build', 'pulls or builds')} that did not finish"
        remedy = f"pull it again, or leave it: containerd's lease on them ends by itself, at {last:%Y-%m-%d %H:%M} UTC"
        severity = context.severity(amount, Severity.P4)
        yield Finding(LEASED_ID, severity, claim, amount, largest(items), remedy, owners(items), True)


def _ends(snapshot: Snapshot) -> Mapping[str, datetime]:
    return snapshot.store.value.leases if isinstance(snapshot.store, Exact) else {}


def propose_leased(context: PlanContext) -> Proposal:
    """One step for all leases of the finding: whether a pull still goes on, only who began it knows."""
    found = context.found(LEASED_ID)
    return Proposal((_draft_leased(sorted(found.owners)),) if found is not None else ())


def _draft_leased(leases: list[Owner]) -> Draft:
    spaces: dict[str, list[str]] = {}
    for lease in leases:
        space, _, name = lease.id.partition("/")
        spaces.setdefault(space, []).append(name)
    ended = (base.command("ctr", "--namespace", space, "leases", "rm", *names) for space, names in spaces.items())
    return Draft(
        id=LEASED_ID,
        action="lease.remove",
        title="End the leases of pulls and builds that were given up",
        command=" && ".join(ended),
        targets=tuple(leases),
        rank=45,
        within=(),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs="no pull or build that is still going on; ctr needs --address where dockerd started containerd itself",
        costs="none, unless the pull goes on after all: it then has to start over",
        undo="none needed: the pull brings them again",
        automatic=False,
    )


LEASED_LINE = "layers and blobs of pulls and builds that were given up, which containerd keeps for a day"
LEASED_CAUSE = Cause(
    LEASED_ID,
    Category.DOCKER_OTHER,
    OwnerKind.LEASE,
    Harm.TIME,
    LEASED_LINE,
    detect_leased,
    propose_leased,
    no_step="they end by themselves",
)


BLOBS_ID = "build-blobs"


def detect_blobs(context: FindingContext) -> Iterable[Finding]:
    """Some are always there; where they are worth a line, no record counts them."""
    items = context.in_state(Category.DOCKER_OTHER, UnitKind.BUILD_DATABASE.value)
    amount = context.sum(item.referenced for item in items)
    if items and charged(amount) >= context.limits.notable_bytes:
        remedy = "docker builder prune --all first; what stays belongs to no record: for a person"
        claim = "BuildKit's blobs and databases beside its cache"
        yield Finding(BLOBS_ID, context.severity(amount), claim, amount, largest(items), remedy, (), True)


BLOBS_LINE = "BuildKit's blobs and databases beside its cache, which its records do not count"
BLOBS_CAUSE = Cause(
    BLOBS_ID,
    Category.DOCKER_OTHER,
    None,
    None,
    BLOBS_LINE,
    detect_blobs,
    no_step="only BuildKit knows which of them its records still need",
)
