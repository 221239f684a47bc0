"""Items that the disk names: orphans, leftovers, snapshots, deleted-but-open files, the largest other directories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from collectors.accounting.categories import category_of
from collectors.accounting.desk import Desk
from collectors.model.filesystem import OpenDeleted
from collectors.model.ids import ContainerId
from collectors.model.ledger import Category, Item
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Size, Unavailable, Why
from collectors.model.store import Orphanhood, Unit, UnitKind
from collectors.model.sums import charged


def units(desk: Desk) -> Iterable[Item]:
    """Directories that are items by themselves: orphans, leftovers, snapshots, what waits for the cleaner."""
    proofs = {}
    store = desk.snapshot.store
    if isinstance(store, Exact) and isinstance(store.value.orphans, Exact):
        proofs = {proof.unit: proof for proof in store.value.orphans.value}
    alone = (Category.ORPHANS, Category.DOCKER_OTHER, Category.SNAPSHOTS, Category.DELETED_PENDING)
    for unit in desk.study.units:
        category = category_of(unit)
        if category not in alone and unit.kind not in (UnitKind.CORE_DUMP, UnitKind.NESTED_ROOT):
            continue
        proof = proofs.get(unit.id)
        free = category in (Category.ORPHANS, Category.SNAPSHOTS, Category.DELETED_PENDING)
        owner = next(iter(sorted(unit.owners)), Owner(OwnerKind.UNIT, unit.id))
        item = _unit_item(desk, unit, owner, category, free or owner.kind is OwnerKind.LEFTOVER)
        if proof is not None:
            item = _with_proof(item, proof.verdict, proof.checked, proof.note)
        yield item


def _unit_item(desk: Desk, unit: Unit, owner: Owner, category: Category, free: bool) -> Item:
    usages = desk.study.occupancy.value.usages if isinstance(desk.study.occupancy, Exact) else {}
    usage = usages.get(unit.id)
    shared_owner = len(desk.figures.units.get(owner, ())) > 1 or not unit.owners
    gone = desk.figures.absent
    referenced = (usage.allocated if usage else gone) if shared_owner else desk.figures.referenced(owner)
    exclusive = (usage.allocated if usage else gone) if shared_owner else desk.figures.exclusive(owner)
    return Item(
        id=unit.id,
        owner_id=owner,
        category=category,
        name=unit.name,
        referenced=referenced,
        exclusive=exclusive,
        apparent=usage.apparent if usage else gone,
        reclaimable=exclusive if free else Exact(0, desk.origin),
        owner=unit.path,
        state=unit.kind.value,
        created_at=unit.created_at,
        last_used_at=None,
        proof=(),
        note="",
    )


def open_deleted(desk: Desk) -> Iterable[Item]:
    held = desk.study.open_deleted
    for file in held.value.files if isinstance(held, Exact) else ():
        yield _open(desk, file)


def _open(desk: Desk, file: OpenDeleted) -> Item:
    container = desk.containers.get(ContainerId(file.container))
    who = container.name if container else file.container[:12]
    size = Exact(file.allocated_bytes, desk.origin)
    process = f"{file.command} (pid {file.pid})"
    return Item(
        id=f"{file.device}:{file.inode}",
        owner_id=Owner(OwnerKind.OPEN, f"{file.device}:{file.inode}"),
        category=Category.DELETED_OPEN,
        name=file.path,
        referenced=size,
        exclusive=size,
        apparent=Exact(file.apparent_bytes, desk.origin),
        reclaimable=size,
        owner=f"{process} in container {who}" if who else process,
        state="deleted, still open",
        created_at=None,
        last_used_at=None,
        proof=(),
        note="",
    )


def others(desk: Desk) -> Iterable[Item]:
    occupancy = desk.study.occupancy
    if isinstance(occupancy, Exact):
        for directory in occupancy.value.largest_others:
            size = Exact(directory.allocated_bytes, desk.origin)
            yield _plain(desk, directory.path, size, Exact(directory.apparent_bytes, desk.origin), UnitKind.HOST.value)
        for unit in desk.study.units:
            usage = occupancy.value.usages.get(unit.id)
            if category_of(unit) is not Category.OTHER_FILES or usage is None or not charged(usage.allocated):
                continue
            users = unit.name if unit.kind is UnitKind.BIND else ""
            yield _plain(desk, unit.path or unit.name, usage.allocated, usage.apparent, unit.kind.value, users)


def _plain(desk: Desk, path: str, allocated: Size, apparent: Size, state: str, owner: str = "") -> Item:
    return Item(
        id=path,
        owner_id=Owner(OwnerKind.PATH, path),
        category=Category.OTHER_FILES,
        name=path,
        referenced=allocated,
        exclusive=allocated,
        apparent=apparent,
        reclaimable=Unavailable(
            Why.NOT_APPLICABLE, "not Docker's: whether it is needed is not known here", desk.origin
        ),
        owner=owner,
        state=state,
        created_at=None,
        last_used_at=None,
        proof=(),
        note="",
    )


def _with_proof(item: Item, verdict: Orphanhood, checked: tuple[str, ...], note: str) -> Item:
    return replace(item, state=verdict.value, proof=checked, note=note)
