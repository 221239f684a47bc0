"""Layers that nobody knows, with proof; and btrfs snapshots outside Docker that pin its bytes."""

from __future__ import annotations

from collections.abc import Mapping

from collectors.model.filesystem import Mount
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.model.reading import Exact
from collectors.model.store import Orphanhood, Unit, UnitKind
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft, Found, Rank

ORPHANS = "orphans"


def leftovers(case: Case) -> Found:
    """One step for all proved orphans, and one proposal for each snapshot."""
    orphans, unproved = _proved(case)
    drafts = [_orphans(case, orphans)] if orphans else []
    drafts += [_snapshot(case, unit) for unit in case.units if unit.kind is UnitKind.SNAPSHOT and unit.owners]
    if not unproved:
        return Found(tuple(drafts))
    return Found(tuple(drafts), (explain.unproved_orphans(unproved),), frozenset({"orphan-candidates"}))


def _proved(case: Case) -> tuple[Mapping[Owner, Unit], int]:
    """Orphans that both the proof and a certain finding vouch for; and how many lack one of the two."""
    store = case.snapshot.store
    proofs = store.value.orphans if isinstance(store, Exact) else store
    if not isinstance(proofs, Exact):
        return {}, 0
    verdicts = {proof.unit: proof.verdict for proof in proofs.value}
    certain = {who for finding in case.findings if finding.certain for who in finding.owners}
    proved: dict[Owner, Unit] = {}
    unproved = 0
    for unit in case.units:
        mine = [who for who in unit.owners if who.kind is OwnerKind.ORPHAN]
        if not mine and verdicts.get(unit.id) is None:
            continue
        if len(mine) == 1 and verdicts.get(unit.id) is Orphanhood.ORPHAN and mine[0] in certain:
            proved[mine[0]] = unit
        else:
            unproved += 1
    return proved, unproved


def _orphans(case: Case, orphans: Mapping[Owner, Unit]) -> Draft:
    mount = case.ledger.filesystem.mount
    driver = case.snapshot.store.value.driver if isinstance(case.snapshot.store, Exact) else ""
    targets = tuple(sorted(orphans))
    return Draft(
        id=ORPHANS,
        action="orphan.remove",
        title="Remove layers that no image, container or build knows",
        command=commands.remove_directories(mount.fstype, driver == "btrfs", (orphans[t].path for t in targets)),
        targets=targets,
        rank=Rank.ORPHANS,
        within=(),
        risk=Risk.DESTRUCTIVE,
        needs="the engine idle or stopped; each one is proved again just before",
        costs="none, if the proof holds: nothing refers to them",
        undo="none",
        automatic=True,
        rules=("orphans",),
    )


def reachable(mount: Mount, below_top: str) -> str:
    """A subvolume's path below the filesystem's top level, as it is seen under `mount`.

    One that lies outside what is mounted there is named below the top level, which then has to be mounted first.
    """
    inside = mount.root.strip("/")
    if inside and not f"{below_top}/".startswith(f"{inside}/"):
        return f"<top level>/{below_top}"
    rest = below_top[len(inside) :].strip("/")
    return f"{mount.mountpoint.rstrip('/')}/{rest}"


def _snapshot(case: Case, unit: Unit) -> Draft:
    mount = case.ledger.filesystem.mount
    targets = tuple(sorted(unit.owners))
    return Draft(
        id=Owner(OwnerKind.SNAPSHOT, unit.name).text(),
        action="snapshot.remove",
        title=f"Remove the btrfs snapshot {unit.name}",
        command=commands.line("btrfs", "subvolume", "delete", reachable(mount, unit.path)),
        targets=targets,
        rank=Rank.SNAPSHOT,
        within=(unit.created_at.timestamp() if unit.created_at else 0.0, unit.id),
        risk=Risk.DESTRUCTIVE,
        needs="somebody who knows which backup it belongs to",
        costs="this state of the filesystem cannot be gone back to",
        undo="none",
        automatic=False,
        rules=("btrfs-snapshots",),
    )
