"""Who holds bytes, and the identifiers that look alike and must not be exchanged. Stdlib only.

Identifiers that look alike and must not be exchanged.

Who holds bytes: an image, a container, a build record, a directory that nobody else knows. Stdlib only.

Inside the program an owner is always an `Owner`. Its text, `image:sha256:…`, is for the borders alone: the journal, the
run log, recordings, ids of a plan's steps. It is made and read nowhere but here.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple, NewType

ImageId = NewType("ImageId", str)  # "sha256:…" of the image config (graph driver) or manifest (containerd store)
ContainerId = NewType("ContainerId", str)  # 64 hex digits
DiffId = NewType("DiffId", str)  # "sha256:…" of one layer's uncompressed tar
ChainId = NewType("ChainId", str)  # "sha256:…" of a layer on top of all those below it
CacheId = NewType("CacheId", str)  # the driver's name of a directory or subvolume
UnitId = NewType("UnitId", str)  # a directory or subvolume that is measured as one thing: its path below the mount
HOST_UNIT = UnitId("<host>")  # of everything that lies in no other unit: `other_files`
SubvolumeId = NewType("SubvolumeId", int)


class OwnerKind(StrEnum):
    """Stable: they stand in journals and recordings. The comment says what the id of such an owner is."""

    IMAGE = "image"  # as the engine calls it, "sha256:…"
    CONTAINER = "container"  # 64 hex digits
    BUILD = "build"  # id of a build record, or key of a build snapshot without one
    VOLUME = "volume"  # its name
    LOG = "log"  # id of the container that writes it
    PLUGIN = "plugin"  # its id
    CONTAINERD = "containerd"  # an image outside Docker's namespace: namespace/name
    LEASE = "lease"  # namespace/lease, or namespace/label of what holds itself
    ORPHAN = "orphan"  # path of its directory
    LEFTOVER = "leftover"  # path of a file or directory
    STORE = "store"  # something in another engine's store: path of that, a colon, what it is
    SNAPSHOT = "snapshot"  # path of the btrfs snapshot below the top level
    DELETED = "deleted"  # number of a dropped subvolume
    UNLINKED = "unlinked"  # all deleted files that are open, as the trees of a btrfs see them; no id
    OPEN = "open"  # device:inode of a deleted file that is open, with the process where there is no inode
    # What items of a ledger are called that nothing owns.
    UNIT = "unit"  # id of the unit
    PATH = "path"  # of a directory outside Docker
    SUBVOLUME = "subvolume"  # its number


class Owner(NamedTuple):
    """One owner. A tuple, since sets hold it by the hundred thousand: hashed and compared without Python code."""

    kind: OwnerKind
    id: str

    def text(self) -> str:
        """`image:sha256:…`, which `parse` reads back whatever the id holds."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Owner:
        """What `text` wrote. Raises ValueError where the part before the first colon is no kind of owner."""
        kind, colon, rest = text.partition(":")
        if not colon:
            raise ValueError(f"no owner: {text!r}")
        return cls(OwnerKind(kind), rest)


_KEYS = {"container": "container {}'s layer", "log": "container {}'s log", "volume": "volume {}", "image": "image {}"}


def key_words(key: str) -> str:
    """A figure of the journal as people call it: `log:web-1` → `container web-1's log`; categories as they are."""
    kind, _, name = key.removeprefix("owner:").partition(":")
    short = name[:12] if re.fullmatch(r"[0-9a-f]{64}", name) else name
    return _KEYS[kind].format(short) if name and kind in _KEYS else key
