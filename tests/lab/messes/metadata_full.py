"""btrfs that is full though df says two thirds: nothing unallocated, metadata over 95 %, data chunks half empty.

All space is given to chunks, the data then thinned out so that no chunk becomes empty, and the metadata filled up with
small files in a leaked layer, which no prune reaches. Images are all in use. Refuses other filesystems.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import describe, graph_layout, measure
from tests.lab.commands import run
from tests.lab.messes._write import MIB, btrfs_only
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# Small enough to lie in the metadata itself (btrfs inlines up to 2,048 bytes); an extended attribute always does. It
# makes the files few: when little is left btrfs writes everything back before each of them.
# The causes that this mess is of.
CAUSES = (
    "btrfs-metadata",
    "btrfs-unallocated",
)

_INLINE_BYTES = 2000
_ATTRIBUTE_BYTES = 14_000
_WANTED_FILL = 0.95
_METADATA_BYTES = 200 * MIB


def make(lab: Lab) -> list[Planted]:
    """Two running containers; then data, most of it freed again; then small files to the last byte of metadata."""
    btrfs_only(lab, "metadata_full")
    if lab.driver != "btrfs":
        raise ValueError("the mess `metadata_full` leaks a subvolume, which only the btrfs driver has")
    lab.client.base_image()
    lab.import_image("shop/app:1", {"app": 8 * MIB})
    for name in ("api-1", "web-1"):
        lab.client.run("base:1", name, "exec sleep 100000")
    lab.docker("create", "--network", "none", "--name", "spare-1", "shop/app:1", "/none")
    leaked = graph_layout.folder(lab.docker_root, "btrfs") / secrets.token_hex(32)
    run("btrfs", "subvolume", "create", leaked)
    thumbnails = lab.mount / "thumbnails"
    thumbnails.mkdir()
    _fill_data(lab.mount / "media", lab.mount)
    _fill_metadata((leaked, thumbnails, thumbnails), lab.mount)
    found = state(lab.mount)
    if found.metadata_fill < _WANTED_FILL or found.unallocated_bytes > 16 * MIB:
        raise RuntimeError(f"the filesystem is not as full as it should be: {found}")
    note = "small files, all of them in the metadata"
    return [
        describe.placed(lab, "orphans", "leaked layer", leaked, note=note),
        describe.placed(lab, "other_files", "small files", thumbnails, note=note),
    ]


@dataclass(frozen=True, slots=True)
class State:
    """How full the metadata is (used of allocated), what it has allocated, and what no chunk has taken yet."""

    metadata_fill: float
    metadata_bytes: int
    unallocated_bytes: int


def state(mount: Path) -> State:
    """Read from `btrfs filesystem usage`. Raises `ValueError`, `CommandFailed`."""
    text = run("btrfs", "filesystem", "usage", "--raw", mount)
    metadata = re.search(r"^Metadata,\w+: Size:(\d+), Used:(\d+)", text, re.MULTILINE)
    unallocated = re.search(r"^\s+Device unallocated:\s+(\d+)", text, re.MULTILINE)
    if metadata is None or unallocated is None:
        raise ValueError(f"btrfs filesystem usage says something else: {text}")
    return State(int(metadata[2]) / int(metadata[1]), int(metadata[1]), int(unallocated[1]))


def _fill_data(folder: Path, mount: Path) -> None:
    """Have data chunks take all but what metadata is to get, then free two files of five, all over the disk.

    An empty chunk would be given back; these all stay, more than half full.
    """
    folder.mkdir()
    number = 0
    # Metadata is there twice (DUP); space is set aside first, which is quicker than writing it.
    while state(mount).unallocated_bytes > 2 * _METADATA_BYTES:
        for _ in range(16):
            with (folder / f"{number:06}").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, MIB)
            number += 1
    measure.flush(mount)
    for path in folder.iterdir():
        if int(path.name) % 5 < 2:
            path.unlink()
        else:
            with path.open("r+b") as file:
                file.write(os.urandom(MIB))
    measure.flush(mount)


def _fill_metadata(folders: Sequence[Path], mount: Path) -> None:
    """Small files in each folder by turns, until even after a commit not one more can be made."""
    number, refusals = 0, 0
    while refusals < 3:
        try:
            path = folders[number % len(folders)] / f"{number:06}"
            path.write_bytes(os.urandom(_INLINE_BYTES))
            os.setxattr(path, "user.preview", os.urandom(_ATTRIBUTE_BYTES))
            number, refusals = number + 1, 0
        except OSError as failure:
            if failure.errno != errno.ENOSPC:
                raise
            refusals += 1
            _flush(mount)


def _flush(mount: Path) -> None:
    # A full filesystem may refuse even this; what was written before is then on the disk all the same.
    with suppress(Exception):
        measure.flush(mount)
