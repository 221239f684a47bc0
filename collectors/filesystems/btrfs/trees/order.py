"""Whether tree blocks hold together inside: keys ascend, and the items of a leaf fill its end without gap or overlap.

The kernel holds every block that it reads against the same rules (its tree checker), so no filesystem that is mounted
breaks them. A checksum cannot tell: it is right on a block that was spoilt in memory before it was written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs.layout import HEADER_BYTES, ITEM_BYTES, POINTER_BYTES

U8 = NDArray[np.uint8]
Counts = NDArray[np.unsignedinteger]
Verdicts = NDArray[np.bool_]

_TYPE_AT, _OFFSET_AT, _PLACE_AT, _SIZE_AT = 8, 9, 17, 21


def orderly(blocks: U8, counts: Counts, level: int) -> Verdicts:
    """For each row, of which `counts` says how many items or pointers it has; more than there is room for are wrong."""
    step = POINTER_BYTES if level else ITEM_BYTES
    room = blocks.shape[1] - HEADER_BYTES
    good = counts <= room // step
    most = int(counts[good].max(initial=0))
    if not most:
        return np.asarray(good)
    missing = np.arange(1, most) >= counts[:, None]  # of all but the first
    ids = _column(blocks, most, step, 0, "<u8")
    kinds = _column(blocks, most, step, _TYPE_AT, "u1")
    offsets = _column(blocks, most, step, _OFFSET_AT, "<u8")
    rises = kinds[:, 1:] == kinds[:, :-1]
    rises &= offsets[:, 1:] > offsets[:, :-1]
    rises |= kinds[:, 1:] > kinds[:, :-1]
    rises &= ids[:, 1:] == ids[:, :-1]
    rises |= ids[:, 1:] > ids[:, :-1]
    good &= (rises | missing).all(axis=1)
    return np.asarray(good if level else good & _packed(blocks, counts, most, room, missing))


def _packed(blocks: U8, counts: Counts, most: int, room: int, missing: Verdicts) -> Verdicts:
    """The data of a leaf's first item ends with the leaf, and each further item's where the one before begins."""
    places = _column(blocks, most, ITEM_BYTES, _PLACE_AT, "<u4")
    ends = places + _column(blocks, most, ITEM_BYTES, _SIZE_AT, "<u4")
    # Places that never rise leave no room for a sum that wraps.
    packed = (ends[:, 1:] == places[:, :-1]) & (places[:, 1:] <= places[:, :-1])
    good = (packed | missing).all(axis=1) & (ends[:, 0] == room) & (places[:, 0] <= room)
    last = np.clip(counts, 1, most).astype(np.int64) - 1
    good &= places[np.arange(len(blocks)), last] >= counts * np.uint64(ITEM_BYTES)
    return np.asarray(good | (counts == 0))


def _column(blocks: U8, most: int, step: int, at: int, kind: str) -> NDArray[np.unsignedinteger]:
    """One field of the first so many items of each block, with a copy that is aligned."""
    strides = (blocks.strides[0], step)
    return np.ndarray((len(blocks), most), kind, blocks.data, HEADER_BYTES + at, strides).copy()
