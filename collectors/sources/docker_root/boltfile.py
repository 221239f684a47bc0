"""Reads a bbolt file that its owner keeps open and writes to, without its lock and without a copy.

bbolt never writes over a page that the newest committed state N refers to: what N+1 gives up is used again by N+2 at
the earliest, and that begins when N+1's meta page is out. So what was read under meta page N is whole if N is still
the newest afterwards; else it is read again. Nothing is written: no copy, no reflink and no lock on a filesystem that
may be full. Refuses an answer that it could not read undisturbed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from collectors.model.reading import Why
from collectors.sources.bounded import Declined, Malformed
from collectors.sources.docker_root import bolt

T = TypeVar("T")

_ATTEMPTS = 8
_PAGE_SIZES = tuple(1 << power for power in range(12, 17))  # the kernel's page size where the file was made


def look(path: Path, read: Callable[[bolt.Bucket], T]) -> T:
    """What `read` makes of the file's root bucket, taken from one committed state.

    `read` must return plain values: a bucket is not valid afterwards. Malformed for a damaged file; Declined when the
    file changed during every attempt; OSError as the kernel gives it.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        for _ in range(_ATTEMPTS):
            before = _newest(handle, path)
            try:
                answer = read(_root(handle, before))
            except Malformed as error:
                if _newest(handle, path) == before:
                    raise Malformed(f"{path}: {error}") from None
                continue
            if _newest(handle, path) == before:
                return answer
    finally:
        os.close(handle)
    raise Declined(Why.INCONSISTENT, f"{path} changed during each of {_ATTEMPTS} readings")


def _newest(handle: int, path: Path) -> bolt.Meta:
    """The valid meta page with the highest transaction."""
    found = [bolt.meta(os.pread(handle, bolt.META_BYTES, 0))]
    found += [
        second
        for size in _PAGE_SIZES
        if (second := bolt.meta(os.pread(handle, bolt.META_BYTES, size))) is not None and second.page_size_bytes == size
    ]
    valid = [meta for meta in found if meta is not None]
    if not valid:
        raise Malformed(f"{path}: no valid meta page: torn, or not a bbolt file")
    return max(valid, key=lambda meta: meta.txid)


def _root(handle: int, meta: bolt.Meta) -> bolt.Bucket:
    count = os.fstat(handle).st_size // meta.page_size_bytes
    return bolt.Bucket(
        bolt.Pages(lambda at, length: os.pread(handle, length, at), meta.page_size_bytes, count), meta.root
    )
