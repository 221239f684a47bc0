"""What items are made from: one snapshot, one filesystem, its figures, and what is in use now: facts, no plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from collectors.ledger.inside import inside_units
from collectors.ledger.release_table import Figures
from collectors.model import ContainerId, Owner, OwnerKind, dataclass
from collectors.model.engine import Container, EngineView, Flavour, Volume
from collectors.model.filesystem import PathUsage
from collectors.model.ledger import Category, Item
from collectors.model.reading import Exact, Origin, Size, Unavailable, Why, listed
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import LIES_INSIDE, Store, Unit, UnitKind

CLAIMED = "size as the engine reports it"  # the note of an item that nobody measured
RUNNING = frozenset({"running", "paused", "restarting", "removing"})


@dataclass(frozen=True, slots=True)
class Use:
    """`known` is False where the engine's containers could not be listed: then nothing may be called unused."""

    known: bool
    containers_of_image: Mapping[str, tuple[str, ...]]
    containers_of_volume: Mapping[str, tuple[str, ...]]
    running: frozenset[str]  # container ids


def uses(view: EngineView) -> Use:
    """Which containers hold which images and volumes, as the engine lists them."""
    if not isinstance(view.containers, Exact):
        return Use(False, {}, {}, frozenset())
    containers = view.containers.value
    of_image: dict[str, list[str]] = {}
    of_volume: dict[str, list[str]] = {}
    for container in containers:
        of_image.setdefault(container.image_id, []).append(container.name)
        for volume in {mount.volume for mount in container.attachments if mount.volume}:
            of_volume.setdefault(volume, []).append(container.name)
    running = frozenset(container.id for container in containers if container.state in RUNNING)
    return Use(True, _frozen(of_image), _frozen(of_volume), running)


def removable(snapshot: Snapshot) -> Mapping[OwnerKind, frozenset[Owner]]:
    """Per kind of owner, those that nothing uses now. A kind whose use is not known has no key."""
    view, use = snapshot.engine, uses(snapshot.engine)
    answer: dict[OwnerKind, frozenset[Owner]] = {}
    if isinstance(view.containers, Exact):
        stopped = (c.id for c in view.containers.value if c.id not in use.running)
        answer[OwnerKind.CONTAINER] = _owners(OwnerKind.CONTAINER, stopped)
        answer |= _unheld(view, use)
    mounts = _cache_mounts(snapshot)
    if isinstance(view.build_cache, Exact) or mounts:
        records = (record.id for record in listed(view.build_cache) if not record.in_use)
        answer[OwnerKind.BUILD] = _owners(OwnerKind.BUILD, records) | mounts
    return {**answer, **_removable_of_containerd(snapshot)}


def _cache_mounts(snapshot: Snapshot) -> frozenset[Owner]:
    units = listed(snapshot.store.value.units) if isinstance(snapshot.store, Exact) else ()
    return frozenset(owner for unit in units if unit.kind is UnitKind.CACHE_MOUNTS for owner in unit.owners)


def _unheld(view: EngineView, use: Use) -> Mapping[OwnerKind, frozenset[Owner]]:
    """Images and volumes that no container has, of one whose containers are known."""
    answer: dict[OwnerKind, frozenset[Owner]] = {}
    if isinstance(view.images, Exact):
        free = (i.id for i in view.images.value if i.id not in use.containers_of_image)
        answer[OwnerKind.IMAGE] = _owners(OwnerKind.IMAGE, free)
    if isinstance(view.volumes, Exact):
        answer[OwnerKind.VOLUME] = _owners(OwnerKind.VOLUME, (v.name for v in view.volumes.value if _free(v, use)))
    return answer


def _removable_of_containerd(snapshot: Snapshot) -> Mapping[OwnerKind, frozenset[Owner]]:
    """Of one without an engine, by its own database: it knows of no volumes and no builds."""
    stored = snapshot.stored_images
    if not snapshot.alone or isinstance(stored, Unavailable):
        return {}
    free = _owners(OwnerKind.IMAGE, (image.id for image in stored.value if image.users == ()))
    return {OwnerKind.IMAGE: free, OwnerKind.VOLUME: frozenset(), OwnerKind.BUILD: frozenset()}


def _free(volume: Volume, use: Use) -> bool:
    counted = isinstance(volume.references, Exact) and volume.references.value > 0
    return volume.name not in use.containers_of_volume and not counted


def _owners(kind: OwnerKind, names: Iterable[str]) -> frozenset[Owner]:
    return frozenset(Owner(kind, name) for name in names)


def _frozen(lists: dict[str, list[str]]) -> Mapping[str, tuple[str, ...]]:
    return {key: tuple(sorted(names)) for key, names in lists.items()}


def label(container: Container) -> str:
    """A container in words: name and state."""
    return f"{container.name} ({container.state})"


