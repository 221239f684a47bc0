"""One look at the machine: everything that was read, at one time, unjudged; and what drivers and filesystems add."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, TypeVar

from collectors.model import Owner, OwnerKind, UnitId, dataclass
from collectors.model.btrfs import Btrfs, Holding, Subvolume
from collectors.model.engine import DaemonConfig, EngineView
from collectors.model.filesystem import Allocation, Filesystem, FsSpace, Occupancy, OpenFiles, ProjectQuota
from collectors.model.ledger import Category, Item
from collectors.model.reading import AtLeast, Exact, Origin, Reading, Size, Unavailable, Why, charged, floor
from collectors.model.store import ContainerLog, OrphanProof, Store, StoredImage, Unit

_kept: list[tuple[Btrfs, tuple[Item, ...]]] = []


def subvolume_items(facts: Btrfs) -> tuple[Item, ...]:
    """Largest first; empty where the subvolumes could not be listed. The last answer is kept."""
    if _kept and _kept[0][0] is facts:
        return _kept[0][1]
    if not isinstance(facts.subvolumes, Exact):
        return ()
    held: dict[str, Holding] = {}
    if isinstance(facts.sharing, Exact):
        held = {holding.unit: holding for holding in facts.sharing.value.holdings}
    origin = facts.sharing.origin
    items = [_item(subvolume, held.get(subvolume.unit), origin) for subvolume in facts.subvolumes.value]
    items.sort(key=lambda item: -floor(item.referenced))
    _kept[:] = [(facts, tuple(items))]
    return _kept[0][1]


def _item(subvolume: Subvolume, holding: Holding | None, origin: Origin) -> Item:
    """One subvolume; its sizes are unread where the sharing table has no line for it."""
    unread = Unavailable(Why.NOT_ASKED, "the exact walk did not measure it", origin)
    whole: Size = unread
    own: Size = unread
    length: Size = unread
    if holding is not None:
        whole = _sum(holding.referenced_data_bytes, holding.referenced_metadata_bytes, origin)
        own = _sum(holding.exclusive_data_bytes, holding.exclusive_metadata_bytes, origin)
        length = Exact(holding.apparent_bytes, origin)
    state = "pending" if subvolume.deleted else "snapshot" if subvolume.parent_uuid else "subvolume"
    return Item(
        id=f"{subvolume.id} {subvolume.uuid}",
        owner_id=Owner(OwnerKind.SUBVOLUME, str(subvolume.id)),
        category=Category.SNAPSHOTS if subvolume.parent_uuid else Category.OTHER_FILES,
        name=subvolume.path or "(top level)",
        referenced=whole,
        exclusive=own,
        inodes=Exact(holding.inodes, origin) if holding is not None else unread,
        apparent=length,
        reclaimable=Unavailable(Why.NOT_APPLICABLE, "see the category that it belongs to", origin),
        owner="",
        state=f"{state}, read-only" if subvolume.read_only else state,
        created_at=subvolume.created_at,
        last_used_at=None,
        proof=(),
        note=f"generation {subvolume.generation}",
        inside=(),
    )


def _sum(data_bytes: int, metadata_bytes: int | None, origin: Origin) -> Size:
    """Data and metadata; a floor where the walk did not tell the metadata apart."""
    if metadata_bytes is None:
        return AtLeast(data_bytes, (Unavailable(Why.NOT_REPORTED, "its metadata was not separated", origin),), origin)
    return Exact(data_bytes + metadata_bytes, origin)


FilesystemFacts: TypeAlias = Btrfs

Facts = TypeVar("Facts", bound=FilesystemFacts)


def allocation_of(facts: Reading[FilesystemFacts] | None) -> Allocation | None:
    """What its chunks hold; None on a filesystem that hands out none, and where it could not be asked."""
    return facts.value.allocation if isinstance(facts, Exact) else None


def facts_of(reading: Reading[FilesystemFacts] | None, kind: type[Facts]) -> Facts | None:
    """The facts, where they were read and are of this kind of filesystem."""
    return reading.value if isinstance(reading, Exact) and isinstance(reading.value, kind) else None


def identity_of(filesystem: Filesystem, reading: Reading[FilesystemFacts] | None) -> str | None:
    """What tells a filesystem from others for good: its UUID, else device and mount point; None where not read."""
    if isinstance(reading, Exact):
        return reading.value.identity
    if isinstance(filesystem.space, Unavailable):
        return None
    mount, space = filesystem.mount, filesystem.space.value
    return f"{mount.fstype}:{space.fsid:x}" if space.fsid else f"{mount.fstype}:{mount.source} {mount.mountpoint}"


def data_left_bytes(facts: Btrfs) -> int | None:
    """What data can still be written, in bytes of statfs; None where the figures to tell are missing."""
    free = sum(space.free_bytes for space in facts.usable("data"))
    return _counted(facts, free - (facts.reserve_bytes if facts.usable("mixed") else 0), 0)


def reachable_bytes(facts: Btrfs) -> int | None:
    """The most that `used` of statfs can become; its own total counts parity, and room that no chunk fits into."""
    chunks = (space for space in facts.known_spaces if space.kind != "global reserve")
    return _counted(facts, 0, sum(s.logical_total_bytes * (s.copies if s.copies_of == 1 else 1) for s in chunks))


def _counted(facts: Btrfs, free_bytes: int, disk_bytes: int) -> int | None:
    """As statfs counts: disk bytes, and free ones of data chunks, with all data that can still be allocated."""
    room = facts.room("data")
    if room is None or isinstance(room.allocatable, Unavailable) or isinstance(facts.statfs, Unavailable):
        return None
    more = max(0, free_bytes + charged(room.allocatable))
    return (disk_bytes + more * room.copies) // facts.statfs.value.divisor


def loose_tree_bytes(reading: Reading[FilesystemFacts] | None) -> int | None:
    """What the tree blocks take of files that lie in no subvolume of their own, all copies, in bytes of statfs.

    Nothing tells whose of these blocks are whose. None on another kind of filesystem, and where blocks were not seen.
    """
    facts = reading.value if isinstance(reading, Exact) else None
    if facts is None or isinstance(facts.sharing, Unavailable) or isinstance(facts.statfs, Unavailable):
        return None
    if facts.sharing.value.tree_metadata_bytes is None:
        return None
    mine = (row.metadata_disk_bytes or 0 for row in facts.sharing.value.rows if UnitId("") in row.holders)
    return sum(mine) // facts.statfs.value.divisor


# What chunks leave over on a device is no reason to show another total.
_SAME_SHARE = 0.01


def shown_total(space: FsSpace, reading: Reading[FilesystemFacts] | None) -> int:
    """The total to show beside used, in bytes: statfs', or less where that counts room which nothing can use."""
    reachable = reachable_bytes(reading.value) if isinstance(reading, Exact) else None
    if reachable is None or space.total_bytes - reachable <= _SAME_SHARE * space.total_bytes:
        return space.total_bytes
    return max(reachable, space.used_bytes)


