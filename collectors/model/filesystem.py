"""Mounts, filesystems' own figures, and what a walk measured."""

from __future__ import annotations

import math
from collections.abc import Mapping

from collectors.model import ContainerId, UnitId, dataclass
from collectors.model.reading import Reading, Size, Unavailable


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo, unescaped."""

    mount_id: int
    parent_id: int  # the mount that this one lies on; itself or unlisted for the root
    device: str  # "254:0"
    root: str  # path within the filesystem that is mounted here
    mountpoint: str
    options: tuple[str, ...]  # per mount
    fstype: str
    source: str
    super_options: tuple[str, ...]  # per superblock: a forced read-only shows here

    @property
    def takes_no_writes(self) -> bool:
        """Whether the filesystem is read-only, however it is mounted here.

        Since Linux 6.15 ext4 keeps "rw" where an error made it read-only, and says so in words of its own.
        """
        return not {"ro", "emergency_ro", "shutdown"}.isdisjoint(self.super_options)


def used_percent(used_bytes: int, usable_bytes: int) -> int:
    """THE used %: of what users may use, in whole percent rounded up, as df prints it; 0 to 100.

    Every severity, target and forecast goes by this value and every face shows it, so that no two can disagree.
    """
    return -(-used_bytes * 100 // usable_bytes) if usable_bytes > 0 else 0


def most_used_bytes(percent: float, usable_bytes: int) -> int:
    """The most used bytes at which the used % is not above `percent`: one byte more, and it is.

    A `percent` with a fraction means the whole percent below it.
    """
    return usable_bytes * math.floor(percent) // 100


@dataclass(frozen=True, slots=True)
class FsSpace:
    """statvfs of one filesystem, in bytes. `free` counts blocks reserved for root, `available` does not."""

    fsid: int
    block_bytes: int
    total_bytes: int
    free_bytes: int
    available_bytes: int
    inodes: int  # 0: the filesystem makes them as it goes (btrfs)
    inodes_free: int
    inodes_available: int
    read_only: bool

    @property
    def used_bytes(self) -> int:
        """What statfs calls used: total − free. Reserved blocks are not used."""
        return self.total_bytes - self.free_bytes

    @property
    def usable_bytes(self) -> int:
        """What users may use: used and available, without the blocks reserved for root."""
        return self.used_bytes + self.available_bytes

    @property
    def used_percent(self) -> int:
        """How full it is, for judging and for showing: see `used_percent`."""
        return used_percent(self.used_bytes, self.usable_bytes)

    def used_percent_after(self, freed_bytes: int) -> int:
        """How full it is once `freed_bytes` have come free."""
        return used_percent(max(0, self.used_bytes - freed_bytes), self.usable_bytes)

    @property
    def inodes_used(self) -> int | None:
        """Inodes in use; None where the filesystem makes them as it goes."""
        return self.inodes - self.inodes_free if self.inodes else None

    @property
    def inodes_used_percent(self) -> int | None:
        """Used inodes in whole percent, rounded up; None where the filesystem makes them as it goes."""
        used = self.inodes_used
        return None if used is None else used_percent(used, self.inodes)


@dataclass(frozen=True, slots=True)
class Filesystem:
    mount: Mount
    space: Reading[FsSpace]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one directory tree takes.

    Hard links are counted once per filesystem, at the first of their holders in the order in which units were given.
    """

    allocated: Size  # st_blocks × 512; on btrfs under the exact walk: referenced bytes
    apparent: Size  # Σ st_size of regular files and symlinks
    inodes: Reading[int]
    modified_at: Reading[float]  # newest mtime of the unit's own top directories, Unix seconds
    inside: tuple[PathUsage, ...]  # its largest directories and files, paths from its root on; of HOST_UNIT: files


@dataclass(frozen=True, slots=True)
class PathUsage:
    """A directory or a large file: what a thing, or what lies outside every unit, consists of mostly.

    The figures of a directory are of everything below it that no other directory or file of its list holds, so that a
    list adds up. Apparent bytes are Σ st_size.
    """

    path: str
    is_directory: bool
    allocated_bytes: int
    apparent_bytes: int
    inodes: int
    hidden_by: str  # the mountpoint that covers it, so that no path leads there any more; "": it can be seen


@dataclass(frozen=True, slots=True)
class OpenDeleted:
    """An unlinked file that a process keeps open."""

    device: str  # "254:0"
    inode: int
    allocated_bytes: int
    apparent_bytes: int
    path: str  # where it was
    pid: int  # 0: the kernel itself, for a loop device
    command: str  # with pid 0: the loop device, /dev/loop0
    container: str  # container id from the process's cgroup, "" for the host's own
    started_ticks: int | None  # when the process started, in clock ticks since boot; None: not known


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """Every unlinked file that is still open on a filesystem, each once. `unread` names what could not be looked into.

    With an empty `unread` the scan was whole: no file means that there is none.
    """

    files: tuple[OpenDeleted, ...]
    unread: tuple[Unavailable, ...]


@dataclass(frozen=True, slots=True)
class ProjectQuota:
    """What a directory may take, whatever room the filesystem has: its project's limit, and what the project takes."""

    unit: UnitId
    limit_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """A filesystem that hands out chunks: logical bytes of those for data and metadata, and device bytes in none.

    Allocatable is what new chunks of one kind could hold, were all the room theirs. None: not told.
    """

    data_total_bytes: int
    data_used_bytes: int
    metadata_total_bytes: int
    metadata_used_bytes: int
    unallocated_bytes: int | None
    allocatable_data_bytes: int | None
    allocatable_metadata_bytes: int | None


@dataclass(frozen=True, slots=True)
class ContainerView:
    """What a container that was given nothing but the socket knows of its host's disk.

    Docker binds /etc/hostname from the container's directory under its root, so statvfs of `path` is the host's. Podman
    binds it from where it keeps what does not outlive a boot; there the container's own root lies on the right disk.
    """

    container_id: ContainerId
    path: str  # open this one to ask the host's filesystem: "/etc/hostname", "/"
    device: str  # of the bound file: "254:0"
    fstype: str
    source: str  # "/dev/vda1", as the host names it
    docker_root: str  # within that filesystem: the host's path where it is mounted at /


@dataclass(frozen=True, slots=True)
class Share:
    """Physical bytes and inodes that are held by exactly these units; they are freed when all of them are gone."""

    holders: frozenset[UnitId]
    bytes: int
    tree_bytes: int  # of them, in the filesystem's own tree blocks (btrfs), all copies; the rest are data
    inodes: int | None  # None: not counted by who holds them (where the filesystem has no fixed number)


@dataclass(frozen=True, slots=True)
class OwnUse:
    """What a filesystem takes for itself inside its used bytes and its used inodes.

    `unlinked`: the files without a name that it still keeps, by inode (on btrfs of one subvolume or another): somebody
    has each open. None: it does not tell.
    """

    bytes: Size
    inodes: Size
    unlinked: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Who holds the bytes of one filesystem: the result of a walk, or of the exact walk of btrfs.

    `shares` add up: each physical byte and each inode stands in exactly one. A unit that is missing in `usages` was not
    measured, and `unread` says why something is missing; with an empty `unread` the filesystem was read whole.
    """

    method: str  # "walk", "btrfs trees", …
    usages: Mapping[UnitId, Usage]
    shares: tuple[Share, ...]
    largest_others: tuple[PathUsage, ...]  # directories of HOST_UNIT
    unread: tuple[Unavailable, ...]
    errors_count: int
    age_s: float  # 0 for measured now; else the age of the reused result
    inodes_read: int | None  # every inode that was met, also of units that are not whole; None: not counted
