"""What one kind of filesystem tells of itself beyond what all of them tell. Each kind that does adds its type here.

Every such type has `identity` (which filesystem this is, whatever it is mounted as), `allocation` (where it hands out
its room in chunks) and `unread` (the parts that were not there, with their reasons).
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from collectors.model.btrfs import Btrfs
from collectors.model.reading import Exact, Reading

FilesystemFacts: TypeAlias = Btrfs

Facts = TypeVar("Facts", bound=FilesystemFacts)


def facts_of(reading: Reading[FilesystemFacts] | None, kind: type[Facts]) -> Facts | None:
    """The facts, where they were read and are of this kind of filesystem."""
    return reading.value if isinstance(reading, Exact) and isinstance(reading.value, kind) else None
