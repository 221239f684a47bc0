"""The shapes of btrfs that the matrix measures: devices, profiles, formats, and what became of them since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.lab.commands import run
from tests.machine.btrfs_lab import MIB, Lab


def as_made(lab: Lab) -> None:
    """Nothing happened since."""


@dataclass(frozen=True, slots=True)
class Shape:
    sizes: tuple[int, ...]  # MiB of each device
    mkfs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    change: Callable[[Lab], None] = as_made


def converted(*filters: str) -> Callable[[Lab], None]:
    """Some chunks of another profile: a conversion that stopped after the first."""

    def change(lab: Lab) -> None:
        for number in range(6):
            lab.write(lab.at / f"bulk-{number}", 24 * MIB)
        lab.commit()
        run("btrfs", "balance", "start", *filters, lab.at)

    return change


def in_pieces(lab: Lab) -> None:
    """Chunks made and dropped again, so that the free room of the device lies in several holes."""
    for number in range(8):
        lab.write(lab.at / f"bulk-{number}", 24 * MIB)
        lab.commit()
    for number in range(0, 8, 2):
        (lab.at / f"bulk-{number}").unlink()
    lab.commit()
    run("btrfs", "balance", "start", "-dusage=40", lab.at)


def grown(lab: Lab) -> None:
    """The last device was twice as large as the filesystem thought."""
    run("btrfs", "filesystem", "resize", f"{len(lab.devices)}:-64M", lab.at)


def balanced(lab: Lab) -> None:
    run("btrfs", "balance", "start", "--full-balance", lab.at)


def without_first(lab: Lab) -> None:
    """A device taken out of the filesystem: what lay on it lies on the others."""
    run("btrfs", "device", "remove", lab.devices[0], lab.at)


def _profiles(data: str, metadata: str) -> tuple[str, ...]:
    return ("-d", data, "-m", metadata)


_TWO, _FOUR = (160, 160), (128, 128, 128, 128)

SHAPES: Mapping[str, Shape] = {
    "one device, DUP metadata": Shape((256,)),
    "one device, single metadata": Shape((256,), _profiles("single", "single")),
    "one device, DUP data": Shape((256,), _profiles("dup", "dup")),
    "free room in pieces": Shape((320,), change=in_pieces),
    "shrunk": Shape((320,), change=grown),
    "balanced": Shape((256,), change=balanced),
    "mixed": Shape((200,), ("-M",)),
    "mixed, blocks of 4 KiB": Shape((200,), ("-M", "-n", "4096")),
    "mixed, DUP": Shape((256,), ("-M", *_profiles("dup", "dup"))),
    "mixed, RAID1": Shape(_TWO, ("-M", *_profiles("raid1", "raid1"))),
    "RAID1": Shape(_TWO, _profiles("raid1", "raid1")),
    "RAID1, unequal": Shape((160, 480), _profiles("raid1", "raid1")),
    "RAID1, three unequal": Shape((128, 192, 256), _profiles("raid1", "raid1")),
    "RAID1, five unequal": Shape((130, 140, 180, 220, 400), _profiles("raid1", "raid1")),
    "RAID1C3": Shape((128, 160, 192), _profiles("raid1c3", "raid1c3")),
    "RAID1C3, four": Shape((128, 128, 160, 256), _profiles("raid1c3", "raid1c3")),
    "RAID1C4": Shape((128, 128, 128, 256), _profiles("raid1c4", "raid1c4")),
    "RAID0": Shape((160, 160), _profiles("raid0", "raid0")),
    "RAID0, unequal": Shape((128, 320), _profiles("raid0", "raid1")),
    "RAID10": Shape(_FOUR, _profiles("raid10", "raid10")),
    "RAID10, unequal": Shape((128, 128, 160, 256), _profiles("raid10", "raid10")),
    "RAID5, metadata RAID1": Shape((160, 160, 160), _profiles("raid5", "raid1")),
    "RAID5, unequal": Shape((128, 160, 320), _profiles("raid5", "raid5")),
    "RAID5, two devices": Shape((192, 192), _profiles("raid5", "raid5")),
    "RAID6, metadata RAID1C3": Shape((128, 128, 128, 192), _profiles("raid6", "raid1c3")),
    "RAID6": Shape((128, 128, 128, 128, 160), _profiles("raid6", "raid6")),
    "single over two, metadata RAID1": Shape((128, 384), _profiles("single", "raid1")),
    "single over three, metadata RAID1C3": Shape((128, 192, 320), _profiles("single", "raid1c3")),
    "RAID0 half to RAID1": Shape((320, 320), _profiles("raid0", "raid1"), (), converted("-dconvert=raid1,limit=1")),
    "RAID1 half to single": Shape((400, 400), _profiles("raid1", "raid1"), (), converted("-dconvert=single,limit=1")),
    "single half to DUP": Shape((512,), (), (), converted("-dconvert=dup,limit=1")),
    "RAID1 data, single metadata": Shape((320, 320), _profiles("raid1", "single")),
    "one of three taken out": Shape((160, 200, 240), _profiles("raid1", "raid1"), (), without_first),
    "blocks of 4 KiB": Shape((256,), ("-n", "4096")),
    "blocks of 64 KiB": Shape((320,), ("-n", "65536")),
    "the old free space cache": Shape((256,), ("-R", "^free-space-tree"), ("space_cache=v1",)),
    "zstd forced, sha256": Shape((256,), ("--csum", "sha256"), ("compress-force=zstd",)),
}
