"""What the walkers sent, put together: sums per unit and per directory of the host. Pure.

Refuses to call anything whole that is not: a unit is complete when its walker said so, or when all of them came to
their end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collectors.system.count import Count, Row, from_figure, from_plain
from collectors.system.deadline import Malformed
from collectors.system.layer_cache import LayerFigure


class Harvest:
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
        self.gone: frozenset[int] = frozenset()
        self.same: dict[int, int] = {}  # unit → the earlier one that is the same directory
        self.broke_off = False  # incomplete, and not because time was up
        self._kept: dict[int, LayerFigure] = {}
        self._cached, self._cached_parts = kept, kept_parts or {}
        self._parts: list[bytes] = []
        self._finished: dict[int, Count] = {}
        self._rows: list[Row] = []
        self._under_way: dict[object, list[Row]] = {}
        self._unfinished: dict[object, list[tuple[int, Count]]] = {}
        self._ended: dict[object, bool] = {}

    def started(self, lane: object) -> None:
        """A walker was started: the harvest is whole only with its end."""
        self._ended[lane] = False

    def take(self, lane: object, frame: tuple[Any, ...]) -> None:
        """One frame. Raises Malformed for one that no walker sends."""
        match frame:
            case ("found", bool(whole), int(fsid), list(kept), list(gone), list(same), list(parts)):
                self.surveyed, self.whole_view, self.fsid, self._parts = True, whole, fsid, parts
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

    def kept_layers(self) -> list[int]:
        """Units whose figures were taken from the cache on the word that they never change."""
        return [index for index, figure in self._kept.items() if index < self.host and not figure.proofs]

    def counts(self) -> Iterator[tuple[int, Count, bool]]:
        """Every unit that was met: its index, its sums, whether they are all of it."""
        return (found for found in self._all() if found[0] < self.host)

    def parts(self) -> Iterator[tuple[bytes, Count, bool]]:
        """Every part of the host that was met, by its path below the root."""
        return (
            (self._parts[index - self.host - 1], count, complete)
            for index, count, complete in self._all()
            if index > self.host
        )

    def host_count(self) -> Count:
        """Everything that lies in no unit."""
        host = Count()
        for index, count, _ in self._all():
            if index >= self.host:
                host.add(Count(links=count.links, errors=count.errors))
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
        return self._cached_parts[self._parts[index - self.host - 1]]
