"""Whether tree blocks carry their right checksum, and the reasons that end a walk.

Why a walk of the committed trees cannot go on.

Whether tree blocks carry their right checksum: crc32c, xxhash64, sha256, blake2b. Many blocks at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from collectors.system.deadline import Malformed


class Stale(Malformed):
    """A block is not what its pointer promised: overwritten since, or damaged. The walk starts again."""


class Unsupported(Exception):
    """This filesystem cannot be read from its devices; the kernel's tree search may do. The text says why."""

    def __init__(self, why: str, restarts: int = 0) -> None:
        super().__init__(why)
        self.restarts = restarts


Blocks = NDArray[np.uint8]
Verdicts = NDArray[np.bool_]

_FIELD = 32  # bytes at the head of a block, not covered
_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)


def right(blocks: Blocks, kind: int) -> Verdicts:
    """For each row, whether its checksum field fits the rest of it. Unsupported for a checksum of the future."""
    check = _KINDS.get(kind)
    if check is None:
        raise Unsupported(f"checksum type {kind} is unknown")
    return check(blocks)


def crc32c_of_rows(blocks: Blocks) -> NDArray[np.uint32]:
    """The CRC-32C of each row behind its checksum field."""
    return np.fromiter((crc32c(row[_FIELD:]) for row in blocks), np.uint32, len(blocks))


def name_hash(name: bytes) -> int:
    """The offset of a name's DIR_ITEM: a CRC-32C that starts at ~1 and is not inverted."""
    return crc32c(name, 1) ^ 0xFFFFFFFF


def _crc32c(blocks: Blocks) -> Verdicts:
    return np.asarray(crc32c_of_rows(blocks) == blocks.view("<u4")[:, 0])


def _xxhash64(blocks: Blocks) -> Verdicts:
    return np.asarray(_xxh64(blocks[:, _FIELD:]) == blocks.view("<u8")[:, 0])


def _sha256(blocks: Blocks) -> Verdicts:
    return _hashed(blocks, lambda data: hashlib.sha256(data).digest())


def _blake2b(blocks: Blocks) -> Verdicts:
    return _hashed(blocks, lambda data: hashlib.blake2b(data, digest_size=_FIELD).digest())


def _hashed(blocks: Blocks, digest: Callable[[memoryview], bytes]) -> Verdicts:
    rows = (row.data for row in blocks)
    return np.array([digest(row[_FIELD:]) == bytes(row[:_FIELD]) for row in rows], np.bool_)


def _xxh64(data: Blocks) -> NDArray[np.uint64]:
    """XXH64 with seed 0 of each row; rows are a multiple of 32 bytes, so that no remainder is to be mixed in."""
    rows, size = data.shape
    # Stripes first, so that what is added in one step lies in one piece.
    stripes = np.ascontiguousarray(np.ascontiguousarray(data).view("<u8").reshape(rows, -1, 4).transpose(1, 2, 0))
    with np.errstate(over="ignore"):
        start = np.array([_P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1], np.uint64)
        lanes = np.repeat(start[:, None], rows, axis=1)
        for stripe in stripes:
            lanes += stripe * _P2
            lanes = _rotated(lanes, 31) * _P1
        mixed = sum((_rotated(lanes[n], by) for n, by in enumerate((1, 7, 12, 18))), np.zeros(rows, np.uint64))
        for lane in lanes:
            mixed = (mixed ^ (_rotated(lane * _P2, 31) * _P1)) * _P1 + _P4
        mixed += np.uint64(size)
        mixed = (mixed ^ (mixed >> np.uint64(33))) * _P2
        mixed = (mixed ^ (mixed >> np.uint64(29))) * _P3
    return mixed ^ (mixed >> np.uint64(32))


def _rotated(values: NDArray[np.uint64], by: int) -> NDArray[np.uint64]:
    return (values << np.uint64(by)) | (values >> np.uint64(64 - by))


_KINDS: dict[int, Callable[[Blocks], Verdicts]] = {0: _crc32c, 1: _xxhash64, 2: _sha256, 3: _blake2b}