def own_items(reading: Reading[FilesystemFacts] | None) -> tuple[Item, ...]:
    """What the filesystem itself lists: parts that overlap, and whose bytes the categories hold already. Never summed.

    Largest first; empty where the kind has none or they could not be listed.
    """
    return subvolume_items(reading.value) if isinstance(reading, Exact) else ()


class Outcome(StrEnum):
    READ = "read"
    PARTIAL = "partial"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One line of coverage: what a source did. `reason` is empty where it read everything."""

    source: str
    outcome: Outcome
    reason: str
    took_s: float


@dataclass(frozen=True, slots=True)
class FilesystemStudy:
    """One filesystem that holds Docker's data."""

    filesystem: Filesystem
    units: tuple[Unit, ...]
    occupancy: Reading[Occupancy]
    filesystem_facts: Reading[FilesystemFacts] | None  # None: this kind of filesystem has none of its own
    own: Size  # what the filesystem itself takes inside `used`: metadata, reserve, copies
    open_deleted: Reading[OpenFiles]
    covered: tuple[str, ...]  # directories of it that another mount lies over: what is in them is out of sight
    snapshots: Reading[bool]  # False: this kind has none, nor deletes that are pending; True: those it has are units
    beyond_mount: bool  # are bytes met that lie outside what is mounted here?
    own_inodes: Size  # what the filesystem itself takes of its inodes
    quotas: Reading[tuple[ProjectQuota, ...]] | None = None  # of the units; None: project quotas are not enforced here

    @property
    def identity(self) -> str | None:
        """What tells this filesystem from others for good; None where it could not be read."""
        return identity_of(self.filesystem, self.filesystem_facts)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`studies` starts with the Docker root's filesystem; empty where not even that could be found.

    `assumed`: no root was found, and the first study is of where one would usually be.
    """

    host: str
    began_at: datetime
    ended_at: datetime
    docker_root: Reading[str]
    engine: EngineView
    store: Reading[Store]
    daemon_config: Reading[DaemonConfig]
    studies: tuple[FilesystemStudy, ...]
    reports: tuple[SourceReport, ...]
    assumed: bool

    @property
    def stored_images(self) -> Reading[tuple[StoredImage, ...]]:
        """Those that the store knows."""
        return self.store.value.images if isinstance(self.store, Exact) else self.store

    @property
    def logs(self) -> Reading[tuple[ContainerLog, ...]]:
        """Of containers, as they lie in the store."""
        return self.store.value.logs if isinstance(self.store, Exact) else self.store

    @property
    def proofs(self) -> Reading[tuple[OrphanProof, ...]]:
        """Of directories of the store that no owner knows."""
        return self.store.value.orphans if isinstance(self.store, Exact) else self.store

    @property
    def alone(self) -> bool:
        """Is this the store of a containerd with no engine above it? What is in use there its own database says."""
        told = isinstance(self.engine.engine, Exact)
        return not told and isinstance(self.store, Exact) and self.store.value.address is not None


@dataclass(frozen=True, slots=True)
class Disk:
    """What a look at the disk alone found, without a word of the engine's: the answer of a probe container."""

    root: Reading[str]
    store: Reading[Store]
    studies: tuple[FilesystemStudy, ...]  # as in Snapshot
    reports: tuple[SourceReport, ...]
