"""Which directories and files to name: of the host, and of each unit. Pure.

The rows of the host add up to all host files (but for hard links between them), each a directory with everything below
it that no other row holds. So few are kept that a person reads them, and what is kept adds up to the same. What is
large is weighed by what there is of it: a directory that holds a tenth of all inodes as one that holds a tenth of the
bytes.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator

from collectors.model import dataclass
from collectors.model.filesystem import PathUsage
from collectors.system.layer_cache import Row
from collectors.system.mount_table import within
from collectors.system.walk_result import BLOCK_BYTES, Count, Room

INSIDE_MOST = 12  # directories and files of one unit
_HIDDEN_LEAST_BYTES = 1 << 20  # some device nodes under /dev are no finding
_OWN_NAME_PART = 4  # a file is named beside its directory from this part of it


@dataclass(slots=True)
class _Sums:
    blocks: int = 0
    apparent: int = 0
    inodes: int = 0
    is_file: bool = False

    def add(self, other: _Sums, sign: int = 1) -> None:
        self.blocks += sign * other.blocks
        self.apparent += sign * other.apparent
        self.inodes += sign * other.inodes

    def holds(self, other: _Sums) -> bool:
        """False where extents are shared, or a file grew meanwhile: then no difference of the two means anything."""
        return self.blocks >= other.blocks and self.apparent >= other.apparent and self.inodes > other.inodes


Rows = dict[bytes, _Sums]


@dataclass(frozen=True, slots=True)
class Largest:
    """Of the host, largest first. `directories` add up; `files` lie in them."""

    directories: tuple[PathUsage, ...]
    files: tuple[PathUsage, ...]


def largest(
    host: Count, rows: Iterable[Row], mountpoint: str, covered: tuple[str, ...], room: Room, top: int
) -> Largest:
    """About `top` directories, the root among them, and files. `covered` are paths below the mountpoint.

    What another mount hides is never folded into what can be seen, so those may be more.
    """
    kept = _by_path(rows)
    hidden = _hiding({os.fsencode(path) for path in covered}, kept)
    kept = _few(kept, hidden, room, top)
    found = [_usage(path, row, mountpoint, hidden) for path, row in kept.items() if row.inodes]
    files = heapq.nlargest(top, host.files, key=lambda row: (row[1], row[0]))
    return Largest(
        tuple(sorted(found, key=lambda one: (-one.allocated_bytes, one.path))),
        tuple(_usage(row[0], _sums(row, is_file=True), mountpoint, hidden) for row in files),
    )


def inside(count: Count, root: bytes | None, complete: bool, room: Room) -> tuple[PathUsage, ...]:
    """The largest directories and files of a unit, at most INSIDE_MOST, largest first, with paths from its root on.

    They add up to all of it; but they are none where nothing in it is large. `root` is where it should lie below the
    filesystem's; where a link led elsewhere, the row of the root begins all others, once all were counted.
    """
    if count.inside is not None:
        return count.inside
    start = _start(count, root, complete)
    if start is None:
        return ()
    kept = _by_path(_below(count.rows, start))
    rest = _Sums(count.blocks, count.apparent, count.inodes)
    for row in kept.values():
        rest.add(row, -1)
    if min(rest.blocks, rest.apparent, rest.inodes) >= 0:
        kept.setdefault(b"", _Sums()).add(rest)
    _set_files_apart(kept, _below(count.files, start))
    found = [_usage(path, row, "/", set()) for path, row in _few(kept, set(), room, INSIDE_MOST).items() if row.inodes]
    weights = {one.path: max(one.allocated_bytes, _in_bytes(one.inodes, room)) for one in found}
    return tuple(sorted(found, key=lambda one: (-weights[one.path], one.path)))


def _start(count: Count, root: bytes | None, complete: bool) -> bytes | None:
    """The path of a unit's root below the filesystem's; None: nothing is to be named."""
    if root is not None and any(True for _ in _below((*count.rows, *count.files), root)):
        return root
    return min((row[0] for row in count.rows), key=len, default=None) if complete else None


def _below(rows: Iterable[Row], root: bytes) -> Iterator[Row]:
    for row in rows:
        path = row[0]
        if path == root or not root:
            yield (path if not root else b"", *row[1:])
        elif path.startswith(root + b"/"):
            yield (path[len(root) + 1 :], *row[1:])


def _set_files_apart(kept: Rows, files: Iterable[Row]) -> None:
    """Give the files that stand out in their directory a row of their own, largest first."""
    whole = {path: row.blocks for path, row in kept.items()}
    for row in sorted(files, key=lambda row: (-row[1], row[0])):
        folder = next((parent for parent in _above(row[0]) if parent in whole), None)
        file = _sums(row, is_file=True)
        if folder is None or file.blocks * _OWN_NAME_PART < whole[folder] or not kept[folder].holds(file):
            continue
        kept[folder].add(file, -1)
        kept[row[0]] = file
        for parent in _above(row[0]):
            kept.setdefault(parent, _Sums())


def _sums(row: Row, *, is_file: bool) -> _Sums:
    _, blocks, apparent, inodes = row
    return _Sums(blocks, apparent, inodes, is_file)


def _by_path(rows: Iterable[Row]) -> Rows:
    kept: Rows = {}
    for row in rows:
        kept.setdefault(row[0], _Sums()).add(_sums(row, is_file=False))
        for parent in _above(row[0]):
            kept.setdefault(parent, _Sums())
    return kept


def _few(kept: Rows, fixed: set[bytes], room: Room, top: int) -> Rows:
    """About `top` of them.

    From the leaves up, so that many small directories become the one that holds them all; then those in between that
    hold little themselves.
    """
    _fold_leaves(kept, fixed, room, 2 * top)
    kept = {path: row for path, row in kept.items() if row.inodes or not path}
    _fold_smallest(kept, fixed, room, top)
    return kept


def _in_bytes(inodes: int, room: Room) -> float:
    """What so many inodes weigh beside bytes."""
    blocks, all_inodes = room
    return inodes * blocks * BLOCK_BYTES / all_inodes if all_inodes else 0.0


def _weight(row: _Sums, room: Room) -> float:
    return max(row.blocks * BLOCK_BYTES, _in_bytes(row.inodes, room))


def _hiding(covered: set[bytes], rows: Rows) -> set[bytes]:
    """Those of `covered` that hide something to speak of: an empty mountpoint is only a directory of its parent's."""
    blocks = dict.fromkeys(covered & rows.keys(), 0)
    for path, row in rows.items():
        for cover in (path, *_above(path)):
            if cover in blocks:
                blocks[cover] += row.blocks
    return {path for path, count in blocks.items() if count * BLOCK_BYTES >= _HIDDEN_LEAST_BYTES}


