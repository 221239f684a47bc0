"""bolt databases of BuildKit and containerd, captured from engines, with pages changed.

Right is what the plainest reading of the format gives for the same bytes (`plainly`, below), or a refusal. bolt has no
checksum but that of its meta pages, so a changed name is a name. A page that refers to itself must not hold the reader
up: cases have a limit of time and memory.
"""

from __future__ import annotations

import gzip
import os
import struct
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from collectors.drivers import bolt, bolt_holders, containerd
from collectors.system.deadline import Declined, Malformed
from tests.fuzz.change import damaged
from tests.fuzz.target import Target

FOLDER = Path(__file__).parents[2] / "bytes" / "docker_root"
_READERS: dict[str, Callable[[Path], Any]] = {
    "metadata_v2.db": bolt_holders.records,
    "snapshots.db": bolt_holders.snapshots,
    "meta.db": containerd.namespaces,
    "snapshotter_metadata.db": containerd.directories,
}
_NAMES = tuple(_READERS)
_DEEPEST = 40
_HEAD, _BRANCH, _LEAF = struct.Struct("<QHHI"), struct.Struct("<IIQ"), struct.Struct("<IIII")

Tree = dict[bytes, "bytes | Tree"]


@cache
def _seeds() -> tuple[bytes, ...]:
    return tuple(
        bytes([_NAMES.index(path.stem)]) + gzip.decompress(path.read_bytes()) for path in sorted(FOLDER.glob("*/*.gz"))
    )


def _mutate(random: Random, case: bytes) -> bytes:
    content = bytearray(case[1:])
    pages = max(1, len(content) // 4096)
    match random.randrange(10):
        case 0:
            return case[:1] + damaged(random, bytes(content), 3)
        case 1:  # one page over another
            source, target = random.randrange(pages) * 4096, random.randrange(pages) * 4096
            content[target : target + 4096] = content[source : source + 4096]
        case 2:  # a torn write
            at = random.randrange(pages) * 4096 + 512 * random.randrange(8)
            content[at : at + 512] = bytes(512)
        case 3:
            del content[random.randrange(len(content) + 1) :]
        case _:
            _field(random, content, random.randrange(pages) * 4096)
    return case[:1] + bytes(content)


def _field(random: Random, content: bytearray, page: int) -> None:
    """One number of a page's head, of a meta page, of an element."""
    if page + _HEAD.size > len(content):
        return
    _, flags, count, _ = _HEAD.unpack_from(content, page)
    fields = [(0, 8), (8, 2), (10, 2), (12, 4)]
    if flags & 4:
        fields += [(16, 4), (20, 4), (24, 4), (32, 8), (40, 8), (48, 8), (56, 8), (64, 8), (72, 8)]
    elif count:
        at = 16 + random.randrange(count) * 16
        fields += [(at, 4), (at + 4, 4), (at + 8, 4), (at + 12, 4), (at + 8, 8)] * 3
        # An inline or nested bucket is a value: its root and its own page head.
        flags_of, place, key_bytes, value_bytes = struct.unpack_from(
            "<IIII", content, min(page + at, len(content) - 16)
        )
        if flags_of & 1 and value_bytes >= 16:
            fields += [(at + place + key_bytes + step, size) for step, size in ((0, 8), (24, 2), (26, 2), (32, 4))]
    at, size = random.choice(fields)
    old = int.from_bytes(content[page + at : page + at + size], "little")
    others = (old ^ 1 << random.randrange(8 * size), old + 1, old - 1, 0, 2 ** (8 * size) - 1, random.randrange(64))
    new = random.choice(others) % (1 << 8 * size)
    content[page + at : page + at + size] = new.to_bytes(size, "little")
    if flags & 4 and page + 80 <= len(content) and random.random() < 0.8:
        content[page + 72 : page + 80] = bolt._fnv1a(bytes(content[page + 16 : page + 72])).to_bytes(8, "little")


def _judge(case: bytes) -> str:
    reader = _READERS[_NAMES[case[0] % len(_NAMES)]] if case else bolt_holders.records
    with tempfile.NamedTemporaryFile(dir=_room(), delete=True) as file:
        file.write(case[1:])
        file.flush()
        path = Path(file.name)
        try:
            found: Tree | None = bolt.read(path, _tree)
        except (Malformed, Declined):
            found = None
        if found is not None:
            assert found == plainly(case[1:]), "another answer than the plain reading gives"
        try:
            reader(path)
            end = "answered"
        except Malformed:
            end = "malformed"
        except Declined as declined:
            end = f"declined: {declined.why.value}"
    return f"{'tree read' if found is not None else 'tree refused'}, {end}"


def _room() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _tree(bucket: bolt.Bucket, depth: int = 0) -> Tree:
    if depth > _DEEPEST:
        raise Malformed("deeper than any real file")
    return {key: _tree(value, depth + 1) if isinstance(value, bolt.Bucket) else value for key, value in bucket.items()}


def plainly(content: bytes) -> Tree:
    """All of a file, read without any of the care that the reader takes; only for files that hold together."""
    metas = []
    for at in (0, *(1 << power for power in range(12, 17))):
        raw = content[at + 16 : at + 80]
        if len(raw) == 64 and raw[:8] == struct.pack("<II", 0xED0CDAED, 2):
            size, root, txid, check = *struct.unpack_from("<I4xQ", raw, 8), *struct.unpack_from("<QQ", raw, 48)
            digest = 0xCBF29CE484222325
            for byte in raw[:56]:
                digest = (digest ^ byte) * 0x100000001B3 % 2**64
            if digest == check and at in (0, size):
                metas.append((txid, -at, size, root))
    _, _, size, root = max(metas)
    return _plain_bucket(content, size, root, None)


def _plain_bucket(content: bytes, size: int, root: int, inline: bytes | None) -> Tree:
    found: Tree = {}
    pages = [inline] if inline is not None else [content[root * size :]]
    while pages:
        page = pages.pop(0)
        _, flags, count, further = _HEAD.unpack_from(page)
        page = page if inline is not None else page[: (1 + further) * size]
        for number in range(count):
            at = 16 + 16 * number
            if inline is None and not flags & 2:
                pages.append(content[_BRANCH.unpack_from(page, at)[2] * size :])
                continue
            kind, place, key_bytes, value_bytes = _LEAF.unpack_from(page, at)
            begin = at + place
            key, value = page[begin : begin + key_bytes], page[begin + key_bytes : begin + key_bytes + value_bytes]
            if kind & 1:
                below = int.from_bytes(value[:8], "little")
                found[key] = _plain_bucket(content, size, below, None if below else value[16:])
            else:
                found[key] = value
    return found


TARGETS = (
    Target(
        "bolt", "BuildKit's and containerd's databases: page heads, elements, meta pages", _seeds, _mutate, _judge, ()
    ),
)
