"""What one kind of filesystem tells of itself beyond what all of them tell. Each kind that does adds its type here.

Every such type has `identity` (which filesystem this is, whatever it is mounted as), `allocation` (where it hands out
its room in chunks) and `unread` (the parts that were not there, with their reasons).
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from collectors.model.btrfs import Btrfs
from collectors.model.ledger import Item
from collectors.model.reading import Exact, Reading
from collectors.model.subvolumes import subvolume_items

FilesystemFacts: TypeAlias = Btrfs

Facts = TypeVar("Facts", bound=FilesystemFacts)


def facts_of(reading: Reading[FilesystemFacts] | None, kind: type[Facts]) -> Facts | None:
    """The facts, where they were read and are of this kind of filesystem."""
    return reading.value if isinstance(reading, Exact) and isinstance(reading.value, kind) else None


def own_items(reading: Reading[FilesystemFacts] | None) -> tuple[Item, ...]:
    """What the filesystem itself lists: parts that overlap, and whose bytes the categories hold already. Never summed.

    Largest first; empty where the kind has none or they could not be listed.
    """
    return subvolume_items(reading.value) if isinstance(reading, Exact) else ()
