"""btrfs as the kernel and the trees describe it.

*Logical* bytes are counted once whatever the profile; *physical* bytes include the profile's copies. *Referenced* bytes
are reachable from a subvolume, *exclusive* bytes from nowhere else. Exclusive values do not add up: deleting two clones
frees what neither held alone; that is what the sharing table is for.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from enum import StrEnum

from collectors.model import SubvolumeId, UnitId, dataclass
from collectors.model.filesystem import Allocation
from collectors.model.reading import Exact, Reading, Size, Unavailable, Why, charged, charged_or_none

# Relocation reserves 256 nodes, and its transactions come on top: of 16 KiB, it failed at 5.25 MiB and worked at 6.8.
RESERVED_NODES = 2 * 256


@dataclass(frozen=True, slots=True)
class Device:
    devid: int
    path: str
    uuid: str
    total_bytes: int
    allocated_bytes: int  # in chunks; the rest is unallocated
    errors: Reading[tuple[tuple[str, int], ...]]  # write_errs, read_errs, flush_errs, corruption_errs, generation_errs
    missing: bool  # known to the filesystem, and not there
    takes_chunks: bool  # False also of a seed, and of the target of a replacement


@dataclass(frozen=True, slots=True)
class Space:
    """All block groups of one kind and profile."""

    kind: str  # data, metadata, system, mixed, global reserve
    profile: str  # single, DUP, RAID1 …
    logical_total_bytes: int
    logical_used_bytes: int
    copies: int  # physical bytes a logical byte takes, times `copies_of`
    copies_of: int  # RAID5/6 take n/(n−parity): copies / copies_of

    @property
    def free_bytes(self) -> int:
        """Logical, in the chunks that there are."""
        return self.logical_total_bytes - self.logical_used_bytes


@dataclass(frozen=True, slots=True)
class Room:
    """What chunks that are still to be made could hold, of one kind, were all the room theirs.

    In logical bytes, by the kernel's rule for the profile of the next chunk. Bounds where no places could be read.
    """

    kind: str  # data, metadata, mixed
    profile: str  # of the next chunk
    copies: int  # of each byte in it, as statfs counts them
    allocatable: Size
    chunk_bytes: int  # the most of one chunk, logical


@dataclass(frozen=True, slots=True)
class StatfsRule:
    """How statfs counts: all copies of what is used, divided by those of one data profile, whatever others hold."""

    divisor: int
    reserve_counted: bool  # whether the global reserve is called used


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk with the fill of its block group; what a balance filter is derived from."""

    kind: str
    profile: str
    logical_start: int
    logical_bytes: int
    used_bytes: int


class QuotaMode(StrEnum):
    OFF = "off"
    FULL = "full"
    SIMPLE = "simple"  # squota: counts ownership, not sharing


@dataclass(frozen=True, slots=True)
class Qgroup:
    subvolume: SubvolumeId
    referenced_bytes: int
    exclusive_bytes: int


@dataclass(frozen=True, slots=True)
class Quotas:
    mode: QuotaMode
    consistent: bool
    rescanning: bool
    groups: Reading[tuple[Qgroup, ...]]  # INCONSISTENT where the kernel flags them so, or counts anew


@dataclass(frozen=True, slots=True)
class Subvolume:
    id: SubvolumeId
    parent: SubvolumeId | None
    path: str  # below the filesystem's top level, "" for the top level itself; not resolvable: "<deleted>"
    uuid: str
    parent_uuid: str  # "" where it is no snapshot
    generation: int
    read_only: bool
    created_at: datetime | None
    deleted: bool  # ORPHAN item or no references left: waiting for the cleaner

    @property
    def unit(self) -> UnitId:
        """The name of this subvolume as a holder of bytes: its path, "" for the top level, "<deleted>/<id>"."""
        return UnitId(f"<deleted>/{self.id}" if self.deleted else self.path)


@dataclass(frozen=True, slots=True)
class SplitRule:
    """Everything at and below `path` is a holder of its own, named `unit`.

    `path` is below the filesystem's top level (as `Subvolume.path` is), a directory or a single file; the deepest rule
    wins, several rules may name one unit. A rule that names a subvolume's own path renames that subvolume. Subvolumes
    nested below `path` stay holders of their own. Hard links belong to the first name. Data is split, and so are
    leaves in which nothing else lies; all other tree blocks stay with the subvolume.
    """

    path: str
    unit: UnitId


@dataclass(frozen=True, slots=True)
class Holding:
    """What one unit (subvolume, or a directory split from one) holds, in bytes. Data and metadata apart.

    Metadata is None under the tree search, which does not see tree blocks; of a split directory it is its leaves.
    """

    unit: UnitId
    referenced_data_bytes: int
    exclusive_data_bytes: int
    referenced_metadata_bytes: int | None
    exclusive_metadata_bytes: int | None
    apparent_bytes: int  # Σ st_size of its regular files and symlinks, counted once per inode
    inodes: int


