"""Captured btrfs filesystems as devices that can be walked again, without root and without btrfs in the kernel."""

from __future__ import annotations

import json
import lzma
import os
import struct
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from collectors.filesystems.btrfs.trees.device import Devices
from collectors.filesystems.btrfs.trees.measure import walked
from collectors.filesystems.btrfs.trees.table import Measured
from collectors.model import UnitId
from collectors.model.btrfs import SplitRule

BYTES = Path(__file__).parents[1] / "bytes" / "btrfs"
SHAPES = ("layers", "mixed", "raid10")
RULES = (SplitRule("volumes/a", UnitId("volumes/a")), SplitRule("volumes", UnitId("volumes")))

_RECORD = struct.Struct("<QQI")

PAGE = 4096

Blocks = dict[tuple[int, int], bytes]  # (devid, offset) → bytes


@cache
def blocks(shape: str) -> Blocks:
    """What was read from the devices, in pages: some blocks were read twice, alone and among others."""
    raw = lzma.decompress((BYTES / f"{shape}.blocks.xz").read_bytes())
    found: Blocks = {}
    at = 0
    while at < len(raw):
        devid, offset, size = _RECORD.unpack_from(raw, at)
        at += _RECORD.size
        for page in range(0, size, PAGE):
            found[devid, offset + page] = raw[at + page : at + page + PAGE]
        at += size
    return found


def document(shape: str) -> dict[str, Any]:
    """Replies and the kernel's count."""
    found: dict[str, Any] = json.loads((BYTES / f"{shape}.json").read_text())
    return found


def devices(folder: Path, content: Blocks) -> Devices:
    """Sparse files with these blocks in them."""
    opened: dict[int, int] = {}
    for (devid, offset), data in content.items():
        if devid not in opened:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            opened[devid] = os.open(folder / f"device-{devid}", flags, 0o600)
        os.pwrite(opened[devid], data, offset)
    return Devices(opened)


def walk(folder: Path, content: Blocks, rules: Sequence[SplitRule] = RULES) -> Measured:
    """One walk over these blocks."""
    with devices(folder, content) as found:
        return walked(found, found.superblock(), rules, time.monotonic() + 60)
