"""What the walkers sent, put together: sums per unit and per directory of the host, every inode counted once. Pure.

Refuses to call anything whole that is not: a unit is complete when its walker said so, or when all of them came to
their end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.model.filesystem import PathUsage
from collectors.system.deadline import Malformed
from collectors.system.layer_cache import Evidence, LayerFigure, Link, Proof, Row, Settled


class WalkResult:
    """Takes frames from the walkers, by lane (any hashable name of a walker)."""

    def __init__(
        self, host: int, kept: Mapping[int, LayerFigure], kept_parts: Mapping[bytes, LayerFigure] | None = None
    ) -> None:
        """`host` is the number of units: the index of what is in none; indexes above it are parts of that.

        `kept` and `kept_parts` (by path) are the cache's figures, if the walkers find that they hold.
        """
        self.host = host
        self.whole_view = False  # nothing was hidden below mountpoints
        self.surveyed = False
        self.fsid = 0
        self.settled: Settled = (0, 0)
        self.room: Room = (0, 0)
        self.gone: frozenset[int] = frozenset()
        self.same: dict[int, int] = {}  # unit → the earlier one that is the same directory
        self.broke_off = False  # incomplete, and not because time was up
        self._kept: dict[int, LayerFigure] = {}
        self._cached, self._cached_parts = kept, kept_parts or {}
        self.part_paths: list[bytes] = []  # below the root, of what is counted at the indexes above `host`
        self._finished: dict[int, Count] = {}
        self._rows: list[Row] = []
        self._under_way: dict[object, list[Row]] = {}
        self._unfinished: dict[object, list[tuple[int, Count]]] = {}
        self._ended: dict[object, bool] = {}

    def started(self, lane: object) -> None:
        """A walker was started: the counted is whole only with its end."""
        self._ended[lane] = False

    def take(self, lane: object, frame: tuple[Any, ...]) -> None:
        """One frame. Raises Malformed for one that no walker sends."""
        match frame:
            case (
                "found",
                bool(whole),
                int(fsid),
                (int(), int()) as settled,
                (int(), int()) as room,
                list(kept),
                list(gone),
                list(same),
                list(parts),
            ):
                self.surveyed, self.whole_view, self.fsid, self.part_paths = True, whole, fsid, parts
                self.room, self.settled = room, settled
                self._kept = {index: self._figure(index) for index in kept}
                self.gone = frozenset(gone)
                self.same = {index: holder for index, holder in same if holder >= 0}
            case ("part", list(finished), list(rows), list(begun), list(under_way)):
                self._finished.update(from_plain(plain) for plain in finished)
                self._rows += rows
                self._under_way[lane] = under_way
                self._unfinished[lane] = [
                    (index, Count(blocks, apparent, inodes)) for index, blocks, apparent, inodes in begun
                ]
            case ("end", bool(clean), list(rest), list(under_way)):
                self._ended[lane] = clean
                self._under_way[lane] = under_way
                self._unfinished[lane] = [from_plain(plain) for plain in rest]
            case _:
                raise Malformed(f"not a walker's frame: {frame[:1]!r}")

    @property
    def complete(self) -> bool:
        """Whether every walker came to its end."""
        return bool(self._ended) and all(self._ended.values())

    def kept(self) -> list[int]:
        """Units and parts of the host whose figures were taken from the cache."""
        return list(self._kept)

    def kept_layers(self) -> list[int]:
        """Units whose figures were taken from the cache on the word that they never change."""
        return [index for index, figure in self._kept.items() if index < self.host and not figure.proofs]

    def by_holder(self) -> Iterator[tuple[int, Count]]:
        """Every unit, the host's part above `host` each by itself, and what of the host lies in none."""
        return ((index, count) for index, count, _ in self._all())

    def counts(self) -> Iterator[tuple[int, Count, bool]]:
        """Every unit that was met: its index, its sums, whether they are all of it."""
        return (found for found in self._all() if found[0] < self.host)

    def parts(self) -> Iterator[tuple[bytes, Count, bool]]:
        """Every part of the host that was met, by its path below the root."""
        return (
            (self.part_paths[index - self.host - 1], count, complete)
            for index, count, complete in self._all()
            if index > self.host
        )

    def host_count(self) -> Count:
        """Everything that lies in no unit."""
        host = Count()
        for index, count, _ in self._all():
            if index >= self.host:
                host.add(Count(links=count.links, errors=count.errors, files=count.files))
        for _, blocks, apparent, inodes in self.host_rows():
            host.add(Count(blocks, apparent, inodes))
        return host

    def host_rows(self) -> list[Row]:
        """Host directories by path below the root; they add up to everything that lies in no unit."""
        rows = list(self._rows)
        for index, count, _ in self._all():
            if index >= self.host:
                rows += count.rows
        for levels in self._under_way.values():
            rows += levels
        return rows

    def _all(self) -> Iterator[tuple[int, Count, bool]]:
        partial: dict[int, Count] = {}
        for found in self._unfinished.values():
            for index, count in found:
                partial.setdefault(index, Count(parts=0)).add(count)
        for index, figure in self._kept.items():
            yield index, from_figure(figure), True
        for index, count in self._finished.items():
            yield index, count, True
        for index, count in partial.items():
            yield index, count, self.complete

    def _figure(self, index: int) -> LayerFigure:
        if index < self.host:
            return self._cached[index]
        return self._cached_parts[self.part_paths[index - self.host - 1]]