def _fold_leaves(rows: Rows, fixed: set[bytes], room: Room, limit: int) -> None:
    below = dict.fromkeys(rows, 0)
    for path in rows:
        if path:
            below[_parent(path)] += 1
    heap = [(_weight(rows[path], room), path) for path, count in below.items() if _may_go(path, fixed) and not count]
    heapq.heapify(heap)
    count = sum(bool(row.inodes) for row in rows.values())
    while heap and count > limit:
        _, path = heapq.heappop(heap)
        parent = _parent(path)
        count -= bool(rows[path].inodes and rows[parent].inodes)
        _fold(rows, path, parent)
        below[parent] -= 1
        if not below[parent] and _may_go(parent, fixed):
            heapq.heappush(heap, (_weight(rows[parent], room), parent))


def _fold_smallest(rows: Rows, fixed: set[bytes], room: Room, limit: int) -> None:
    heap = [(_weight(row, room), path) for path, row in rows.items() if _may_go(path, fixed)]
    heapq.heapify(heap)
    while heap and len(rows) > limit:
        weight, path = heapq.heappop(heap)
        if _weight(rows[path], room) > weight:  # others were folded into it meanwhile
            heapq.heappush(heap, (_weight(rows[path], room), path))
        else:
            _fold(rows, path, next(parent for parent in _above(path) if parent in rows))


def _may_go(path: bytes, fixed: set[bytes]) -> bool:
    return bool(path) and path not in fixed


def _fold(rows: Rows, path: bytes, parent: bytes) -> None:
    rows[parent].add(rows.pop(path))


def _usage(path: bytes, row: _Sums, mountpoint: str, hidden: set[bytes]) -> PathUsage:
    name, above = os.fsdecode(path), mountpoint.rstrip("/")
    over = next((os.fsdecode(cover) for cover in hidden if within(name, os.fsdecode(cover))), None)
    return PathUsage(
        path=f"{above}/{name}".rstrip("/") or "/",
        is_directory=not row.is_file,
        allocated_bytes=row.blocks * BLOCK_BYTES,
        apparent_bytes=row.apparent,
        inodes=row.inodes,
        hidden_by="" if over is None else f"{above}/{over}",
    )


def _parent(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _above(path: bytes) -> Iterator[bytes]:
    while path:
        path = _parent(path)
        yield path
