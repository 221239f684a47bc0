"""What one walk found, before it is compared with the running kernel."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.filesystems.btrfs.trees.balance import Fill
from collectors.filesystems.btrfs.trees.table import Table


@dataclass(frozen=True, slots=True)
class Measured:
    """`fill` is of the same generation; None where only the running kernel's figures exist."""

    generation: int | None  # None: searched on a kernel before 5.10, which does not tell
    table: Table
    fill: Fill | None
    fallback: str
    bookend_bytes: int
    compressed_bytes: int
    uncompressed_bytes: int
    unresolved: tuple[str, ...]
    blocks_read: int
    restarts: int
