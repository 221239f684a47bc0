"""bbolt files: their buckets as pure decoding, and reading one that its owner writes to meanwhile.

Format: go.etcd.io/bbolt, version 2. Little-endian as on every machine that Docker runs on. Each page says its own
number, kind and extent; everything is held against that. Refuses (Malformed) a page that is not what its parent took
it for, an element outside its page, keys out of order, a page reached twice in one bucket, and work beyond a budget:
no input makes it loop.

bbolt never writes over a page that the newest committed state N refers to: what N+1 gives up is used again by N+2 at
the earliest, and that begins when N+1's meta page is out. So what was read under meta page N is whole if N is still
the newest afterwards; else it is read again. A file of usual size is taken into memory in one go, which takes less
time than a transaction; of a larger one only the pages that are asked for. Nothing is written: no copy, no reflink and
no lock on a filesystem that may be full. Refuses an answer that it could not read undisturbed.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from collectors.model import dataclass
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed

_MAGIC: Final = 0xED0CDAED
_VERSION: Final = 2
_BRANCH, _LEAF = 0x01, 0x02
_NESTED = 0x01  # a leaf element whose value is a bucket
_DEEPEST = 64  # levels of one tree; 2^64 pages are more than any file has
_READINGS = 16  # how often a caller may read everything, before it is taken for going in circles
_LEAST_BYTES = 1 << 16

_PAGE = struct.Struct("<QHHI")  # number, flags, elements, further pages that continue this one
# magic, version, page size, flags, root, sequence, freelist, high water, txid, checksum
_META = struct.Struct("<IIIIQQQQQQ")
_SUMMED_BYTES = 56  # all of it up to the sum
_BRANCH_ELEMENT = struct.Struct("<IIQ")  # key's place from here, key's length, page
_LEAF_ELEMENT = struct.Struct("<IIII")  # flags, key's place from here, key's length, value's length
_BUCKET = struct.Struct("<QQ")  # root page (0: the page follows inline), sequence

META_BYTES: Final = _PAGE.size + _META.size


@dataclass(frozen=True, slots=True)
class Meta:
    """One of the file's two meta pages: the state after transaction `txid`."""

    page_size_bytes: int
    root: int
    txid: int


def meta_page(page: bytes) -> Meta | None:
    """The meta page in `page`; None when it is torn, foreign or was never written.

    Malformed where its checksum vouches for a page size that cannot be: an older state would be read in its place.
    """
    if len(page) < META_BYTES:
        return None
    magic, version, page_size, _, root, _, _, _, txid, checksum = _META.unpack_from(page, _PAGE.size)
    if magic != _MAGIC or version != _VERSION or checksum != _fnv1a(page[_PAGE.size : _PAGE.size + _SUMMED_BYTES]):
        return None
    if page_size < 512 or page_size > 1 << 20 or page_size & (page_size - 1):
        raise Malformed(f"a page size of {page_size} bytes")
    return Meta(page_size, root, txid)


def _fnv1a(data: bytes) -> int:
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = ((digest ^ byte) * 0x100000001B3) & 0xFFFF_FFFF_FFFF_FFFF
    return digest


class Pages:
    """Pages by number, each held against its own header. A budget bounds all work on one file."""

    def __init__(self, fetch: Callable[[int, int], bytes], page_size_bytes: int, count: int) -> None:
        """`fetch(offset, length)` answers bytes of a file of `count` pages, fewer at its end."""
        self._fetch = fetch
        self._size_bytes = page_size_bytes
        self._count = count
        self._budget_bytes = _READINGS * count * page_size_bytes + _READINGS * _LEAST_BYTES

    def page(self, number: int) -> bytes:
        """The whole page with all that continues it."""
        head = self._run(number, 1)
        claimed, _, _, further = _PAGE.unpack_from(head)
        if claimed != number:
            raise Malformed(f"page {number} says that it is page {claimed}")
        return head + self._run(number + 1, further) if further else head

    def _run(self, number: int, length: int) -> bytes:
        if number + length > self._count:
            raise Malformed(f"page {number} lies beyond the end of the file")
        wanted = length * self._size_bytes
        self.spend(wanted)
        found = self._fetch(number * self._size_bytes, wanted)
        if len(found) < wanted:
            raise Malformed(f"page {number} could not be read whole")
        return found

    def spend(self, size_bytes: int) -> None:
        """Take from the budget. Malformed when it is used up: references go in circles."""
        self._budget_bytes -= max(size_bytes, _PAGE.size)
        if self._budget_bytes < 0:
            raise Malformed("more is referred to than the file can hold")


