"""One deadline over many parts: each part is read within what is left, and says itself why it is not there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from collectors.drivers.files import Rows
from collectors.model.owner import Owner
from collectors.model.reading import Exact, Reading, Unavailable
from collectors.model.records import dataclass
from collectors.model.store import UnitKind
from collectors.system.deadline import read

NOBODY: frozenset[Owner] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """One directory (or blob) that a database names."""

    kind: UnitKind
    owners: frozenset[Owner]  # empty: the engine knows it, and nobody needs it
    immutable: bool


@dataclass(frozen=True, slots=True)
class Source:
    """One place that may know a directory's owner, and whether it could be read."""

    name: str
    problem: str | None  # None: read whole


T = TypeVar("T")
U = TypeVar("U")


class Asker:
    """Reads the parts of a Docker root one after the other under a common deadline, and keeps the record.

    A *witness* is a part that may know the owner of a directory: while one is unread, nothing can be called an
    orphan.
    """

    def __init__(self, deadline_s: float) -> None:
        """`deadline_s`: seconds for everything together."""
        self._ends = time.monotonic() + deadline_s
        self.sources: list[Source] = []
        self.notes: list[str] = []

    def part(self, name: str, path: Path, work: Callable[[], T]) -> Reading[T]:
        """`work`'s answer, or why there is none. `name` is the stable name of the part."""
        return read(f"docker_root.{name}", str(path), work, timeout_s=self._ends - time.monotonic())

    def witness(self, name: str, path: Path, work: Callable[[], T]) -> Reading[T]:
        """As `part`, for a witness."""
        reading = self.part(name, path, work)
        self.sources.append(Source(name, _problem(reading)))
        return reading

    def rows(self, name: str, path: Path, work: Callable[[], Rows[T]]) -> Reading[tuple[T, ...]]:
        """As `part`, for records some of which may be damaged: those are noted, the others are the answer."""
        reading = self.part(name, path, work)
        if isinstance(reading, Unavailable):
            return reading
        self.notes.extend(reading.value.broken)
        return Exact(reading.value.good, reading.origin)

    def witness_rows(self, name: str, path: Path, work: Callable[[], Rows[T]]) -> Reading[tuple[T, ...]]:
        """As `rows`, for a witness: with one damaged record it counts as unread."""
        before = len(self.notes)
        reading = self.rows(name, path, work)
        damaged = self.notes[before] if len(self.notes) > before else None
        self.sources.append(Source(name, damaged or _problem(reading)))
        return reading


def _problem(reading: Reading[T]) -> str | None:
    return f"{reading.why}: {reading.detail}" if isinstance(reading, Unavailable) else None


def value(reading: Reading[T], otherwise: T) -> T:
    """What was read, or `otherwise` where nothing was: only for joins whose result is marked by the reading itself."""
    return reading.value if isinstance(reading, Exact) else otherwise


def derived(reading: Reading[T], make: Callable[[T], U]) -> Reading[U]:
    """`make` of what was read; where nothing was, the same reason."""
    return Exact(make(reading.value), reading.origin) if isinstance(reading, Exact) else reading


def needs(made: T, *readings: Reading[object]) -> Reading[T]:
    """`made`, which was joined from all of `readings`: Exact if they are, else the first one's reason."""
    for reading in readings:
        if isinstance(reading, Unavailable):
            return reading
    return Exact(made, readings[-1].origin)
