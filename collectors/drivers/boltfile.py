"""Reads a bbolt file that its owner keeps open and writes to, without its lock and without a copy on disk.

bbolt never writes over a page that the newest committed state N refers to: what N+1 gives up is used again by N+2 at
the earliest, and that begins when N+1's meta page is out. So what was read under meta page N is whole if N is still
the newest afterwards; else it is read again. A file of usual size is taken into memory in one go, which takes less
time than a transaction; of a larger one only the pages that are asked for. Nothing is written: no copy, no reflink and
no lock on a filesystem that may be full. Refuses an answer that it could not read undisturbed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from collectors.drivers import bolt
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed

T = TypeVar("T")

_ATTEMPTS = 20
_PAUSE_S = 0.01  # about one commit of a disk with a write cache
_IN_MEMORY_BYTES = 64 << 20
_PAGE_SIZES = tuple(1 << power for power in range(12, 17))  # the kernel's page size where the file was made


def read(path: Path, decode: Callable[[bolt.Bucket], T]) -> T:
    """What `decode` makes of the file's root bucket, taken from one committed state.

    `decode` must return plain values: a bucket is not valid afterwards. Malformed for a damaged file; Declined when the
    file changed during every attempt; OSError as the kernel gives it.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        size_bytes = os.fstat(handle).st_size
        if size_bytes <= _IN_MEMORY_BYTES:
            state, content = _undisturbed(handle, path, lambda _: os.pread(handle, os.fstat(handle).st_size, 0))
            return _named(
                path, lambda: decode(_root(state, len(content), lambda at, length: content[at : at + length]))
            )

        def in_place(state: bolt.Meta) -> T:
            return decode(_root(state, size_bytes, lambda at, length: os.pread(handle, length, at)))

        return _undisturbed(handle, path, in_place)[1]
    finally:
        os.close(handle)


def _undisturbed(handle: int, path: Path, act: Callable[[bolt.Meta], T]) -> tuple[bolt.Meta, T]:
    """What `act` gives while the newest state does not change, and that state."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S)
        before = _newest(handle, path)
        try:
            found = act(before)
        except Malformed as error:
            if _newest(handle, path) == before:
                raise Malformed(f"{path}: {error}") from None
            continue
        if _newest(handle, path) == before:
            return before, found
    raise Declined(Why.INCONSISTENT, f"{path} changed during each of {_ATTEMPTS} readings")


def _named(path: Path, act: Callable[[], T]) -> T:
    try:
        return act()
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from None


def _newest(handle: int, path: Path) -> bolt.Meta:
    """The valid meta page with the highest transaction."""
    valid: list[bolt.Meta] = []
    for place in (0, *_PAGE_SIZES):
        try:
            meta = bolt.meta(os.pread(handle, bolt.META_BYTES, place))
        except Malformed as error:
            raise Malformed(f"{path}: {error}") from None
        if meta is not None and place not in (0, meta.page_size_bytes):
            raise Malformed(f"{path}: a meta page at {place} that says pages have {meta.page_size_bytes} bytes")
        valid += [] if meta is None else [meta]
    if not valid:
        raise Malformed(f"{path}: no valid meta page: torn, or not a bbolt file")
    if len({meta.page_size_bytes for meta in valid}) > 1:
        raise Malformed(f"{path}: its meta pages disagree on the size of pages")
    return max(valid, key=lambda meta: meta.txid)


def _root(state: bolt.Meta, size_bytes: int, fetch: Callable[[int, int], bytes]) -> bolt.Bucket:
    return bolt.Bucket(bolt.Pages(fetch, state.page_size_bytes, size_bytes // state.page_size_bytes), state.root)
