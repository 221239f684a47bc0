"""Which host directories to name. Pure.

The rows add up to all host files (but for hard links between them), each a directory with everything below it that no
other row holds. So few are kept that a person reads them, and what is kept adds up to the same.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from collectors.model.filesystem import Directory
from collectors.system.mount_table import within
from collectors.system.walk_result import BLOCK_BYTES, Row

_HIDDEN_LEAST_BYTES = 1 << 20  # some device nodes under /dev are no finding


@dataclass(slots=True)
class _Sums:
    blocks: int = 0
    apparent: int = 0
    inodes: int = 0


Rows = dict[bytes, _Sums]


def largest(rows: Iterable[Row], mountpoint: str, covered: tuple[str, ...], top: int) -> tuple[Directory, ...]:
    """About `top` directories, the root among them, largest first. `covered` are paths below the mountpoint.

    What another mount hides is never folded into what can be seen, so those may be more.
    """
    kept: Rows = {}
    for path, blocks, apparent, inodes in rows:
        sums = kept.setdefault(path, _Sums())
        sums.blocks += blocks
        sums.apparent += apparent
        sums.inodes += inodes
        for parent in _above(path):
            kept.setdefault(parent, _Sums())
    hidden = _hiding({os.fsencode(path) for path in covered}, kept)
    # From the leaves up, so that many small directories become the one that holds them all; then those in between that
    # hold little themselves.
    _fold_leaves(kept, hidden, 2 * top)
    kept = {path: row for path, row in kept.items() if row.inodes or not path}
    _fold_smallest(kept, hidden, top)
    found = [_directory(path, row, mountpoint, hidden) for path, row in kept.items() if row.inodes]
    return tuple(sorted(found, key=lambda directory: (-directory.allocated_bytes, directory.path)))


def _hiding(covered: set[bytes], rows: Rows) -> set[bytes]:
    """Those of `covered` that hide something to speak of: an empty mountpoint is only a directory of its parent's."""
    blocks = dict.fromkeys(covered & rows.keys(), 0)
    for path, row in rows.items():
        for cover in (path, *_above(path)):
            if cover in blocks:
                blocks[cover] += row.blocks
    return {path for path, count in blocks.items() if count * BLOCK_BYTES >= _HIDDEN_LEAST_BYTES}


def _fold_leaves(rows: Rows, fixed: set[bytes], limit: int) -> None:
    below = dict.fromkeys(rows, 0)
    for path in rows:
        if path:
            below[_parent(path)] += 1
    heap = [(rows[path].blocks, path) for path, count in below.items() if _may_go(path, fixed) and not count]
    heapq.heapify(heap)
    count = sum(bool(row.inodes) for row in rows.values())
    while heap and count > limit:
        _, path = heapq.heappop(heap)
        parent = _parent(path)
        count -= bool(rows[path].inodes and rows[parent].inodes)
        _fold(rows, path, parent)
        below[parent] -= 1
        if not below[parent] and _may_go(parent, fixed):
            heapq.heappush(heap, (rows[parent].blocks, parent))


def _fold_smallest(rows: Rows, fixed: set[bytes], limit: int) -> None:
    heap = [(row.blocks, path) for path, row in rows.items() if _may_go(path, fixed)]
    heapq.heapify(heap)
    while heap and len(rows) > limit:
        blocks, path = heapq.heappop(heap)
        if rows[path].blocks > blocks:  # others were folded into it meanwhile
            heapq.heappush(heap, (rows[path].blocks, path))
        else:
            _fold(rows, path, next(parent for parent in _above(path) if parent in rows))


def _may_go(path: bytes, fixed: set[bytes]) -> bool:
    return bool(path) and path not in fixed


def _fold(rows: Rows, path: bytes, parent: bytes) -> None:
    row = rows.pop(path)
    rows[parent].blocks += row.blocks
    rows[parent].apparent += row.apparent
    rows[parent].inodes += row.inodes


def _directory(path: bytes, row: _Sums, mountpoint: str, hidden: set[bytes]) -> Directory:
    name, above = os.fsdecode(path), mountpoint.rstrip("/")
    over = next((os.fsdecode(cover) for cover in hidden if within(name, os.fsdecode(cover))), None)
    return Directory(
        path=f"{above}/{name}".rstrip("/") or "/",
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
