"""Tree blocks and superblocks of three captured filesystems, with fields changed and ends missing.

What counts as a wrong answer. Undamaged, a walk gives figures that equal the kernel's own count. After damage:

- The checksum left as it was (`stale`): the block is to be refused, whatever was hit. The walk may answer only where
  it answers the same as before (the checksum field is wider than the checksum in it).
- The checksum made right again (`sealed`), as a machine with faulty memory writes it: refused; or the same answer,
  where the field does not matter for sizes; or an answer that says of itself that it is not exact (`flagged`): what was
  found does not sum to what the block groups say is used, or a directory that was to be told apart was not found.
- Some facts are written once and nowhere else that the walk reads, so that there is nothing to hold them against: the
  length of a file, in which directory it lies, which part of an extent it uses, how many items a leaf has, and, where
  two subvolumes have one extent, that this one has it too. (The extent tree counts references, but the walk does not
  read its leaves.) A right reading of a sealed block must believe them, as the kernel does. `BELIEVED` names each such
  field with the only figures that it may change; every other figure has to stay, and the bytes on disk still have to
  sum up. Anything else is a wrong answer, and a find.

Any other exception than the walk's own, a case that takes longer or more memory than it may: a find as well.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from random import Random
from typing import Any

import numpy as np

from collectors.filesystems.btrfs.trees import chunk_map, table
from collectors.filesystems.btrfs.trees.chunk_map import Unsupported
from collectors.filesystems.btrfs.trees.device import Devices
from collectors.filesystems.btrfs.trees.measure import walked
from collectors.filesystems.btrfs.trees.table import Measured
from collectors.system.deadline import Malformed
from tests.filesystems import btrfs_replay as replay
from tests.filesystems.btrfs_replay import PAGE, Blocks
from tests.fuzz.target import Target
from tests.fuzz.targets import btrfs_fields as fields
from tests.fuzz.targets.btrfs_fields import Field

Place = tuple[int, int]

_SETS = ("data", "metadata", "apparent", "inodes")
_EXTENTS = ("bookend_bytes", "compressed_bytes", "uncompressed_bytes")
# Field → the figures that it alone tells.
BELIEVED: dict[str, frozenset[str]] = {
    "INODE_ITEM.size": frozenset({"apparent"}),
    "INODE_ITEM.mode": frozenset({"apparent"}),
    "EXTENT_DATA.compression": frozenset(_EXTENTS),
    "EXTENT_DATA.ram_bytes": frozenset({"uncompressed_bytes"}),
    "EXTENT_DATA.offset": frozenset({"bookend_bytes"}),
    "EXTENT_DATA.num_bytes": frozenset({"bookend_bytes"}),
    # Whose extent it is, where another subvolume has it as well, so that the sum does not tell.
    "EXTENT_DATA.disk_bytenr": frozenset({"data", *_EXTENTS}),
    "EXTENT_DATA.type": frozenset({"data", *_EXTENTS}),
    # An item of another kind that may stand in the same place. One flipped bit makes no kind that there is.
    "EXTENT_DATA.key.type": frozenset({"data", *_EXTENTS}),
    "INODE_ITEM.key.type": frozenset({"apparent", "inodes"}),
    # How many items a leaf has: the same for all that is in it.
    "header.nritems": frozenset({*_SETS, *_EXTENTS}),
    # In which directory something lies: that is how a subvolume is split, and part of the path of nested ones.
    "INODE_REF.key.objectid": frozenset({"data", "apparent", "inodes", "units"}),
    "INODE_REF.key.offset": frozenset({"data", "apparent", "inodes", "units"}),
    "INODE_REF.key.type": frozenset({"data", "apparent", "inodes", "units"}),
    "INODE_REF.name_len": frozenset({"units"}),
    "INODE_REF.the rest": frozenset({"units"}),
    "INODE_ITEM.key.objectid": frozenset({"data", "apparent", "inodes"}),
    "EXTENT_DATA.key.objectid": frozenset({"data"}),
}


class InMemory(Devices):
    """Captured blocks as devices, without a file."""

    def __init__(self, content: Blocks) -> None:
        super().__init__(dict.fromkeys((devid for devid, _ in content), -1))
        self._content = content

    def close(self) -> None:
        pass

    def read(self, devid: int, offset: int, into: Sequence[memoryview]) -> None:
        for part in into:
            for at in range(0, len(part), PAGE):
                page = self._content.get((devid, offset + at))
                part[at : at + PAGE] = bytes(PAGE) if page is None else page
            offset += len(part)


def walk(content: Blocks) -> Measured:
    devices = InMemory(content)
    return walked(devices, devices.superblock(), replay.RULES, time.monotonic() + 3600)


@cache
def undamaged(shape: str) -> Measured:
    return walk(replay.blocks(shape))


@cache
def places(shape: str) -> tuple[tuple[Place, int, tuple[Field, ...]], ...]:
    """(where, length, fields) of every superblock and tree block that the capture has whole."""
    content = replay.blocks(shape)
    top = InMemory(content).superblock()
    found: list[tuple[Place, int, tuple[Field, ...]]] = []
    for (devid, at), page in sorted(content.items()):
        if at == chunk_map.AT:
            found.append(((devid, at), PAGE, tuple(fields.of_superblock())))
        elif page[32:48] == top.metadata_fsid:
            block = joined(content, (devid, at), top.node_bytes)
            found.append(((devid, at), top.node_bytes, tuple(fields.of_block(block))))
    return tuple(found)


def joined(content: Blocks, place: Place, size: int) -> bytes:
    devid, start = place
    return b"".join(content[devid, at] for at in range(start, start + size, PAGE))


def sealed(block: bytes, kind: int) -> bytes:
    """The block with the checksum that fits it."""
    rows = np.frombuffer(block, np.uint8).reshape(1, -1)
    if kind == 0:
        return int(chunk_map.crc32c_of_rows(rows)[0]).to_bytes(4, "little") + block[4:]
    assert kind == 1
    return int(chunk_map._xxh64(rows[:, 32:])[0]).to_bytes(8, "little") + block[8:]


def _seeds(stale: bool) -> tuple[bytes, ...]:
    return tuple(json.dumps({"shape": shape, "sealed": not stale, "damage": []}).encode() for shape in replay.SHAPES)


def _mutate(random: Random, case: bytes) -> bytes:
    """One field more is damaged: [block, offset in it, new bytes, name of the field]."""
    told: dict[str, Any] = json.loads(case)
    content, all_places = replay.blocks(told["shape"]), places(told["shape"])
    which = random.randrange(len(all_places))
    place, size, inside = all_places[which]
    if random.random() < 0.05:
        keep = random.randrange(size)
        told["damage"].append([which, keep, bytes(size - keep).hex(), "the end"])
        return json.dumps(told).encode()
    # Fields of one name first: a leaf has hundreds of inodes, and one header.
    name = random.choice(sorted({field.name for field in inside}))
    field = random.choice([field for field in inside if field.name == name])
    old = joined(content, place, size)[field.at : field.at + field.size]
    same = [other for other in inside if other.name == name and other.size == field.size]
    new = _other(random, old, [joined(content, place, size)[one.at : one.at + one.size] for one in same])
    told["damage"].append([which, field.at, new.hex(), name])
    return json.dumps(told).encode()


def _other(random: Random, old: bytes, elsewhere: Sequence[bytes]) -> bytes:
    size = len(old)
    number = int.from_bytes(old, "little")
    match random.randrange(8):
        case 0:
            return bytes(size)
        case 1:
            return b"\xff" * size
        case 2:
            return ((number + random.choice((1, -1, 4096, -4096, 2, -2))) % (1 << 8 * size)).to_bytes(size, "little")
        case 3:
            return random.choice(elsewhere)
        case 4:
            return random.randbytes(size)
        case _:
            return (number ^ 1 << random.randrange(8 * size)).to_bytes(size, "little")


def damaged(told: dict[str, Any]) -> Blocks:
    """The captured blocks with what a case describes."""
    content = dict(replay.blocks(told["shape"]))
    all_places = places(told["shape"])
    kind = int.from_bytes(content[1, chunk_map.AT][196:198], "little")
    for which in dict.fromkeys(one[0] for one in told["damage"]):
        (devid, start), size, _ = all_places[which]
        block = bytearray(joined(content, (devid, start), size))
        for other, at, new, _ in told["damage"]:
            if other == which:
                block[at : at + len(new) // 2] = bytes.fromhex(new)
        whole = sealed(bytes(block), kind) if told["sealed"] else bytes(block)
        for at in range(0, size, PAGE):
            content[devid, start + at] = whole[at : at + PAGE]
    return content


def differing(found: Measured, before: Measured) -> frozenset[str]:
    """Names of the figures that are not the same."""
    changed = {"units"} if found.table.units != before.table.units else set()
    for column in _SETS:
        one, other = (
            {mask: held for mask, held in zip(part.table.masks, getattr(part.table, column), strict=True) if held}
            for part in (found, before)
        )
        changed |= {column} if one != other else set()
    others = ("generation", "fill", "unresolved", *_EXTENTS)
    return frozenset(changed | {part for part in others if getattr(found, part) != getattr(before, part)})


def judge(case: bytes) -> str:
    try:
        told: dict[str, Any] = json.loads(case)
        content = damaged(told)
    except (ValueError, LookupError, TypeError):  # made by leaving things out of a case
        return "no case"
    try:
        found = walk(content)
    except (Malformed, Unsupported, OSError) as refusal:
        return f"{type(refusal).__name__.lower()}: {plain(str(refusal))}"
    before = undamaged(told["shape"])
    if replace(found, blocks_read=before.blocks_read) == before:
        return "the same answer"
    assert told["sealed"], "a wrong answer from a block whose checksum is stale"
    assert found.fill is not None
    if table.remainder(found.fill, found.table) != (0, 0):
        return "flagged: the sums do not agree"
    if set(found.unresolved) > set(before.unresolved):
        return "flagged: a directory was not found"
    changed = differing(found, before)
    names = {name for *_, name in told["damage"]}
    assert changed <= frozenset().union(*(BELIEVED.get(name, frozenset()) for name in names)), (
        f"{'+'.join(sorted(names))} changed {'+'.join(sorted(changed))} and nothing says so"
    )
    return "believed: told nowhere else"


def plain(text: str) -> str:
    """A refusal without its figures."""
    return re.sub(r"0x[0-9a-f]+|\d+", "N", text)[:60]


TARGETS = (
    Target(
        "btrfs-stale",
        "tree blocks and superblocks, checksum left stale",
        partial(_seeds, True),
        _mutate,
        judge,
        (),
    ),
    Target(
        "btrfs-sealed",
        "tree blocks and superblocks, checksum made right again",
        partial(_seeds, False),
        _mutate,
        judge,
        (),
    ),
)