BLOCK_BYTES = 512

Room = tuple[int, int]  # blocks of 512 bytes and inodes that the filesystem has; no inodes: it makes them as it goes


@dataclass(slots=True)
class Count:
    """Blocks, apparent bytes, inodes, and the hard links that also lead elsewhere."""

    blocks: int = 0
    apparent: int = 0
    inodes: int = 0
    newest: float = 0.0
    links: list[Link] = field(default_factory=list)
    errors: dict[int, tuple[int, bytes]] = field(default_factory=dict)  # errno → (how often, where first)
    evidence: Evidence | None = None
    proofs: list[Proof] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)  # directories; the host's add up to the sums
    files: list[Row] = field(default_factory=list)  # the largest; they are in the rows, too
    inside: tuple[PathUsage, ...] | None = None  # of a unit, as it was kept; None: to be made of rows and files
    parts: int = 1  # counted apart, each with a proof of its own or none
    measured_at: float | None = None  # None: now

    def add(self, other: Count) -> None:
        """Take in what another walker, or another time, has counted of the same."""
        self.blocks += other.blocks
        self.apparent += other.apparent
        self.inodes += other.inodes
        self.newest = max(self.newest, other.newest)
        self.links += other.links
        self.evidence = self.evidence or other.evidence
        self.proofs += other.proofs
        self.rows += other.rows
        self.files += other.files
        self.parts += other.parts
        for number, (count, first) in other.errors.items():
            before, where = self.errors.get(number, (0, first))
            self.errors[number] = before + count, where


def from_plain(plain: tuple[Any, ...]) -> tuple[int, Count]:
    """A walker's tally: its index and what it came to."""
    index, blocks, apparent, inodes, newest, links, errors, evidence, proofs, rows, files = plain
    failures = {number: (count, where) for number, count, where in errors}
    return index, Count(blocks, apparent, inodes, newest, links, failures, evidence, proofs, rows, files)


def from_figure(figure: LayerFigure) -> Count:
    """A figure of the cache that still holds."""
    return Count(
        blocks=figure.blocks,
        apparent=figure.apparent,
        inodes=figure.inodes,
        newest=figure.newest,
        evidence=figure.evidence,
        proofs=list(figure.proofs),
        rows=list(figure.rows),
        files=list(figure.files),
        inside=figure.inside,
        parts=len(figure.proofs),
        measured_at=figure.measured_at,
    )
