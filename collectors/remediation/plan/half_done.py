"""What the engine began and never finished, and what a switch of its storage driver left behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.model.store import Unit, UnitKind
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft, Found, Rank
from collectors.remediation.plan.leftovers import reachable

TEMPORARY, INTERRUPTED, FORMER = "engine-tmp", "interrupted-writes", "other-driver"
_STOPPED = "the engine stopped, and its socket unit too, so that nothing starts it meanwhile"


def half_done(case: Case) -> Found:
    """One step for temporary files, one for interrupted writes, and a proposal for each former driver."""
    drafts = []
    if temporary := _leftovers(case, UnitKind.TEMPORARY):
        drafts.append(_temporary(temporary))
    interrupted = _leftovers(case, UnitKind.INTERRUPTED_WRITE)
    if interrupted:
        drafts.append(_interrupted(interrupted))
    drafts += [_former(case, name, units) for name, units in sorted(_by_driver(case).items())]
    ownerless = sum(1 for u in case.units if u.kind is UnitKind.INTERRUPTED_WRITE and not u.owners)
    if not ownerless:
        return Found(tuple(drafts))
    answered = frozenset[str]() if interrupted else frozenset({"interrupted-writes"})
    return Found(tuple(drafts), (explain.collected_by_containerd(ownerless),), answered)


def _leftovers(case: Case, kind: UnitKind) -> tuple[Unit, ...]:
    mine = (unit for unit in case.units if unit.kind is kind)
    return tuple(unit for unit in mine if any(who.kind is OwnerKind.LEFTOVER for who in unit.owners))


def _temporary(units: tuple[Unit, ...]) -> Draft:
    """Careful: a download starts over, a context is the client's own copy; but somebody has to start either again."""
    return Draft(
        id=TEMPORARY,
        action="temporary.remove",
        title="Remove downloads and build contexts that nobody finished",
        command=commands.line("rm", "-rf", "--one-file-system", "--", *sorted(unit.path for unit in units)),
        targets=_targets(units),
        rank=Rank.TEMPORARY,
        within=(),
        risk=Risk.CAREFUL,
        needs="nobody has them open or touched them for long; each is looked at again just before. The engine may run",
        costs="none, unless a pull or build that has stalled for long goes on after all: it then has to start over",
        undo="none needed: the pull, load or build makes them again",
        automatic=True,
        rules=("engine-tmp",),
    )


def _interrupted(units: tuple[Unit, ...]) -> Draft:
    # Layers before the rows that name them: cut short between the two, nothing is left that nobody knows.
    paths = sorted((unit.path for unit in units), key=lambda path: ("/layerdb/" in path, path))
    return Draft(
        id=INTERRUPTED,
        action="interrupted.remove",
        title="Remove layer writes and removals that a crash interrupted",
        command=commands.line("rm", "-rf", "--one-file-system", "--", *paths),
        targets=tuple(Owner(OwnerKind.LEFTOVER, path) for path in paths),
        rank=Rank.INTERRUPTED,
        within=(),
        risk=Risk.DESTRUCTIVE,
        needs=f"{_STOPPED}; each one is looked up again in the layer database just before",
        costs="none: no layer was registered from them; that they are there tells of a crash",
        undo="none",
        automatic=True,
        rules=("interrupted-writes",),
    )


def _by_driver(case: Case) -> dict[str, list[Unit]]:
    """The directories, and on btrfs the subvolumes in them, of each driver that is not in use."""
    found: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in _leftovers(case, UnitKind.OTHER_DRIVER):
        found[unit.name.partition(":")[0].removeprefix("image/").partition("/")[0] or unit.name].append(unit)
    return found


def _former(case: Case, name: str, units: list[Unit]) -> Draft:
    mount = case.ledger.filesystem.mount
    folders = sorted(unit.path for unit in units if unit.path.startswith("/"))
    inside = {reachable(mount, u.path).rpartition("/")[0] for u in units if not u.path.startswith("/")}
    first = [f"btrfs subvolume delete {commands.quote(folder)}/*" for folder in sorted(inside)]
    archive = commands.line("tar", "--create", "--zstd", "--file", f"/OTHER-DISK/{name}.tar.zst", "--", *folders)
    return Draft(
        id=f"{FORMER}:{name}",
        action="former-driver.remove",
        title=f"Remove what the storage driver {name}, which is not in use, left behind",
        command=" && ".join((*first, commands.line("rm", "-rf", "--one-file-system", "--", *folders))),
        targets=_targets(units),
        rank=Rank.FORMER_DRIVER,
        within=(name,),
        risk=Risk.DESTRUCTIVE,
        needs=f"{_STOPPED}; first an archive of what may still be wanted, on another disk: {archive}",
        costs="the images, containers and layers of that driver are lost, and so is the way back to it",
        undo="none; only from the archive",
        automatic=False,
        rules=("other-driver",),
    )


def _targets(units: Iterable[Unit]) -> tuple[Owner, ...]:
    return tuple(sorted(frozenset[Owner]().union(*(unit.owners for unit in units))))
