"""The things behind each category, with their figures, largest first. Pure.

The engine names images, containers, logs, volumes, build cache records; the disk orphans, leftovers, snapshots,
deleted-but-open files, the largest other directories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from collectors.ledger.charge import category_of
from collectors.ledger.inside import host_directories, under
from collectors.ledger.item_builder import RUNNING, Desk
from collectors.ledger.unlisted import IN_GROUPS, NOT_KNOWN, grouped, stored_images, unlisted
from collectors.model import ContainerId, Owner, OwnerKind
from collectors.model.engine import BuildRecord, Container, Image, Volume
from collectors.model.filesystem import OpenDeleted, Usage
from collectors.model.ledger import Category, Item
from collectors.model.reading import Exact, Reading, Unavailable, Why, charged
from collectors.model.store import LIES_INSIDE, ContainerLog, Unit, UnitKind

_ALONE = (Category.ORPHANS, Category.DOCKER_OTHER, Category.SNAPSHOTS, Category.DELETED_PENDING)


def units(desk: Desk) -> Iterable[Item]:
    """Directories that are items by themselves: orphans, leftovers, snapshots, what waits for the cleaner."""
    known = desk.snapshot.proofs
    proofs = {proof.unit: proof for proof in known.value} if isinstance(known, Exact) else {}
    for unit in desk.study.units:
        category = category_of(unit)
        if not _is_alone(unit, category):
            continue
        proof = proofs.get(unit.id)
        free = category in (Category.ORPHANS, Category.SNAPSHOTS, Category.DELETED_PENDING, Category.BUILD_CACHE)
        owner = next(iter(sorted(unit.owners)), Owner(OwnerKind.UNIT, unit.id))
        item = _unit_item(desk, unit, owner, category, free or owner.kind is OwnerKind.LEFTOVER)
        if proof is not None:
            item = replace(item, state=proof.verdict.value, proof=proof.checked, note=proof.note)
        yield item


def _is_alone(unit: Unit, category: Category) -> bool:
    if any(owner.kind in IN_GROUPS for owner in unit.owners):
        return False
    return category in _ALONE or unit.kind in (*LIES_INSIDE, UnitKind.CACHE_MOUNTS)


def _unit_item(desk: Desk, unit: Unit, owner: Owner, category: Category, free: bool) -> Item:
    usages = desk.study.occupancy.value.usages if isinstance(desk.study.occupancy, Exact) else {}
    usage = usages.get(unit.id)
    gone = desk.figures.absent
    if len(desk.figures.units.get(owner, ())) > 1 or not unit.owners:
        referenced = exclusive = usage.allocated if usage else gone
    else:
        referenced, exclusive = desk.figures.referenced(owner), desk.figures.exclusive(owner)
    return Item(
        id=unit.id,
        owner_id=owner,
        category=category,
        name=desk.place(unit, owner),
        referenced=referenced,
        exclusive=exclusive,
        inodes=desk.figures.counted(usage.inodes) if usage else gone,
        apparent=usage.apparent if usage else gone,
        reclaimable=exclusive if free else Exact(0, desk.origin),
        owner=unit.path,
        state=unit.kind.value,
        created_at=unit.created_at,
        last_used_at=None,
        proof=(),
        note="",
        inside=desk.inside_units((unit,)),
    )


def open_deleted(desk: Desk) -> Iterable[Item]:
    held = desk.study.open_deleted
    for file in held.value.files if isinstance(held, Exact) else ():
        yield _open(desk, file)


def _open(desk: Desk, file: OpenDeleted) -> Item:
    container = desk.containers.get(ContainerId(file.container))
    who = container.name if container else file.container[:12]
    size = Exact(file.allocated_bytes, desk.origin)
    process = f"{file.command} (pid {file.pid})" if file.pid else f"the loop device {file.command}"
    return Item(
        id=f"{file.device}:{file.inode}",
        owner_id=Owner(OwnerKind.OPEN, f"{file.device}:{file.inode}"),
        category=Category.DELETED_OPEN,
        name=file.path,
        referenced=size,
        exclusive=size,
        inodes=desk.figures.counted(Exact(1, desk.origin)),
        apparent=Exact(file.apparent_bytes, desk.origin),
        reclaimable=size,
        owner=f"{process} in container {who}" if who else process,
        state="deleted, still open",
        created_at=None,
        last_used_at=None,
        proof=(),
        note="",
        inside=(),
    )


_NOT_DOCKERS = "not Docker's: whether it is needed is not known here"


def others(desk: Desk) -> Iterable[Item]:
    occupancy = desk.study.occupancy
    if isinstance(occupancy, Exact):
        for path, whole in host_directories(occupancy.value, desk.origin):
            yield _plain(desk, path, whole, UnitKind.HOST.value)
        for unit in desk.study.units:
            usage = occupancy.value.usages.get(unit.id)
            if usage is not None and charged(usage.allocated) and _is_other(unit):
                users = unit.name if unit.kind is UnitKind.BIND else ""
                usage = replace(usage, inside=under(unit.path, desk.inside_units((unit,))))
                yield _plain(desk, unit.path or unit.name, usage, unit.kind.value, users)


def _is_other(unit: Unit) -> bool:
    return category_of(unit) is Category.OTHER_FILES and unit.kind is not UnitKind.OTHER_ENGINE


def _plain(desk: Desk, path: str, usage: Usage, state: str, owner: str = "") -> Item:
    return Item(
        id=path,
        owner_id=Owner(OwnerKind.PATH, path),
        category=Category.OTHER_FILES,
        name=path,
        referenced=usage.allocated,
        exclusive=usage.allocated,
        inodes=desk.figures.counted(usage.inodes),
        apparent=usage.apparent,
        reclaimable=Unavailable(Why.NOT_APPLICABLE, _NOT_DOCKERS, desk.origin),
        owner=owner,
        state=state,
        created_at=None,
        last_used_at=None,
        proof=(),
        note="",
        inside=usage.inside,
    )


def images(desk: Desk) -> Iterable[Item]:
    listed = desk.snapshot.engine.images
    if isinstance(listed, Exact):
        for image in listed.value:
            yield _image(desk, image)
    else:
        yield from stored_images(desk)


def _image(desk: Desk, image: Image) -> Item:
    users = desk.use.containers_of_image.get(image.id, ())
    state = "in use" if users else ("unused" if image.tags else "dangling") if desk.use.known else "unknown"
    name = image.tags[0] if image.tags else image.id.removeprefix("sha256:")[:12]
    return desk.item(
        Owner(OwnerKind.IMAGE, image.id),
        Category.IMAGES,
        name,
        state=state,
        free=not users if desk.use.known else None,
        owner=", ".join(users) or ", ".join(image.tags[1:]),
        created=_value(image.created_at),
        fallback=image.size,
    )


def containers(desk: Desk) -> Iterable[Item]:
    for container in desk.containers.values():
        yield desk.item(
            Owner(OwnerKind.CONTAINER, container.id),
            Category.CONTAINERS,
            container.name,
            state=container.state,
            free=container.state not in RUNNING,
            owner=_stands_on(container),
            created=_value(container.created_at),
            used=_value(container.finished_at),
            fallback=container.writable,
            own_only=True,
        )


def _stands_on(container: Container) -> str:
    """Its image, and first the service whose task it is: a task's own name says it with a number and an id."""
    return f"service {container.service}, {container.image}" if container.service else container.image


