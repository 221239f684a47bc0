"""A made-up host of which everything is known, since it was put there: things, who shares which bytes, what is short.

The truth is held in words of its own and asked by arithmetic of its own; `shown.py` turns it into what the program is
given. Refuses to import anything of the program but the names of owners.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import chain

from collectors.model import Owner, OwnerKind

MIB = 1 << 20
GIB = 1 << 30
DAY_H = 24.0


class Kind(StrEnum):
    """What a thing is. The value is its class in the plural, as a sentence would name it."""

    IMAGE = "images"
    DANGLING = "dangling images"
    RUNNING = "containers"
    STOPPED = "stopped containers"
    LOG = "container logs"
    VOLUME = "volumes"
    CACHE = "build cache"
    ORPHAN = "unreferenced layers"
    DOWNLOAD = "temporary files"
    DIRECTORY = "files outside Docker"
    OPEN = "deleted files"
    SNAPSHOT = "snapshots"


_OWNERS = {
    Kind.IMAGE: OwnerKind.IMAGE,
    Kind.DANGLING: OwnerKind.IMAGE,
    Kind.RUNNING: OwnerKind.CONTAINER,
    Kind.STOPPED: OwnerKind.CONTAINER,
    Kind.LOG: OwnerKind.LOG,
    Kind.VOLUME: OwnerKind.VOLUME,
    Kind.CACHE: OwnerKind.BUILD,
    Kind.ORPHAN: OwnerKind.ORPHAN,
    Kind.DOWNLOAD: OwnerKind.LEFTOVER,
    Kind.SNAPSHOT: OwnerKind.SNAPSHOT,
}
# How old a thing has to be before it may go unasked, in hours; nothing else waits.
AGES_H = {Kind.CACHE: 24.0, Kind.DANGLING: 24.0, Kind.IMAGE: 7 * DAY_H, Kind.STOPPED: 3 * DAY_H}


@dataclass(frozen=True, slots=True)
class Thing:
    """One holder. `name` is what a person calls it; no name of a host is part of another one."""

    kind: Kind
    name: str
    key: str  # id of its owner: of an image, container, volume …; the path of a directory
    own_bytes: int  # what nobody else holds, read or not
    inodes: int
    idle_h: float  # since it was last used, made or ended
    used_by: str = ""  # name of the container that uses it, or of a build: then it stays
    kept: bool = False  # by a label
    needs: str = ""  # name of what has to go before it: the stopped container of an image, the child of a cache record
    read_share: float = 1.0  # of its own bytes, how many a walk that was cut short had seen
    grows_bytes_per_day: int = 0

    @property
    def owner(self) -> Owner | None:
        """Who has to go for it to go; None for what no step can remove."""
        kind = _OWNERS.get(self.kind)
        return Owner(kind, self.key) if kind is not None else None

    @property
    def young(self) -> bool:
        """Would `--apply` leave it alone for now?"""
        return self.idle_h < AGES_H.get(self.kind, 0.0)

    @property
    def read_bytes(self) -> int:
        """Of its own bytes, those that were seen."""
        return int(self.own_bytes * self.read_share)

    @property
    def own_harm(self) -> int | None:
        """What removing it costs, 0 to 4, as DESIGN orders harms; None for what is in use or kept."""
        if self.kept or (self.used_by and self.kind is not Kind.LOG):
            return None
        by_kind = {
            Kind.IMAGE: 1, Kind.DANGLING: 1, Kind.DOWNLOAD: 1, Kind.LOG: 2, Kind.STOPPED: 3, Kind.ORPHAN: 3,
            Kind.VOLUME: 4, Kind.SNAPSHOT: 4, Kind.DIRECTORY: 4, Kind.OPEN: 4,
        }  # fmt: skip
        if self.kind is Kind.CACHE:
            return 1 if self.young else 0
        return by_kind.get(self.kind)


@dataclass(frozen=True, slots=True)
class Shared:
    """Bytes that several things hold: they come free when the last of them goes."""

    bytes: int
    names: frozenset[str]


@dataclass(frozen=True)
class Host:
    """A filesystem with Docker on it. Names of things are unique."""

    seed: int
    shape: str
    fstype: str
    things: tuple[Thing, ...]
    shared: tuple[Shared, ...]
    own_bytes: int  # the filesystem's own
    stray_bytes: int  # that no source can explain
    total_bytes: int
    inodes: int  # 0: made as it goes
    target_percent: int

    @cached_property
    def by_name(self) -> Mapping[str, Thing]:
        return {thing.name: thing for thing in self.things}

    @cached_property
    def used_bytes(self) -> int:
        parts = chain((thing.own_bytes for thing in self.things), (one.bytes for one in self.shared))
        return sum(parts) + self.own_bytes + self.stray_bytes

    @cached_property
    def used_inodes(self) -> int:
        return sum(thing.inodes for thing in self.things)

    def harm(self, thing: Thing) -> int | None:
        """What its removal costs with all that has to go before it; None where something of that stays."""
        mine = thing.own_harm
        if not thing.needs:
            return mine
        before = self.harm(self.by_name[thing.needs])
        return None if mine is None or before is None else max(mine, before)

    @property
    def used_percent(self) -> int:
        """Rounded up, as df does."""
        return -(-self.used_bytes * 100 // self.total_bytes)

    @property
    def inodes_percent(self) -> int:
        return -(-self.used_inodes * 100 // self.inodes) if self.inodes else 0

    @property
    def short_of_inodes(self) -> bool:
        """Is the alarm about inodes? They are judged from 90 % on, bytes from 70."""
        return self.inodes_percent >= 90 and self.used_percent < 90

    @property
    def cut(self) -> bool:
        """Did the walk not come to its end?"""
        return any(thing.read_share < 1 for thing in self.things)

    @property
    def whole(self) -> Host:
        """The same host, read to its end."""
        return replace(self, things=tuple(replace(thing, read_share=1.0) for thing in self.things))

    @cached_property
    def unread_bytes(self) -> int:
        """What the walk did not come to: it may belong to any of the things that it did not read whole."""
        return sum(thing.own_bytes - thing.read_bytes for thing in self.things)

    def least(self, thing: Thing) -> int:
        """The bytes that are this thing's and nobody else's, as far as they were read."""
        return thing.inodes if self.short_of_inodes else thing.read_bytes

    def most(self, thing: Thing) -> int:
        """Every byte that it holds, shared ones too, and what may be its of what was not read."""
        if self.short_of_inodes:
            return thing.inodes
        with_others = sum(one.bytes for one in self.shared if thing.name in one.names)
        unread = self.unread_bytes + self.stray_bytes if thing.read_share < 1 else 0
        return thing.read_bytes + with_others + unread

    def freed_bytes(self, owners: Iterable[Owner]) -> int:
        """What comes free, as far as it was read, when exactly these are gone. A container takes its log along."""
        names = self._gone(owners)
        alone = sum(self.by_name[name].read_bytes for name in names)
        return alone + sum(one.bytes for one in self.shared if one.names <= names)

    def freed_inodes(self, owners: Iterable[Owner]) -> int:
        """Likewise. A log is cut to nothing, and keeps its inode: those of a host are all of containers that run."""
        gone = (self.by_name[name] for name in self._gone(owners))
        return sum(thing.inodes for thing in gone if thing.kind is not Kind.LOG)

    def _gone(self, owners: Iterable[Owner]) -> frozenset[str]:
        gone = set(owners)
        gone |= {Owner(OwnerKind.LOG, who.id) for who in gone if who.kind is OwnerKind.CONTAINER}
        return frozenset(thing.name for thing in self.things if thing.owner in gone and self._may_go(thing, gone))

    def percent_after(self, owners: Iterable[Owner]) -> int:
        """How full it is in what is short once these are gone, rounded up."""
        if self.short_of_inodes:
            return -(-(self.used_inodes - self.freed_inodes(owners)) * 100 // self.inodes)
        return -(-(self.used_bytes - self.freed_bytes(owners)) * 100 // self.total_bytes)

    def _may_go(self, thing: Thing, gone: set[Owner]) -> bool:
        if not thing.needs:
            return True
        before = self.by_name[thing.needs]
        return before.owner in gone and self._may_go(before, gone)

    @property
    def target_is_of_inodes(self) -> bool:
        """Are bytes at or below the target, and inodes above it?"""
        return self._above(self.used_bytes, self.total_bytes) <= 0 < self._above(self.used_inodes, self.inodes)

    @property
    def needed(self) -> int:
        """What has to go before the target is what df shows: bytes, or inodes where these alone are above it."""
        if self.target_is_of_inodes:
            return self._above(self.used_inodes, self.inodes)
        return self._above(self.used_bytes, self.total_bytes)

    def freed(self, owners: Iterable[Owner]) -> int:
        """What comes free of what the target is of."""
        return self.freed_inodes(owners) if self.target_is_of_inodes else self.freed_bytes(owners)

    def _above(self, used: int, everything: int) -> int:
        return used - everything * self.target_percent // 100 if everything else 0
