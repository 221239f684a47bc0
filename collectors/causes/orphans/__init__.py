"""Layers on disk that no image, container, build or mount knows: with proof, or without and why.

It is missing where one is too young, or where a source could not be read: that is a cause of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

from collectors.causes import base
from collectors.causes.base import Alert, Cause, Draft, Proposal, because
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.plan_context import PlanContext
from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.btrfs import Btrfs
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import Exact, Unavailable, Why, charged
from collectors.model.store import Orphanhood, OrphanProof, Unit

ID = "orphans"


def detect(context: FindingContext) -> Iterable[Finding]:
    """Those that are proven, at any size."""
    found = context.items(Category.ORPHANS)
    if found:
        row = context.ledger.row(Category.ORPHANS)
        claim = f"{count(len(found), 'orphaned layer')}, used by no image, container, build or mount"
        evidence = (*largest(found), ("checked", ", ".join(found[0].proof)))
        remedy = "stop the engine, prove it again, delete just these"
        severity = context.severity(row.reclaimable)
        yield Finding(ID, severity, claim, row.reclaimable, evidence, remedy, owners(found), True)


@dataclass(frozen=True, slots=True)
class Proved:
    """Orphans that both the proof and a certain finding vouch for; how many others there are, for which reason."""

    found: Mapping[Owner, Unit]
    nested: Mapping[str, str]  # path of one that cannot go → that of a subvolume inside it
    unproved: Mapping[str, int]


def propose(context: PlanContext) -> Proposal:
    """One step for all of them, without those that nothing here removes: another subvolume lies inside."""
    all_ = context.once(proved)
    going = {who: unit for who, unit in all_.found.items() if unit.path not in all_.nested}
    said = tuple(
        f"The orphaned layer {path}: not removed here, since the subvolume {inside} lies inside it; "
        "a person who knows what that is deletes it first."
        for path, inside in sorted(all_.nested.items())
    )
    reason = because(all_.unproved, "the proof did not hold any more when the plan was made")
    return Proposal((_draft(context, going),) if going else (), said, answered=bool(said) and not going, reason=reason)


def proved(context: PlanContext) -> Proved:
    """What the proofs say of each layer that nobody knows."""
    proofs, certain = context.snapshot.proofs, _certain(context)
    if not isinstance(proofs, Exact):
        return Proved({}, {}, {})
    proof_of = {proof.unit: proof for proof in proofs.value}
    found: dict[Owner, Unit] = {}
    unproved: Counter[str] = Counter()
    for unit in context.units:
        mine = [who for who in unit.owners if who.kind is OwnerKind.ORPHAN]
        proof = proof_of.get(unit.id)
        if not mine and proof is None:
            continue
        if _holds(proof) and len(mine) == 1 and mine[0] in certain:
            found[mine[0]] = unit
        else:
            unproved[_doubt(proof)] += 1
    return Proved(found, _nested(context, found.values()), unproved)


def _certain(context: PlanContext) -> frozenset[Owner]:
    """Whom a certain finding is about."""
    return frozenset(who for finding in context.findings if finding.certain for who in finding.owners)


def _holds(proof: OrphanProof | None) -> bool:
    return proof is not None and proof.verdict is Orphanhood.ORPHAN


def _doubt(proof: OrphanProof | None) -> str:
    """Why it is not proved, after "it is"."""
    if proof is not None and proof.verdict is Orphanhood.YOUNG:
        return "younger than the grace period (thresholds.grace_s), and a later run proves it"
    if proof is not None and proof.unread:
        return f"not proved, since {', '.join(proof.unread)} could not be read"
    return "not proved: seen once, or without a certain finding; the next run looks again"


def _nested(context: PlanContext, units: Iterable[Unit]) -> Mapping[str, str]:
    """Of these layers, each in which a btrfs knows another subvolume, and one of those."""
    facts = context.facts(Btrfs)
    if facts is None or not isinstance(facts.subvolumes, Exact):
        return {}
    mount = context.ledger.filesystem.mount
    paths = sorted(base.reachable(mount, one.path) for one in facts.subvolumes.value if not one.deleted)
    found = {}
    for unit in units:
        after = bisect_left(paths, f"{unit.path}/")
        if after < len(paths) and paths[after].startswith(f"{unit.path}/"):
            found[unit.path] = paths[after]
    return found


def _draft(context: PlanContext, found: Mapping[Owner, Unit]) -> Draft:
    store = context.snapshot.store
    remove = store.value.driver_facts.remove_command if isinstance(store, Exact) else ()
    targets = tuple(sorted(found))

    def command(left: tuple[Owner, ...]) -> str:
        return base.command(*remove, *(found[target].path for target in left))

    return Draft(
        id=ID,
        action="orphan.remove",
        title="Remove orphaned layers",
        command=command(targets),
        targets=targets,
        # Before truncated logs: nothing refers to them, while a log is evidence.
        rank=110,
        within=(),
        harm=Harm.STATE,
        risk=Risk.DESTRUCTIVE,
        needs="the engine idle or stopped; each one is proved again just before"
        + (f"; by hand: {base.NOTHING_MOUNTED}" if remove[:1] == ("rm",) else ""),
        costs="none, if the proof holds: nothing refers to them",
        undo="none",
        automatic=True,
        command_for=command,
    )


LINE = "layers on disk that no image, container, build or mount uses, with proof"
REMOVER = "collectors.causes.orphans.remove:Orphans"
ALERT = Alert("DockerDiskLeak", Severity.P2, "40m", "warning", "orphaned layers fill the disk")
CAUSE = Cause(ID, Category.ORPHANS, OwnerKind.ORPHAN, Harm.STATE, LINE, detect, propose, REMOVER, alert=ALERT)


CANDIDATE_ID = "orphan-candidates"


def detect_candidate(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    unproven = context.in_state(Category.DOCKER_OTHER, Orphanhood.YOUNG.value, Orphanhood.UNKNOWN.value)
    amount = context.sum(item.referenced for item in unproven)
    if unproven and context.notable(charged(amount)):
        directories = count(len(unproven), "layer directory", "layer directories")
        claim = f"{directories} apparently unreferenced, not proven to be orphans"
        evidence = (*largest(unproven), ("why", unproven[0].note or unproven[0].state))
        remedy = "wait: a later run proves it once they are old enough and every owner source was read"
        yield Finding(CANDIDATE_ID, Severity.P4, claim, amount, evidence, remedy, (), False)


def propose_candidate(context: PlanContext) -> Proposal:
    """Nothing: the sentence says what they wait for."""
    unproved = context.once(proved).unproved
    return Proposal((), (_left_alone(unproved),), answered=True) if unproved else Proposal()


def _left_alone(unproved: Mapping[str, int]) -> str:
    count = sum(unproved.values())
    what = "layer" if count == 1 else "layers"
    return f"{count} {what} apparently unreferenced: no step, because {because(unproved, '')}."


CANDIDATE_NO_STEP = "they are not proved to be orphans: too young, or an owner source could not be read"
CANDIDATE_LINE = "layer directories apparently unreferenced, not proven to be orphans"
CANDIDATE = Cause(
    CANDIDATE_ID,
    Category.ORPHANS,
    None,
    None,
    CANDIDATE_LINE,
    detect_candidate,
    propose_candidate,
    no_step=CANDIDATE_NO_STEP,
)


UNKNOWN_ID = "orphans-unknown"


def detect_unknown(context: FindingContext) -> Iterable[Finding]:
    """The store was read, but not all that may own its layers."""
    store = context.snapshot.store
    told = store.value.orphans if isinstance(store, Exact) else None
    if isinstance(told, Unavailable) and told.why is not Why.NOT_APPLICABLE:
        why = (("reason", f"{told.why}: {told.detail}"),)
        claim, remedy = "whether layers are orphaned could not be told", "see Coverage for what could not be read"
        yield Finding(UNKNOWN_ID, Severity.P4, claim, None, why, remedy, (), False)


UNKNOWN_LINE = "whether layers are orphaned could not be told"
UNKNOWN = Cause(UNKNOWN_ID, Category.ORPHANS, None, None, UNKNOWN_LINE, detect_unknown, of_engine=True)