def logs(desk: Desk) -> Iterable[Item]:
    known = desk.snapshot.logs
    for log in known.value if isinstance(known, Exact) else ():
        yield _log(desk, log)


def _log(desk: Desk, log: ContainerLog) -> Item:
    container = desk.containers.get(log.container_id)
    owner = Owner(OwnerKind.LOG, log.container_id)
    name = container.name if container else desk.name_on_disk(owner) or log.container_id[:12]
    limit = log.driver if log.rotates else f"{log.driver}, no rotation"
    return desk.item(
        owner,
        Category.LOGS,
        name,
        state=NOT_KNOWN if desk.use.known and container is None else limit,
        free=None,
        owner=f"service {container.service}" if container and container.service else name,
        fallback=Exact(log.allocated_bytes, desk.origin),
    )


def volumes(desk: Desk) -> Iterable[Item]:
    listed = desk.snapshot.engine.volumes
    if isinstance(listed, Exact):
        for volume in listed.value:
            yield _volume(desk, volume)


def _volume(desk: Desk, volume: Volume) -> Item:
    users = desk.use.containers_of_volume.get(volume.name, ())
    state = "in use" if users else ("unused" if desk.use.known else "unknown")
    return desk.item(
        Owner(OwnerKind.VOLUME, volume.name),
        Category.VOLUMES,
        volume.name,
        state=f"{state}, anonymous" if volume.anonymous else state,
        free=not users if desk.use.known else None,
        owner=", ".join(users),
        created=_value(volume.created_at),
        fallback=volume.size,
    )


def build_cache(desk: Desk) -> Iterable[Item]:
    listed = desk.snapshot.engine.build_cache
    if isinstance(listed, Exact):
        for record in listed.value:
            yield _record(desk, record)


def _record(desk: Desk, record: BuildRecord) -> Item:
    state = "in use" if record.in_use else "shared with an image" if record.shared else "unused"
    return desk.item(
        Owner(OwnerKind.BUILD, record.id),
        Category.BUILD_CACHE,
        record.description or record.id,
        state=state,
        free=not record.in_use,
        owner=record.kind,
        created=_value(record.created_at),
        used=_value(record.last_used_at),
        fallback=record.size,
    )


def _value(reading: Reading[datetime]) -> datetime | None:
    return reading.value if isinstance(reading, Exact) else None


_MAKERS: tuple[Callable[[Desk], Iterable[Item]], ...] = (
    images,
    containers,
    logs,
    volumes,
    build_cache,
    units,
    grouped,
    open_deleted,
    others,
)
_LISTED = frozenset({OwnerKind.IMAGE, OwnerKind.CONTAINER, OwnerKind.LOG, OwnerKind.VOLUME, OwnerKind.BUILD})


def items(desk: Desk) -> Mapping[Category, tuple[Item, ...]]:
    """Items of every category that has any."""
    answer: dict[Category, list[Item]] = {}
    for make in _MAKERS:
        for item in make(desk):
            if _belongs(desk, item):
                answer.setdefault(item.category, []).append(item)
    for item in tuple(unlisted(desk, answer)):
        answer.setdefault(item.category, []).append(item)
    return {category: tuple(sorted(listed, key=_largest)) for category, listed in answer.items()}


def _belongs(desk: Desk, item: Item) -> bool:
    """Of what the engine lists, all is told with its root's filesystem, and with another one what has bytes there."""
    of_root = desk.study.filesystem.mount == desk.snapshot.studies[0].filesystem.mount
    return of_root or item.owner_id.kind not in _LISTED or item.owner_id in desk.figures.units


def _largest(item: Item) -> tuple[int, str]:
    return (-charged(item.referenced), item.name)
