"""One exact walk over a made filesystem, held against what was made: `python -m tests.scale.walk IMAGE SHAPE`.

As a JSON document on stdout: processor seconds of the walk and of what follows from its table.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.trees import table
from collectors.filesystems.btrfs.trees.device import Devices
from collectors.filesystems.btrfs.trees.measure import walked
from collectors.filesystems.btrfs.trees.table import Measured
from collectors.model import UnitId
from collectors.model.btrfs import Holding
from tests.scale import trees


def main(image: str, shape: str) -> int:
    made = trees.Shape(**json.loads(shape))
    began = time.process_time()
    found = walked_image(Path(image))
    walk_s, began = time.process_time() - began, time.process_time()
    rows, holdings = table.rows(found.table), table.holdings(found.table)
    table_s = time.process_time() - began
    check(made, found, holdings)
    facts = {"blocks": found.blocks_read, "sets": len(rows), "memberships": memberships(found.table)}
    print(json.dumps({"took": {"walk": walk_s, "table": table_s}, "facts": facts}))
    return 0


def walked_image(image: Path) -> Measured:
    """The walk of the product, over a made filesystem."""
    with Devices({1: os.open(image, os.O_RDONLY | os.O_CLOEXEC)}) as devices:
        return walked(devices, devices.superblock(), (), time.monotonic() + 3600)


def memberships(found: table.Table) -> int:
    """Pairs of a set and one of its holders. Above `table._LARGE` they are summed as a matrix of bits."""
    return sum(mask.bit_count() for mask in found.masks)


def check(made: trees.Shape, found: Measured, holdings: Sequence[Holding]) -> None:
    """The books close, and every set and every subvolume is what was made, to the byte."""
    assert found.fill is not None
    assert table.remainder(found.fill, found.table) == (0, 0), table.remainder(found.fill, found.table)
    names = [f"subvolume-{ioctl.FIRST_SUBVOLUME + number:05d}" for number in range(made.subvolumes)]
    place = {name: number for number, name in enumerate(names)}
    sets: dict[int, int] = {}
    for mask, held in zip(found.table.masks, found.table.data, strict=True):
        if held:
            sets[sum(1 << place[found.table.units[bit]] for bit in _bits(mask))] = held
    expected = trees.truth(made)
    assert sets == expected
    referenced = [0] * made.subvolumes
    for mask, held in expected.items():
        for number in _bits(mask):
            referenced[number] += held
    told = {one.unit: one.referenced_data_bytes for one in holdings}
    assert {name: told[UnitId(name)] for name in names} == dict(zip(names, referenced, strict=True))


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
