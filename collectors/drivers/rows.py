"""Reading many small records from a folder that an engine is changing meanwhile.

A record that vanishes is no record; one that is torn gets a second look; one that stays torn is named, so that a
single damaged row neither hides nor blinds. Refuses to drop a row silently.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from collectors.system.deadline import Malformed

T = TypeVar("T")

# A record that is being written or deleted changes file by file; this is longer than that takes.
_SECOND_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """What was read, and one sentence for each record that is there and cannot be read."""

    good: tuple[T, ...]
    broken: tuple[str, ...]


def collect(paths: Iterable[Path], read: Callable[[Path], T]) -> Rows[T]:
    """`read` each path. Only Malformed and a missing file are a row's own fault; any other error is the caller's."""
    good: list[T] = []
    torn: list[Path] = []
    for path in paths:
        try:
            good.append(read(path))
        except (FileNotFoundError, Malformed):
            torn.append(path)
    if not torn:
        return Rows(tuple(good), ())
    time.sleep(_SECOND_LOOK_S)
    broken: list[str] = []
    for path in torn:
        try:
            good.append(read(path))
        except FileNotFoundError as error:
            if path.exists() and error.filename != str(path):
                broken.append(f"{path}: has no {Path(str(error.filename)).name}")
        except Malformed as error:
            if path.exists():
                broken.append(str(error))
    return Rows(tuple(good), tuple(broken))