@dataclass(frozen=True, slots=True)
class Shared:
    """One row of the sharing table: bytes held by exactly this set of units.

    Disk bytes are those in all copies of the chunks that they lie in, as the kernel's `disk_used` has them: parity is
    not counted. While profiles are being converted, no one factor leads from logical bytes to them.
    Trees that are no subvolume are holders too, in angle brackets: "<extent tree>", "<checksum tree>", "<root tree>"
    (which also holds the free space cache's data) … Files that are deleted and still open are held by "<unlinked>".
    """

    holders: frozenset[UnitId]
    data_bytes: int
    metadata_bytes: int | None  # None: not seen (tree search)
    data_disk_bytes: int
    metadata_disk_bytes: int | None


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file where it was made; its bytes as if it were alone: extents that it shares are counted whole."""

    path: str  # below the top level
    bytes: int  # logical, on disk
    apparent_bytes: int


@dataclass(frozen=True, slots=True)
class Sharing:
    """The exact sharing table of one filesystem.

    `residual_*` is what the self-check left over: the block groups' own counters of the same committed generation minus
    the sum of the rows. Not zero means inexact; None could not be checked (the tree search sees no metadata).
    `drift_*` is SPACE_INFO's figure at the end of the walk minus the sum: what was written or freed since the commit.
    Metadata includes system. Mixed block groups do not tell data from metadata: both are then checked under data.
    """

    generation: int | None  # of the superblock that was walked; None: searched on a kernel that does not tell
    method: str  # "device trees" or "tree search"
    fallback: str  # why it is not "device trees"; "" where it is
    rows: tuple[Shared, ...]
    holdings: tuple[Holding, ...]
    tree_metadata_bytes: int | None  # logical, every tree, one copy
    residual_data_bytes: int | None
    residual_metadata_bytes: int | None
    drift_data_bytes: int | None
    drift_metadata_bytes: int | None
    bookend_bytes: int  # pinned by overwritten extents of which only a part is still referenced
    compressed_bytes: int  # on disk, of the compressed extents
    uncompressed_bytes: int  # what they hold
    unresolved: tuple[str, ...]  # paths of split rules that the committed trees do not know
    blocks_read: int
    restarts: int
    age_s: float  # 0: walked now; else the age of the reused result
    large_files: tuple[LargeFile, ...] = ()  # largest first; none in older recordings, and after a tree search
    blocks_remembered: int = 0  # leaves that an earlier look had read, so that this one did not
    memory_lost: str = ""  # why all blocks were read although leaves had been remembered


@dataclass(frozen=True, slots=True)
class Btrfs:
    """One btrfs filesystem; each part arrives or says which privilege it lacked."""

    uuid: str
    temporary_uuid: bool  # made up by the kernel, for this mount: one with the uuid on disk was mounted already
    generation: Reading[int]
    node_bytes: int
    sector_bytes: int
    devices: Reading[tuple[Device, ...]]
    spaces: Reading[tuple[Space, ...]]
    chunks: Reading[tuple[Chunk, ...]]
    unallocated_bytes: Size  # a sum over devices: what can be placed there is told by `rooms`
    rooms: Reading[tuple[Room, ...]]
    statfs: Reading[StatfsRule]
    operation: Reading[str]  # what runs alone on it: none, balance, balance paused, device replace …
    subvolumes: Reading[tuple[Subvolume, ...]]
    quotas: Reading[Quotas]
    sharing: Reading[Sharing]

    @property
    def identity(self) -> str:
        """Which filesystem this is, wherever it is mounted."""
        return f"btrfs:{self.uuid}"

    @property
    def known_devices(self) -> tuple[Device, ...]:
        """None of them where they could not be listed."""
        return self.devices.value if isinstance(self.devices, Exact) else ()

    @property
    def known_spaces(self) -> tuple[Space, ...]:
        """None of them where they could not be listed."""
        return self.spaces.value if isinstance(self.spaces, Exact) else ()

    @property
    def reserve_bytes(self) -> int:
        """The global reserve: a part of metadata that only the kernel itself may use."""
        return sum(space.logical_total_bytes for space in self.known_spaces if space.kind == "global reserve")

    def room(self, kind: str) -> Room | None:
        """What new chunks of a kind could hold; mixed ones hold either. None where it could not be told."""
        rooms = self.rooms.value if isinstance(self.rooms, Exact) else ()
        return next((room for room in rooms if room.kind in (kind, "mixed")), None)

    def usable(self, kind: str) -> tuple[Space, ...]:
        """The chunks of a kind that new writes may use: where profiles differ, only those of the next chunk's."""
        room = self.room(kind)
        mine = (space for space in self.known_spaces if room is not None and space.kind == room.kind)
        return tuple(space for space in mine if room is not None and room.profile in ("single", space.profile))

    @property
    def profiles(self) -> dict[str, tuple[str, ...]]:
        """The profiles of the chunks of each kind, those with the most bytes first."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for space in sorted(self.known_spaces, key=lambda space: -space.logical_total_bytes):
            if space.kind != "global reserve" and space.logical_total_bytes:
                found[space.kind].append(space.profile)
        return {kind: tuple(names) for kind, names in found.items()}

    @property
    def allocation(self) -> Allocation | None:
        """What the chunks hold; None where they could not be listed. Mixed chunks count as data."""
        if isinstance(self.spaces, Unavailable):
            return None
        sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        for space in self.spaces.value:
            kind = "data" if space.kind.lower() == "mixed" else space.kind.lower()
            sums[kind][0] += space.logical_total_bytes
            sums[kind][1] += space.logical_used_bytes
        (data, data_used), (metadata, metadata_used) = sums["data"], sums["metadata"]
        allocatable = (self.room("data"), self.room("metadata"))
        more = tuple(None if room is None else charged(room.allocatable) for room in allocatable)
        unallocated = charged_or_none(self.unallocated_bytes)
        return Allocation(data, data_used, metadata, metadata_used, unallocated, *more)

    @property
    def unread(self) -> tuple[Unavailable, ...]:
        """The parts of the cheap figures that were not there, with their reasons."""
        parts = (self.devices, self.spaces, self.chunks, self.rooms, self.statfs, self.subvolumes, self.quotas)
        return tuple(part for part in parts if isinstance(part, Unavailable) and part.why is not Why.NOT_APPLICABLE)
