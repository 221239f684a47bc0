"""btrfs' sharing table in the terms of the accounting: shares of units, and what the filesystem itself takes. Pure."""

from __future__ import annotations

from collectors.model.btrfs import Btrfs, Sharing, Space
from collectors.model.filesystem import Occupancy, Share, Usage
from collectors.model.ids import UnitId
from collectors.model.reading import Exact, Reading, Size, Unavailable, Why

UNLINKED = UnitId("<unlinked>")  # the exact walk's name for deleted files that are still open


def occupancy(sharing: Exact[Sharing]) -> Occupancy:
    """Data bytes only: tree blocks are the filesystem's own and stand in `metadata`."""
    table, origin = sharing.value, sharing.origin
    no_time: Reading[float] = Unavailable(Why.NOT_REPORTED, "the trees were read, not the directories", origin)
    usages = {
        holding.unit: Usage(
            Exact(holding.referenced_data_bytes, origin),
            Exact(holding.apparent_bytes, origin),
            Exact(holding.inodes, origin),
            no_time,
        )
        for holding in table.holdings
        if not is_tree(holding.unit)
    }
    shares = []
    for row in table.rows:
        holders = frozenset(holder for holder in row.holders if not is_tree(holder))
        if holders and row.data_bytes:
            shares.append(Share(holders, row.data_bytes))
    inexact: tuple[Unavailable, ...] = ()
    if table.residual_data_bytes:
        told = f"the trees and the kernel's own count differ by {table.residual_data_bytes} data bytes"
        inexact = (Unavailable(Why.INCONSISTENT, told, origin),)
    return Occupancy(table.method, usages, tuple(shares), (), inexact, 0, table.age_s)


def is_tree(holder: UnitId) -> bool:
    """`<extent tree>`, `<root tree>` …: no subvolume, live or deleted, and no files."""
    return holder.startswith("<") and not holder.startswith("<deleted>") and holder != UNLINKED


def own_bytes(btrfs: Btrfs, sharing: Reading[Sharing]) -> Size:
    """What statfs counts as used beyond file data: trees with their copies, and the global reserve, in bytes.

    statfs divides everything by the copies of the data profile, so a byte of DUP metadata beside single data counts
    twice, and a byte of RAID1 metadata beside RAID1 data once. With mixed block groups the kernel does not count the
    reserve as used, and the trees have no counter of their own: then only the exact walk tells.
    """
    if isinstance(btrfs.spaces, Unavailable):
        return btrfs.spaces
    spaces, origin = btrfs.spaces.value, btrfs.spaces.origin
    trees_data = 0
    if isinstance(sharing, Exact):
        trees_data = sum(row.data_bytes for row in sharing.value.rows if all(is_tree(h) for h in row.holders))
    if any(_is(space, "mixed") for space in spaces):
        if isinstance(sharing, Unavailable):
            return sharing
        if sharing.value.tree_metadata_bytes is None:
            return Unavailable(Why.NOT_REPORTED, "mixed block groups, and the tree search sees no tree blocks", origin)
        return Exact(sharing.value.tree_metadata_bytes + trees_data, origin)
    data = [space for space in spaces if _is(space, "data")]
    physical = sum(
        space.logical_used_bytes * space.copies // space.copies_of
        for space in spaces
        if _is(space, "metadata") or _is(space, "system")
    )
    reserve = sum(space.logical_total_bytes for space in spaces if "reserve" in space.kind.lower())
    copies, of = (data[-1].copies, data[-1].copies_of) if data else (1, 1)
    return Exact(physical * of // copies + reserve + trees_data, origin)


def _is(space: Space, kind: str) -> bool:
    return space.kind.lower() == kind
