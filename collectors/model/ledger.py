"""The books: every used byte of a filesystem in exactly one category, and the items behind each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from collectors.model import Owner, dataclass
from collectors.model.filesystem import Filesystem, PathUsage
from collectors.model.reading import Reading, Size


class Category(StrEnum):
    """Stable identifiers, in the order in which the ledger prints them."""

    IMAGES = "images"
    CONTAINERS = "containers"
    LOGS = "logs"
    VOLUMES = "volumes"
    BUILD_CACHE = "build_cache"
    ORPHANS = "orphans"
    DOCKER_OTHER = "docker_other"
    SNAPSHOTS = "snapshots"
    DELETED_PENDING = "deleted_pending"
    DELETED_OPEN = "deleted_open"
    OTHER_FILES = "other_files"
    METADATA = "metadata"
    UNATTRIBUTED = "unattributed"

    @property
    def words(self) -> str:
        """What a reader is told it is, in every face: `other Docker files`. Tables and programs have the value."""
        return _WORDS[self][1]

    def counted(self, count: int) -> str:
        """What so many things of it are called: `1 container log`, `build cache`."""
        one, several = _WORDS[self]
        return f"{count:,} {one if count == 1 else several}" if one else several

    def several(self, count: int) -> str:
        """The same without the number."""
        one, several = _WORDS[self]
        return one if one and count == 1 else several


# One of a category, "" where they are not counted, and all of it.
_WORDS = {
    Category.IMAGES: ("image", "images"),
    Category.CONTAINERS: ("container layer", "container layers"),
    Category.LOGS: ("container log", "container logs"),
    Category.VOLUMES: ("volume", "volumes"),
    Category.BUILD_CACHE: ("", "build cache"),
    Category.ORPHANS: ("orphaned layer", "orphaned layers"),
    Category.DOCKER_OTHER: ("", "other Docker files"),
    Category.SNAPSHOTS: ("snapshot", "snapshots"),
    Category.DELETED_PENDING: ("deleted subvolume", "deleted subvolumes"),
    Category.DELETED_OPEN: ("open deleted file", "open deleted files"),
    Category.OTHER_FILES: ("", "files outside Docker"),
    Category.METADATA: ("", "filesystem metadata"),
    Category.UNATTRIBUTED: ("", "unattributed use"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One category. The rows of a ledger sum to the filesystem's used bytes and used inodes, `unattributed` included.

    Where the filesystem has no fixed number of inodes, `inodes` are unknown in every row.
    """

    category: Category
    charged: Size
    inodes: Size
    apparent: Size
    reclaimable: Size
    method: str
    reason: str  # why a figure is missing or inexact; "" where there is nothing to explain


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a category. `referenced` values overlap where bytes are shared, `exclusive` values do not add up."""

    id: str
    owner_id: Owner
    category: Category
    name: str
    referenced: Size  # every byte it holds, shared ones too
    exclusive: Size  # freed when it alone goes
    inodes: Size  # every inode that it holds, shared ones too
    apparent: Size  # Σ st_size
    reclaimable: Size  # freed by removing it now; exact 0 while it is in use
    owner: str  # who it belongs to, in words: image of a container, containers of a volume, subvolume's path …
    state: str  # running, dangling, unused, in use, orphan, young, pending …
    created_at: datetime | None
    last_used_at: datetime | None
    proof: tuple[str, ...]  # orphans: the owner sources that were read and do not know it
    note: str
    inside: tuple[PathUsage, ...]  # its largest directories and files, as paths in it; (): none stands out, or not read


@dataclass(frozen=True, slots=True)
class Thing:
    """What bytes of a category are charged to, each byte to one thing. `owner` tells it from others for good."""

    owner: Owner
    category: Category
    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Ledger:
    filesystem: Filesystem
    rows: tuple[Row, ...]  # every category once, in Category's order
    items: Mapping[Category, tuple[Item, ...]]  # largest first
    things: tuple[Thing, ...] | None  # largest first, small ones left out; None: not looked into, or not recorded
    note: str  # what makes the ledger inexact as a whole, "" for nothing

    def row(self, category: Category) -> Row:
        """The row of one category; every ledger has all of them."""
        return next(row for row in self.rows if row.category is category)


@dataclass(frozen=True, slots=True)
class Release:
    """Bytes and inodes that come free once all of `owners` are gone."""

    owners: frozenset[Owner]
    bytes: int
    tree_bytes: int  # of them, in the filesystem's own tree blocks (btrfs): these are freed but for what the trees keep
    inodes: int | None  # None: not counted, since the filesystem has no fixed number


@dataclass(frozen=True, slots=True)
class Books:
    """Who must go for which bytes: the shares of a filesystem in terms of owners. Sets, never sums.

    `releases` adds up to every byte that has owners at all; `unread` says what the table does not know.
    """

    releases: tuple[Release, ...]
    unread: Reading[None]  # Exact(None) where everything was measured


@dataclass(frozen=True, slots=True)
class Bill:
    """What one group of things holds, over all filesystems: those of a compose project, a stack, a label, a repository.

    `exclusive` comes free when all of the group goes; of what others hold too `shared` is all, no part. `logs` and
    `volumes` are parts of the two.
    """

    by: str  # "project", "stack", "service", "repository" or "label:KEY"
    name: str  # of the project, stack or repository, the value of the label; "" for what has none
    things: int  # containers, volumes and images
    exclusive: Size
    shared: Size
    logs: Size
    volumes: Size
