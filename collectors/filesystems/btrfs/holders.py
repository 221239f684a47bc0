"""btrfs' sharing table in the terms of the accounting: shares of units, and what the filesystem itself takes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from collectors.filesystems.btrfs import ioctl
from collectors.model import UnitId
from collectors.model.btrfs import Btrfs, Shared, Sharing, Space, SplitRule, StatfsRule
from collectors.model.filesystem import Occupancy, PathUsage, Share, Usage
from collectors.model.reading import AtLeast, Exact, Reading, Size, Unavailable, Why

TOP_LEVEL = UnitId("")
UNLINKED = UnitId("<unlinked>")  # the exact walk's name for deleted files that are still open


Inside = Mapping[UnitId, tuple[PathUsage, ...]]


def inside_units(sharing: Sharing, rules: Iterable[SplitRule]) -> Inside:
    """The largest files of each unit, as paths from its root on; bytes as if each file were alone. Directories: none.

    A unit is a subvolume by its path, or what a rule splits off.
    """
    units = {holding.unit: holding.unit for holding in sharing.holdings if not holding.unit.startswith("<")}
    units = {TOP_LEVEL: TOP_LEVEL, **units, **{UnitId(rule.path): rule.unit for rule in rules}}
    found: dict[UnitId, list[PathUsage]] = {}
    for file in sharing.large_files:
        above = file.path
        while above and UnitId(above) not in units:
            above = above.rpartition("/")[0]
        below = file.path.removeprefix(above).lstrip("/")
        if below:  # else the file itself is the unit: a log
            place = PathUsage(f"/{below}", False, file.bytes, file.apparent_bytes, 1, "")
            found.setdefault(units[UnitId(above)], []).append(place)
    return {unit: tuple(places) for unit, places in found.items()}


def occupancy(
    sharing: Exact[Sharing],
    rule: Reading[StatfsRule],
    inside: Inside = MappingProxyType({}),
) -> Occupancy:
    """Who holds the data and the tree blocks, in bytes of statfs: a block goes with the last tree that leads to it.

    The blocks of trees that are no subvolume, and those that the top level leads to, are the filesystem's own: nobody
    can give them back. Leaves in which nothing but a split directory's lies go with it. Where blocks were not seen
    (tree search), each other figure is a lower bound and says so. `inside`: large files of units.
    """
    table, origin = sharing.value, sharing.origin
    unseen = _trees_unseen(sharing, rule)
    no_time: Reading[float] = Unavailable(Why.NOT_REPORTED, "the trees were read, not the directories", origin)
    shares = tuple(_shares(table, rule.value.divisor if isinstance(rule, Exact) else None))
    held = _bytes_by_unit(shares)
    usages = {}
    for holding in table.holdings:
        if is_tree(holding.unit):
            continue
        allocated: Size = Exact(held[holding.unit], origin)
        if unseen is not None and holding.unit not in (TOP_LEVEL, UNLINKED):
            allocated = AtLeast(held[holding.unit], (unseen,), origin)
        apparent, inodes = Exact(holding.apparent_bytes, origin), Exact(holding.inodes, origin)
        usages[holding.unit] = Usage(allocated, apparent, inodes, no_time, inside.get(holding.unit, ()))
    unread = () if unseen is None else (unseen,)
    if table.residual_data_bytes:
        told = f"the trees and the kernel's own count differ by {table.residual_data_bytes} data bytes"
        unread = (*unread, Unavailable(Why.INCONSISTENT, told, origin))
    return Occupancy(table.method, usages, shares, (), unread, 0, table.age_s, None)


def held_tree_bytes(sharing: Sharing) -> int:
    """The tree blocks that holders can give back, one copy."""
    return sum(row.metadata_bytes or 0 for row in sharing.rows if _given_back(row))


def _given_back(row: Shared) -> bool:
    """Whether the tree blocks of this row go with its holders."""
    return TOP_LEVEL not in row.holders and not any(is_tree(holder) for holder in row.holders)


def _shares(table: Sharing, divisor: int | None) -> Iterator[Share]:
    """What holders can give back, in bytes of statfs; without its divisor, one copy of the data alone."""
    for row in table.rows:
        holders = frozenset(holder for holder in row.holders if not is_tree(holder))
        data, trees = row.data_bytes, 0
        if divisor:
            data = row.data_disk_bytes // divisor
            trees = (row.metadata_disk_bytes or 0) // divisor if _given_back(row) else 0
        if holders and (together := data + trees):
            yield Share(holders, together, trees, None)


def _bytes_by_unit(shares: Iterable[Share]) -> Mapping[UnitId, int]:
    found: Counter[UnitId] = Counter()
    for share in shares:
        for holder in share.holders:
            found[holder] += share.bytes
    return found


_NOT_SEARCHED = "not seen: tree blocks (they are in metadata), and what only subvolumes that wait for the cleaner hold"


def _trees_unseen(sharing: Exact[Sharing], rule: Reading[StatfsRule]) -> Unavailable | None:
    """Why the tree blocks of subvolumes are charged to none of them; None where they are."""
    if isinstance(rule, Unavailable):
        return rule
    if sharing.value.tree_metadata_bytes is None:
        told = f"{_NOT_SEARCHED}; read by tree search, since {sharing.value.fallback}"
        return Unavailable(Why.NOT_REPORTED, told, sharing.origin)
    return None


def is_tree(holder: UnitId) -> bool:
    """`<extent tree>`, `<root tree>` …: no subvolume, live or deleted, and no files."""
    return holder.startswith("<") and not holder.startswith("<deleted>") and holder != UNLINKED


def own_bytes(btrfs: Btrfs, sharing: Reading[Sharing]) -> Size:
    """What statfs counts as used and no holder can give back: trees with their copies, the global reserve, in bytes.

    Tree blocks of subvolumes are their holders' (`occupancy`); where they were not seen, they are in here, and so is
    what dividing row by row leaves over. In mixed block groups the trees have no counter of their own: then only the
    exact walk tells.
    """
    if isinstance(btrfs.spaces, Unavailable):
        return btrfs.spaces
    if isinstance(btrfs.statfs, Unavailable):
        return btrfs.statfs
    rule, origin = btrfs.statfs.value, btrfs.spaces.origin
    table = sharing.value if isinstance(sharing, Exact) else None
    rows = table.rows if table is not None else ()
    if "mixed" not in btrfs.profiles:
        trees = _disk_bytes(btrfs.known_spaces, ("metadata", "system"))
    elif isinstance(sharing, Unavailable):
        return sharing
    elif sharing.value.tree_metadata_bytes is None:
        return Unavailable(Why.NOT_REPORTED, "mixed block groups, and the tree search sees no tree blocks", origin)
    else:
        trees = sum(row.metadata_disk_bytes or 0 for row in rows)
    held = sum(share.bytes for share in _shares(table, rule.divisor)) if table is not None else 0
    counted = (trees + sum(row.data_disk_bytes for row in rows)) // rule.divisor
    counted -= counted % btrfs.sector_bytes  # statfs counts in blocks
    return Exact(counted - held + btrfs.reserve_bytes * rule.reserve_counted, origin)


def _disk_bytes(spaces: Iterable[Space], kinds: Iterable[str]) -> int:
    """All copies of what is used in chunks of these kinds, as the kernel's `disk_used` has them."""
    mine = (space for space in spaces if space.kind in kinds)
    return sum(space.logical_used_bytes * ioctl.disk_copies(space.profile) for space in mine)
