"""What the walkers sent, put together: sums per unit, hard links shared between units. Pure.

Refuses to call anything whole that is not: a unit is complete when its walker said so, or when all of them came to
their end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.sources.bounded import Malformed
from collectors.sources.filesystem.layer_cache import Evidence, LayerFigure, Link, Proof

BLOCK_BYTES = 512


@dataclass(slots=True)
class Count:
    """One unit, or a part of it: blocks, apparent bytes, inodes, and the hard links that also lead elsewhere."""

    blocks: int = 0
    apparent: int = 0
    inodes: int = 0
    newest: float = 0.0
    links: list[Link] = field(default_factory=list)
    errors: dict[int, tuple[int, bytes]] = field(default_factory=dict)  # errno → (how often, where first)
    evidence: Evidence | None = None
    proofs: list[Proof] = field(default_factory=list)
    parts: int = 1  # counted apart, each with a proof of its own or none
    measured_at: float | None = None  # None: now

    def add(self, other: Count) -> None:
        self.blocks += other.blocks
        self.apparent += other.apparent
        self.inodes += other.inodes
        self.newest = max(self.newest, other.newest)
        self.links += other.links
        self.evidence = self.evidence or other.evidence
        self.proofs += other.proofs
        self.parts += other.parts
        for number, (count, first) in other.errors.items():
            before, where = self.errors.get(number, (0, first))
            self.errors[number] = before + count, where


@dataclass(slots=True)
class Row:
    """A host directory with everything below it that is in no other row."""

    blocks: int = 0
    apparent: int = 0
    inodes: int = 0


class Harvest:
    """Takes frames from the walkers, by lane (any hashable name of a walker)."""

    def __init__(self, host: int, kept: Mapping[int, LayerFigure]) -> None:
        """`host` is the number of units: the index of what is in none. `kept` are the cache's figures, if they hold."""
        self.host = host
        self.whole_view = False  # nothing was hidden below mountpoints
        self.surveyed = False
        self.fsid = 0
        self.kept: dict[int, LayerFigure] = {}
        self.gone: frozenset[int] = frozenset()
        self.same: dict[int, int] = {}  # unit → the earlier one that is the same directory
        self.finished: dict[int, Count] = {}
        self.rows: dict[bytes, Row] = {}
        self._cached = kept
        self._under_way: dict[object, list[tuple[bytes, int, int, int]]] = {}
        self._unfinished: dict[object, list[tuple[int, Count]]] = {}
        self._ended: dict[object, bool] = {}

    def started(self, lane: object) -> None:
        """A walker was started: the harvest is whole only with its end."""
        self._ended[lane] = False

    def take(self, lane: object, frame: tuple[Any, ...]) -> None:
        """One frame. Raises Malformed for one that no walker sends."""
        match frame:
            case ("found", bool(whole), int(fsid), list(kept), list(gone), list(same)):
                self.surveyed, self.whole_view, self.fsid = True, whole, fsid
                self.kept = {index: self._cached[index] for index in kept}
                self.gone = frozenset(gone)
                self.same = {index: holder for index, holder in same if holder >= 0}
            case ("part", list(finished), list(directories), list(begun), list(under_way)):
                for plain in finished:
                    index, count = _count(plain)
                    self.finished[index] = count
                self._add_rows(directories)
                self._under_way[lane] = under_way
                self._unfinished[lane] = [
                    (index, Count(blocks, apparent, inodes)) for index, blocks, apparent, inodes in begun
                ]
            case ("end", bool(clean), list(rest), list(under_way)):
                self._ended[lane] = clean
                self._under_way[lane] = under_way
                self._unfinished[lane] = [_count(plain) for plain in rest]
            case _:
                raise Malformed(f"not a walker's frame: {frame[:1]!r}")

    @property
    def complete(self) -> bool:
        """Whether every walker came to its end."""
        return bool(self._ended) and all(self._ended.values())

    def counts(self) -> Iterator[tuple[int, Count, bool]]:
        """Every unit that was met: its index, its sums, whether they are all of it."""
        partial: dict[int, Count] = {}
        for found in self._unfinished.values():
            for index, count in found:
                if index != self.host:
                    partial.setdefault(index, Count(parts=0)).add(count)
        for index, figure in self.kept.items():
            yield index, _again(figure), True
        for index, count in self.finished.items():
            yield index, count, True
        for index, count in partial.items():
            yield index, count, self.complete

    def host_count(self) -> Count:
        """Everything that lies in no unit."""
        host = Count()
        for found in self._unfinished.values():
            for index, count in found:
                if index == self.host:
                    host.add(count)
        for row in self.host_rows().values():
            host.add(Count(row.blocks, row.apparent, row.inodes))
        return host

    def host_rows(self) -> dict[bytes, Row]:
        """Host directories by path below the root; they add up to everything that lies in no unit."""
        rows = {path: Row(row.blocks, row.apparent, row.inodes) for path, row in self.rows.items()}
        for levels in self._under_way.values():
            for path, blocks, apparent, inodes in levels:
                _add(rows, path, blocks, apparent, inodes)
        return rows

    def _add_rows(self, directories: list[tuple[bytes, int, int, int]]) -> None:
        for path, blocks, apparent, inodes in directories:
            _add(self.rows, path, blocks, apparent, inodes)


def _add(rows: dict[bytes, Row], path: bytes, blocks: int, apparent: int, inodes: int) -> None:
    row = rows.setdefault(path, Row())
    row.blocks += blocks
    row.apparent += apparent
    row.inodes += inodes


def _count(plain: tuple[Any, ...]) -> tuple[int, Count]:
    index, blocks, apparent, inodes, newest, links, errors, evidence, proofs = plain
    failures = {number: (count, where) for number, count, where in errors}
    return index, Count(blocks, apparent, inodes, newest, links, failures, evidence, proofs)


def _again(figure: LayerFigure) -> Count:
    return Count(
        figure.blocks,
        figure.apparent,
        figure.inodes,
        figure.newest,
        list(figure.links),
        {},
        figure.evidence,
        list(figure.proofs),
        len(figure.proofs),
        figure.measured_at,
    )
