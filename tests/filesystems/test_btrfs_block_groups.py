"""The tree of block groups, which newer mkfs makes and older ones cannot: built by hand into a captured filesystem."""

from __future__ import annotations

import struct
from pathlib import Path

from crc32c import crc32c

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.ioctl import HEADER_BYTES, ITEM_BYTES, Key
from collectors.filesystems.btrfs.trees import table
from tests.filesystems import btrfs_replay as replay

NODE = 16384
Items = list[tuple[Key, bytes]]


def leaf_items(block: bytes) -> Items:
    found = []
    for number in range(int.from_bytes(block[96:100], "little")):
        objectid, kind, offset, at, size = struct.unpack_from("<QBQII", block, HEADER_BYTES + number * ITEM_BYTES)
        found.append(((objectid, kind, offset), block[HEADER_BYTES + at : HEADER_BYTES + at + size]))
    return found


def leaf(header: bytes, items: Items) -> bytes:
    """Items from the front, their data from the back, as the kernel lays them out."""
    block = bytearray(NODE)
    block[:HEADER_BYTES] = header[:96] + len(items).to_bytes(4, "little") + b"\0"
    end = NODE
    for number, ((objectid, kind, offset), data) in enumerate(sorted(items)):
        end -= len(data)
        block[end : end + len(data)] = data
        place = HEADER_BYTES + number * ITEM_BYTES
        struct.pack_into("<QBQII", block, place, objectid, kind, offset, end - HEADER_BYTES, len(data))
    block[:32] = crc32c(bytes(block[32:])).to_bytes(4, "little") + bytes(28)
    return bytes(block)


def owner_of(block: bytes) -> int:
    return int.from_bytes(block[88:96], "little")


def converted(content: replay.Blocks) -> replay.Blocks:
    """Block group items moved from the extent tree to a leaf of their own; what stays behind is made worthless."""
    fsid = content[1, 65536][32:48]
    blocks = {
        place: b"".join(content[place[0], place[1] + page] for page in range(0, NODE, replay.PAGE))
        for place, page in content.items()
        if place[1] != 65536 and page[32:48] == fsid and page[100] == 0
    }
    leaves = {place: block for place, block in blocks.items() if owner_of(block) == ioctl.EXTENT_TREE}
    (roots,) = (place for place, block in blocks.items() if owner_of(block) == ioctl.ROOT_TREE)
    groups = [item for block in leaves.values() for item in leaf_items(block) if is_group(item[0])]
    ((_, like),) = (item for item in leaf_items(blocks[roots]) if item[0][:2] == (ioctl.EXTENT_TREE, ioctl.ROOT_ITEM))
    # A place in the same chunk, far behind all that is in use: so the distance from logical to physical is the same.
    devid, near = min(leaves)
    free = near + (16 << 20)
    address = u64(leaves[devid, near], 48) + free - near
    header, root = bytearray(leaves[devid, near][:HEADER_BYTES]), bytearray(like)
    struct.pack_into("<Q", header, 48, address)
    struct.pack_into("<Q", header, 80, u64(like, 160))
    struct.pack_into("<Q", header, 88, ioctl.BLOCK_GROUP_TREE)
    struct.pack_into("<Q", root, 176, address)
    root[238] = 0
    new_root = ((ioctl.BLOCK_GROUP_TREE, ioctl.ROOT_ITEM, 0), bytes(root))
    written = {place: leaf(block, [emptied(item) for item in leaf_items(block)]) for place, block in leaves.items()}
    written[devid, free] = leaf(bytes(header), [with_one_more(item) for item in groups])
    written[roots] = leaf(blocks[roots], [*leaf_items(blocks[roots]), new_root])
    made = dict(content)
    for (devid, at), block in written.items():
        for page in range(0, NODE, replay.PAGE):
            made[devid, at + page] = block[page : page + replay.PAGE]
    return made


def is_group(key: Key) -> bool:
    return key[1] == ioctl.BLOCK_GROUP_ITEM


def emptied(item: tuple[Key, bytes]) -> tuple[Key, bytes]:
    """Whoever still reads the counter here is wrong."""
    key, data = item
    return (key, bytes(8) + data[8:]) if is_group(key) else item


def with_one_more(item: tuple[Key, bytes]) -> tuple[Key, bytes]:
    """The new leaf is itself a block of metadata."""
    key, data = item
    more = NODE if u64(data, 16) & ioctl.METADATA else 0
    return key, struct.pack("<Q", u64(data, 0) + more) + data[8:]


def u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def test_counters_are_read_from_the_tree_of_block_groups_where_there_is_one(tmp_path: Path) -> None:
    found = replay.walk(tmp_path, converted(replay.blocks("layers")))
    assert found.fill is not None
    assert table.remainder(found.fill, found.table) == (0, 0)
    assert "<block group tree>" in found.table.units