@dataclass(frozen=True, slots=True)
class Desk:
    snapshot: Snapshot
    study: FilesystemStudy
    figures: Figures
    use: Use
    containers: Mapping[ContainerId, Container]
    elsewhere: Mapping[Owner, str]  # who has nothing here, and on which other filesystem the bytes lie
    origin: Origin

    def item(
        self,
        key: Owner,
        category: Category,
        name: str,
        *,
        state: str,
        free: bool | None,
        owner: str = "",
        created: datetime | None = None,
        used: datetime | None = None,
        fallback: Size | None = None,
        own_only: bool = False,
    ) -> Item:
        """The item of one owner.

        `free` says whether it can go now, None where that is not known. `own_only` shows what a container adds to
        its row, not the image that it stands on.
        """
        exclusive = self.figures.exclusive(key)
        referenced = self.figures.beyond_images(key) if own_only else self.figures.referenced(key)
        inodes, apparent, note = self.figures.inodes(key, beyond_images=own_only), self.figures.apparent(key), ""
        if key in self.elsewhere:
            referenced = exclusive = inodes = apparent = Exact(0, self.origin)
            note = f"its bytes lie on {self.elsewhere[key]}"
        elif isinstance(referenced, Unavailable) and fallback is not None and not isinstance(fallback, Unavailable):
            referenced, note = fallback, CLAIMED
        return Item(
            id=key.id,
            owner_id=key,
            category=category,
            name=name,
            referenced=referenced,
            exclusive=exclusive,
            inodes=inodes,
            apparent=apparent,
            reclaimable=self._reclaimable(key, exclusive, free),
            owner=owner,
            state=state,
            created_at=created,
            last_used_at=used,
            proof=(),
            note=note,
            inside=self.inside(key, own_only=own_only),
        )

    def name_on_disk(self, owner: Owner) -> str:
        """What the store itself calls an image or container that no engine names; "" where it has no name for it."""
        stored, store = self.snapshot.stored_images, self.snapshot.store
        if owner.kind is OwnerKind.IMAGE and isinstance(stored, Exact):
            return next((" ".join(i.tags) for i in stored.value if i.id == owner.id), "")
        if owner.kind in (OwnerKind.CONTAINER, OwnerKind.LOG) and isinstance(store, Exact):
            return _container_on_disk(store.value, owner.id)
        return ""

    def place(self, unit: Unit, owner: Owner) -> str:
        """`core.4711 in container web-1`: what lies inside something is named after that, not after its directory."""
        what = unit.name.partition(" in ")[0]
        if unit.kind not in LIES_INSIDE or owner.kind not in (OwnerKind.CONTAINER, OwnerKind.VOLUME):
            return unit.name
        if owner.kind is OwnerKind.VOLUME:
            return f"{what} in volume {owner.id}"
        container = self.containers.get(ContainerId(owner.id))
        name = container.name if container else self.name_on_disk(owner) or owner.id[:12]
        return f"{what} in container {name}"

    def inside(self, key: Owner, *, own_only: bool) -> tuple[PathUsage, ...]:
        """The largest directories and files of an owner; `own_only`: of its units that nobody else owns."""
        mine = self.figures.units.get(key, ())
        return self.inside_units(unit for unit in mine if not own_only or unit.owners == {key})

    def inside_units(self, units: Iterable[Unit]) -> tuple[PathUsage, ...]:
        """The same of some units."""
        occupancy, store = self.study.occupancy, self.snapshot.store
        contents = store.value.driver_facts.contents if isinstance(store, Exact) else ""
        return inside_units(units, occupancy.value.usages, contents) if isinstance(occupancy, Exact) else ()

    def _reclaimable(self, key: Owner, exclusive: Size, free: bool | None) -> Size:
        if free is not None:
            return exclusive if free else Exact(0, self.origin)
        if key.kind is OwnerKind.LOG:  # a log can be cut whoever writes it
            return exclusive
        return Unavailable(Why.NOT_REACHABLE, "it is not known whether anything uses it", self.origin)


def _container_on_disk(store: Store, container: str) -> str:
    rows = store.container_layers
    return (
        next((row.name for row in rows.value if row.container_id == container), "") if isinstance(rows, Exact) else ""
    )


def desk(snapshot: Snapshot, study: FilesystemStudy, figures: Figures, origin: Origin) -> Desk:
    """Lay out what items are made from."""
    listed = snapshot.engine.containers
    containers = {c.id: c for c in listed.value} if isinstance(listed, Exact) else {}
    return Desk(
        snapshot, study, figures, uses(snapshot.engine), containers, _elsewhere(snapshot, study, figures), origin
    )


def _elsewhere(snapshot: Snapshot, study: FilesystemStudy, figures: Figures) -> Mapping[Owner, str]:
    mine = study.filesystem.mount
    beside = dict.fromkeys(_in_another_store(snapshot), "another image store that the engine reads")
    others = (other for other in snapshot.studies if other.filesystem.mount != mine)
    return beside | {
        owner: other.filesystem.mount.mountpoint
        for other in others
        for unit in other.units
        for owner in unit.owners
        if owner not in figures.units
    }


def _in_another_store(snapshot: Snapshot) -> Iterable[Owner]:
    """Images that Podman lists and its own store does not hold: it may read further ones, or keep all images apart."""
    view, stored = snapshot.engine, snapshot.stored_images
    if view.tool != Flavour.PODMAN or isinstance(stored, Unavailable):
        return ()
    here = {image.id for image in stored.value}
    return (Owner(OwnerKind.IMAGE, image.id) for image in listed(view.images) if image.id not in here)
