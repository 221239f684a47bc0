"""The self-check: what the kernel counts as used, against the sum of what the walk found. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collectors.filesystems.btrfs import layout
from collectors.filesystems.btrfs.trees.table import Table


@dataclass(frozen=True, slots=True)
class Fill:
    """Used bytes of all block groups by what they hold; one copy. The global reserve is a part of metadata."""

    data_bytes: int
    metadata_bytes: int
    system_bytes: int
    mixed_bytes: int

    @classmethod
    def of(cls, used: Mapping[str, int]) -> Fill:
        """From bytes by kind, as `layout.kind` names them."""
        return cls(used.get("data", 0), used.get("metadata", 0), used.get("system", 0), used.get("mixed", 0))


def remainder(fill: Fill, table: Table) -> tuple[int | None, int | None]:
    """(data, metadata with system) that is used and was not found; negative where more was found than is used.

    Mixed block groups do not tell data from metadata: there, both are checked as one sum, under data.
    Where the walk saw no tree blocks, metadata is not checked, and nothing is where data shares block groups with it.
    """
    data = sum(table.data)
    if table.metadata is None:
        return (None if fill.mixed_bytes else fill.data_bytes - data), None
    metadata = sum(table.metadata)
    chunk_bit = 1 << table.units.index(layout.TREE_NAMES[layout.CHUNK_TREE])
    chunk_tree = sum(held for mask, held in zip(table.masks, table.metadata, strict=True) if mask & chunk_bit)
    if fill.mixed_bytes:
        together = fill.mixed_bytes + fill.data_bytes + fill.metadata_bytes
        return together - (data + metadata - chunk_tree), fill.system_bytes - chunk_tree
    return fill.data_bytes - data, fill.metadata_bytes + fill.system_bytes - metadata
