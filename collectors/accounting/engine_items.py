"""Items that the engine names: images, containers, logs, volumes, build cache records."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from collectors.accounting.desk import Desk
from collectors.accounting.use import RUNNING
from collectors.model.engine import BuildRecord, Image, Volume
from collectors.model.ledger import Category, Item
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Reading
from collectors.model.store import ContainerLog


def images(desk: Desk) -> Iterable[Item]:
    listed = desk.snapshot.engine.images
    if isinstance(listed, Exact):
        for image in listed.value:
            yield _image(desk, image)
    else:
        store = desk.snapshot.store
        if isinstance(store, Exact) and isinstance(store.value.images, Exact):
            for stored in store.value.images.value:
                name = stored.tags[0] if stored.tags else stored.id.removeprefix("sha256:")[:12]
                yield desk.item(Owner(OwnerKind.IMAGE, stored.id), Category.IMAGES, name, state="unknown", free=None)


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
            owner=container.image,
            created=_value(container.created_at),
            used=_value(container.finished_at),
            fallback=container.writable,
            own_only=True,
        )


def logs(desk: Desk) -> Iterable[Item]:
    store = desk.snapshot.store
    if not (isinstance(store, Exact) and isinstance(store.value.logs, Exact)):
        return
    for log in store.value.logs.value:
        yield _log(desk, log)


def _log(desk: Desk, log: ContainerLog) -> Item:
    container = desk.containers.get(log.container_id)
    name = container.name if container else log.container_id[:12]
    return desk.item(
        Owner(OwnerKind.LOG, log.container_id),
        Category.LOGS,
        name,
        state=log.driver if log.rotates else f"{log.driver}, no rotation",
        free=None,
        owner=name,
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
