"""btrfs' sharing table in the terms of the accounting: shares of units, and what the filesystem itself takes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from collectors.model.btrfs import Btrfs, Shared, Sharing, Space
from collectors.model.filesystem import Occupancy, Share, Usage
from collectors.model.owner import UnitId
from collectors.model.reading import AtLeast, Exact, Reading, Size, Unavailable, Why

TOP_LEVEL = UnitId("")
UNLINKED = UnitId("<unlinked>")  # the exact walk's name for deleted files that are still open

Copies = tuple[int, int]
_ONE_COPY: Copies = (1, 1)


def occupancy(sharing: Exact[Sharing], spaces: Reading[tuple[Space, ...]], directories: frozenset[UnitId]) -> Occupancy:
    """Who holds the data and the tree blocks, in bytes of statfs: a block goes with the last tree that leads to it.

    The blocks of trees that are no subvolume, and those that the top level leads to, are the filesystem's own: nobody
    can give them back. `directories` are units split from a subvolume: these have no blocks of their own. Where blocks
    were not seen (tree search), each other figure is a lower bound and says so.
    """
    table, origin = sharing.value, sharing.origin
    copies = _tree_copies(spaces.value) if isinstance(spaces, Exact) else None
    unseen = _trees_unseen(sharing, spaces)
    no_time: Reading[float] = Unavailable(Why.NOT_REPORTED, "the trees were read, not the directories", origin)
    blocks = _tree_bytes_by_unit(table, copies) if copies is not None else {}
    without_blocks = {TOP_LEVEL, UNLINKED, *directories}
    usages = {}
    for holding in table.holdings:
        if is_tree(holding.unit):
            continue
        held = holding.referenced_data_bytes + blocks.get(holding.unit, 0)
        allocated: Size = Exact(held, origin)
        if unseen is not None and holding.unit not in without_blocks:
            allocated = AtLeast(held, (unseen,), origin)
        apparent, inodes = Exact(holding.apparent_bytes, origin), Exact(holding.inodes, origin)
        usages[holding.unit] = Usage(allocated, apparent, inodes, no_time)
    shares = []
    for row in table.rows:
        holders = frozenset(holder for holder in row.holders if not is_tree(holder))
        trees = _charged(row, copies) if copies is not None else 0
        if holders and row.data_bytes + trees:
            shares.append(Share(holders, row.data_bytes + trees, trees))
    unread = () if unseen is None else (unseen,)
    if table.residual_data_bytes:
        told = f"the trees and the kernel's own count differ by {table.residual_data_bytes} data bytes"
        unread = (*unread, Unavailable(Why.INCONSISTENT, told, origin))
    return Occupancy(table.method, usages, tuple(shares), (), unread, 0, table.age_s)


def held_tree_bytes(sharing: Sharing, copies: Copies = _ONE_COPY) -> int:
    """The tree blocks that holders can give back; in bytes of statfs with its `copies`."""
    return sum(_charged(row, copies) for row in sharing.rows)


def _charged(row: Shared, copies: Copies) -> int:
    """The tree blocks of one row that go with its holders, in bytes of statfs."""
    if not row.metadata_bytes or TOP_LEVEL in row.holders or any(is_tree(holder) for holder in row.holders):
        return 0
    return row.metadata_bytes * copies[0] // copies[1]


def _tree_bytes_by_unit(table: Sharing, copies: Copies) -> Mapping[UnitId, int]:
    found: Counter[UnitId] = Counter()
    for row in table.rows:
        if count := _charged(row, copies):
            found.update(dict.fromkeys(row.holders, count))
    return found


def _trees_unseen(sharing: Exact[Sharing], spaces: Reading[tuple[Space, ...]]) -> Unavailable | None:
    """Why the tree blocks of subvolumes are charged to none of them; None where they are."""
    if isinstance(spaces, Unavailable):
        return spaces
    if sharing.value.tree_metadata_bytes is None:
        return Unavailable(
            Why.NOT_REPORTED, "the tree search sees no tree blocks: they are in metadata", sharing.origin
        )
    return None


def _tree_copies(spaces: tuple[Space, ...]) -> Copies:
    """How statfs counts a byte of a tree, as a fraction: it divides all copies by those of the data profile."""
    if any(_is(space, "mixed") for space in spaces):
        return _ONE_COPY
    trees, data = (_copies(spaces, kind) for kind in ("metadata", "data"))
    return trees[0] * data[1], trees[1] * data[0]


def _copies(spaces: tuple[Space, ...], kind: str) -> Copies:
    found = [(space.copies, space.copies_of) for space in spaces if _is(space, kind)]
    return found[-1] if found else _ONE_COPY


def is_tree(holder: UnitId) -> bool:
    """`<extent tree>`, `<root tree>` …: no subvolume, live or deleted, and no files."""
    return holder.startswith("<") and not holder.startswith("<deleted>") and holder != UNLINKED


def own_bytes(btrfs: Btrfs, sharing: Reading[Sharing]) -> Size:
    """What statfs counts as used and no holder can give back: trees with their copies, the global reserve, in bytes.

    Tree blocks of subvolumes are their holders' (`occupancy`); where they were not seen, they are in here.

    statfs divides everything by the copies of the data profile, so a byte of DUP metadata beside single data counts
    twice, and a byte of RAID1 metadata beside RAID1 data once. With mixed block groups the kernel does not count the
    reserve as used, and the trees have no counter of their own: then only the exact walk tells.
    """
    if isinstance(btrfs.spaces, Unavailable):
        return btrfs.spaces
    spaces, origin = btrfs.spaces.value, btrfs.spaces.origin
    trees_data = given_back = 0
    if isinstance(sharing, Exact):
        given_back = held_tree_bytes(sharing.value, _tree_copies(spaces))
        trees_data = sum(row.data_bytes for row in sharing.value.rows if all(is_tree(h) for h in row.holders))
    if any(_is(space, "mixed") for space in spaces):
        if isinstance(sharing, Unavailable):
            return sharing
        if sharing.value.tree_metadata_bytes is None:
            return Unavailable(Why.NOT_REPORTED, "mixed block groups, and the tree search sees no tree blocks", origin)
        return Exact(sharing.value.tree_metadata_bytes + trees_data - given_back, origin)
    physical = sum(
        space.logical_used_bytes * space.copies // space.copies_of
        for space in spaces
        if _is(space, "metadata") or _is(space, "system")
    )
    reserve = sum(space.logical_total_bytes for space in spaces if "reserve" in space.kind.lower())
    copies, of = _copies(spaces, "data")
    return Exact(physical * of // copies + reserve + trees_data - given_back, origin)


def _is(space: Space, kind: str) -> bool:
    return space.kind.lower() == kind
