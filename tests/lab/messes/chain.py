"""btrfs at its most shared: a chain of forty layers, reflinks, bookends, deleted subvolumes that are still held.

Each layer adds a file, overwrites a common one and removes an older one, so that every subvolume differs from every
other. Refuses other filesystems.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import describe, measure
from tests.lab.commands import run
from tests.lab.messes._write import KIB, MIB, btrfs_only, hold, random_file
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# The causes that this mess is of.
CAUSES = (
    "btrfs-bookends",
    "btrfs-pending",
)

LAYERS_COUNT = 42
_FRAGMENTED_BYTES = 32 * MIB
_OVERWRITES_COUNT = 500
_SUBVOLUME_BYTES = (9 * MIB, 5 * MIB)


def make(lab: Lab) -> list[Planted]:
    """An image of 42 layers and a container on top; a volume with reflinks and bookends; two deleted subvolumes."""
    btrfs_only(lab, "chain")
    lab.client.load_image("shop/deep:1", [_layer(number) for number in range(LAYERS_COUNT)])
    lab.client.base_image()
    lab.client.run("base:1", "idle-1", "exec sleep 100000")
    lab.docker("create", "--network", "none", "--name", "deep-1", "shop/deep:1", "/none")
    lab.docker("volume", "create", "tangled")
    data = lab.docker_root / "volumes/tangled/_data"
    return [*_reflinks(lab, data), _bookends(lab, data), *_deleted(lab)]


def _layer(number: int) -> dict[str, bytes | int]:
    files: dict[str, bytes | int] = {f"data/layer-{number}": 128 * KIB, "data/common": 256 * KIB}
    if number >= 10:
        files[f"data/.wh.layer-{number - 10}"] = b""
    return files


def _reflinks(lab: Lab, data: Path) -> list[Planted]:
    original = random_file(data / "original", 12 * MIB)
    measure.flush(lab.mount)
    within, outside = data / "copy-in-volume", lab.mount / "copy-outside"
    for copy in (within, outside):
        run("cp", "--reflink=always", original, copy)
    with outside.open("r+b") as file:
        file.write(os.urandom(2 * MIB))
    measure.flush(lab.mount)
    note = "reflink of volume tangled's file `original`; its first 2 MiB are its own"
    return [describe.placed(lab, "other_files", "reflink", outside, note=note)]


def _bookends(lab: Lab, data: Path) -> Planted:
    """Small overwrites in a large extent: it stays pinned whole, the new pieces come on top."""
    path = random_file(data / "fragmented", _FRAGMENTED_BYTES)
    measure.flush(lab.mount)
    places = random.Random(4711).sample(range(_FRAGMENTED_BYTES // (4 * KIB)), _OVERWRITES_COUNT)
    with path.open("r+b", buffering=0) as file:
        for place in places:
            file.seek(place * 4 * KIB)
            file.write(os.urandom(4 * KIB))
        os.fsync(file.fileno())
    measure.flush(lab.mount)
    note = f"{_OVERWRITES_COUNT * 4} KiB overwritten, and held twice"
    return describe.placed(lab, "volumes", "fragmented file", path, note=note)


def _deleted(lab: Lab) -> list[Planted]:
    """Subvolumes whose deletion cannot finish: a process works in each. It ends, the cleaner runs."""
    planted = []
    for number, size_bytes in enumerate(_SUBVOLUME_BYTES):
        path = lab.mount / f"deleted-{number}"
        run("btrfs", "subvolume", "create", path)
        random_file(path / "data", size_bytes)
        measure.flush(lab.mount)
        subvolume_id = run("btrfs", "inspect-internal", "rootid", path).strip()
        pid = hold(lab, "exec sleep 100000", path)
        run("btrfs", "subvolume", "delete", path)
        planted.append(
            Planted(
                category="deleted_pending",
                kind="deleted subvolume",
                name=path.name,
                id=subvolume_id,
                path=None,
                allocated_bytes=size_bytes,
                apparent_bytes=size_bytes,
                held_by_pid=pid,
            )
        )
    return planted
