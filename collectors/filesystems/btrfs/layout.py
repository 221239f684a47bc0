"""Names for the numbers of the on-disk format: object ids, item types, feature flags, block group flags.

From include/uapi/linux/btrfs_tree.h and btrfs.h. Numbers only; nothing is read here.
"""

from __future__ import annotations

ROOT_TREE = 1
EXTENT_TREE = 2
CHUNK_TREE = 3
TOP_LEVEL = 5
QUOTA_TREE = 8
BLOCK_GROUP_TREE = 11
ORPHANS = 2**64 - 5
TREE_RELOC = 2**64 - 8
DATA_RELOC_TREE = 2**64 - 9
FIRST_SUBVOLUME = 256
LAST_SUBVOLUME = 2**64 - 256
SUBVOLUME_DIRECTORY = 256  # inode of a subvolume's own directory
CHUNKS = 256  # object id of every chunk item

INODE_ITEM = 1
INODE_REF = 12
INODE_EXTREF = 13
ORPHAN_ITEM = 48
DIR_ITEM = 84
EXTENT_DATA = 108
ROOT_ITEM = 132
ROOT_BACKREF = 144
ROOT_REF = 156
BLOCK_GROUP_ITEM = 192
CHUNK_ITEM = 228
QGROUP_STATUS = 240
QGROUP_INFO = 242

UNLINKED = "<unlinked>"  # the holder of files that are deleted and still open

TREE_NAMES = {
    ROOT_TREE: "<root tree>",
    EXTENT_TREE: "<extent tree>",
    CHUNK_TREE: "<chunk tree>",
    4: "<device tree>",
    7: "<checksum tree>",
    QUOTA_TREE: "<quota tree>",
    9: "<uuid tree>",
    10: "<free space tree>",
    BLOCK_GROUP_TREE: "<block group tree>",
    12: "<stripe tree>",
    TREE_RELOC: "<relocation>",
    DATA_RELOC_TREE: "<data relocation>",
}

HEADER_BYTES = 101  # of a tree block
POINTER_BYTES = 33  # in a node
ITEM_BYTES = 25  # in a leaf; the data lies at its end

DATA = 1 << 0
SYSTEM = 1 << 1
METADATA = 1 << 2
GLOBAL_RESERVE = 1 << 49

RAID0 = 1 << 3
RAID1 = 1 << 4
DUP = 1 << 5
RAID10 = 1 << 6
RAID5 = 1 << 7
RAID6 = 1 << 8
RAID1C3 = 1 << 9
RAID1C4 = 1 << 10
PROFILES = RAID0 | RAID1 | DUP | RAID10 | RAID5 | RAID6 | RAID1C3 | RAID1C4

_PROFILE_NAMES = {
    0: "single",
    RAID0: "RAID0",
    RAID1: "RAID1",
    DUP: "DUP",
    RAID10: "RAID10",
    RAID5: "RAID5",
    RAID6: "RAID6",
    RAID1C3: "RAID1C3",
    RAID1C4: "RAID1C4",
}
_COPIES = {RAID1: 2, DUP: 2, RAID10: 2, RAID1C3: 3, RAID1C4: 4}
_PARITY = {RAID5: 1, RAID6: 2}


def is_subvolume(tree: int) -> bool:
    """Whether a tree of this id is a subvolume: the top level, or one that was created or snapshotted."""
    return tree == TOP_LEVEL or FIRST_SUBVOLUME <= tree <= LAST_SUBVOLUME


def kind(flags: int) -> str:
    """What a block group holds: data, metadata, system, mixed, global reserve."""
    if flags & GLOBAL_RESERVE:
        return "global reserve"
    if flags & SYSTEM:
        return "system"
    match bool(flags & DATA), bool(flags & METADATA):
        case True, True:
            return "mixed"
        case True, False:
            return "data"
        case _:
            return "metadata"


def profile(flags: int) -> str:
    """single, DUP, RAID1 …; a profile of the future keeps its number, so that it is never taken for single."""
    bits = flags & ~(DATA | SYSTEM | METADATA | GLOBAL_RESERVE | 1 << 48)
    return _PROFILE_NAMES.get(bits, f"profile {bits:#x}")


def disk_copies(profile: str) -> int:
    """How often the kernel's `disk_used` counts a byte in chunks of this profile: its copies, without parity."""
    return {_PROFILE_NAMES[bits]: count for bits, count in _COPIES.items()}.get(profile, 1)


def copies(flags: int, devices: int) -> tuple[int, int]:
    """Physical bytes for so many logical bytes: (2, 1) for RAID1, (4, 3) for RAID5 over four devices."""
    parity = _PARITY.get(flags & PROFILES)
    if parity is not None and devices > parity:
        return devices, devices - parity
    return _COPIES.get(flags & PROFILES, 1), 1