class Bucket:
    """A bucket: keys in order, each with a value (bytes) or a nested bucket. Nested buckets are read when asked."""

    def __init__(self, pages: Pages, root: int, inline: bytes | None = None) -> None:
        self._pages = pages
        self._root = root
        self._inline = inline

    def items(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        """Every key with its value or bucket. Malformed as soon as something does not hold together."""
        if self._inline is not None:
            self._pages.spend(len(self._inline))
            found = self._leaf(self._inline)
        else:
            found = self._tree(self._root, set(), 0)
        last: bytes | None = None
        for key, value in found:
            if last is not None and key <= last:
                raise Malformed("keys are out of order")
            last = key
            yield key, value

    def buckets(self) -> Iterator[tuple[bytes, Bucket]]:
        """The nested buckets alone."""
        return ((key, value) for key, value in self.items() if isinstance(value, Bucket))

    def values(self) -> dict[bytes, bytes]:
        """The plain values alone."""
        return {key: value for key, value in self.items() if isinstance(value, bytes)}

    def bucket(self, *path: bytes) -> Bucket | None:
        """The bucket at the end of a path of keys; None when there is none."""
        found: Bucket = self
        for step in path:
            for key, value in found.items():
                if key == step and isinstance(value, Bucket):
                    found = value
                    break
            else:
                return None
        return found

    def _tree(self, number: int, seen: set[int], depth: int) -> Iterator[tuple[bytes, bytes | Bucket]]:
        if number in seen or depth > _DEEPEST:
            raise Malformed(f"page {number} is reached twice")
        seen.add(number)
        page = self._pages.page(number)
        _, flags, count, _ = _PAGE.unpack_from(page)
        if flags & _LEAF:
            yield from self._leaf(page)
        elif flags & _BRANCH:
            _check_fits(page, count, _BRANCH_ELEMENT.size)
            for at in range(_PAGE.size, _PAGE.size + count * _BRANCH_ELEMENT.size, _BRANCH_ELEMENT.size):
                _, _, child = _BRANCH_ELEMENT.unpack_from(page, at)
                yield from self._tree(child, seen, depth + 1)
        else:
            raise Malformed(f"page {number} is neither a branch nor a leaf")

    def _leaf(self, page: bytes) -> Iterator[tuple[bytes, bytes | Bucket]]:
        if len(page) < _PAGE.size:
            raise Malformed("an inline page is too short")
        _, _, count, _ = _PAGE.unpack_from(page)
        _check_fits(page, count, _LEAF_ELEMENT.size)
        for at in range(_PAGE.size, _PAGE.size + count * _LEAF_ELEMENT.size, _LEAF_ELEMENT.size):
            flags, place, key_length, value_length = _LEAF_ELEMENT.unpack_from(page, at)
            begin = at + place
            middle, end = begin + key_length, begin + key_length + value_length
            if end > len(page):
                raise Malformed("an element reaches beyond its page")
            value = page[middle:end]
            yield page[begin:middle], self._nested(value) if flags & _NESTED else value

    def _nested(self, value: bytes) -> Bucket:
        if len(value) < _BUCKET.size:
            raise Malformed("a bucket's head is too short")
        root, _ = _BUCKET.unpack_from(value)
        return Bucket(self._pages, root, value[_BUCKET.size :] if root == 0 else None)


def _check_fits(page: bytes, count: int, element_bytes: int) -> None:
    if _PAGE.size + count * element_bytes > len(page):
        raise Malformed(f"{count} elements do not fit their page")


T = TypeVar("T")

_ATTEMPTS = 20
_PAUSE_S = 0.01  # about one commit of a disk with a write cache
_IN_MEMORY_BYTES = 64 << 20
_PAGE_SIZES = tuple(1 << power for power in range(12, 17))  # the kernel's page size where the file was made


def read(path: Path, decode: Callable[[Bucket], T]) -> T:
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

        def in_place(state: Meta) -> T:
            return decode(_root(state, size_bytes, lambda at, length: os.pread(handle, length, at)))

        return _undisturbed(handle, path, in_place)[1]
    finally:
        os.close(handle)


def _undisturbed(handle: int, path: Path, act: Callable[[Meta], T]) -> tuple[Meta, T]:
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


def _newest(handle: int, path: Path) -> Meta:
    """The valid meta page with the highest transaction."""
    valid: list[Meta] = []
    for place in (0, *_PAGE_SIZES):
        try:
            meta = meta_page(os.pread(handle, META_BYTES, place))
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


def _root(state: Meta, size_bytes: int, fetch: Callable[[int, int], bytes]) -> Bucket:
    return Bucket(Pages(fetch, state.page_size_bytes, size_bytes // state.page_size_bytes), state.root)
