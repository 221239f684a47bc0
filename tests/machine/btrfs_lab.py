"""Small btrfs filesystems on loop devices, what the kernel says of them, and what the collectors say."""

from __future__ import annotations

import fcntl
import os
import random
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from collectors.filesystems import btrfs
from collectors.model import SubvolumeId, UnitId
from collectors.model.btrfs import Btrfs, Sharing, SplitRule
from collectors.model.reading import Exact
from collectors.system.deadline import this_host
from tests.lab import disk
from tests.lab.commands import run

MIB = 1 << 20
_FICLONERANGE = 0x4020940D


@dataclass(frozen=True, slots=True)
class Lab:
    """One mounted filesystem. Contents are random, so that nothing compresses by chance."""

    at: Path
    devices: tuple[str, ...]
    chance: random.Random

    def subvolume(self, name: str) -> Path:
        (self.at / name).parent.mkdir(parents=True, exist_ok=True)
        run("btrfs", "subvolume", "create", self.at / name)
        return self.at / name

    def snapshot(self, source: str, name: str, *options: str) -> Path:
        run("btrfs", "subvolume", "snapshot", *options, self.at / source, self.at / name)
        return self.at / name

    def delete(self, *names: str) -> None:
        run("btrfs", "subvolume", "delete", *(self.at / name for name in names))

    def cleaned(self) -> None:
        """Wait until the cleaner has dropped every deleted subvolume, and commit."""
        self.commit()
        run("btrfs", "subvolume", "sync", self.at)
        self.commit()

    def commit(self) -> None:
        run("btrfs", "filesystem", "sync", self.at)

    def write(self, path: Path, size: int, *, text: bool = False) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"the same line again and again\n" * (size // 30) if text else self.chance.randbytes(size))
        return path

    def overwrite(self, path: Path, times: int, block: int = 4096) -> None:
        """Blocks in random places, committed now and then, or the kernel would merge them."""
        blocks = path.stat().st_size // block
        with path.open("r+b", buffering=0) as file:
            for number in range(times):
                file.seek(self.chance.randrange(blocks) * block)
                file.write(self.chance.randbytes(block))
                if number % 40 == 39:
                    os.fsync(file.fileno())

    def clone(self, source: Path, target: Path, offset: int = 0, length: int = 0) -> None:
        """A reflink of a range; of the whole file with a length of 0."""
        target.touch()
        with source.open("rb") as read, target.open("r+b") as written:
            end = target.stat().st_size
            fcntl.ioctl(written, _FICLONERANGE, struct.pack("qQQQ", read.fileno(), offset, length, end))


@contextmanager
def lab(
    base: Path,
    *,
    size_mib: int = 1024,
    devices: int = 1,
    mkfs: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Iterator[Lab]:
    """A fresh filesystem; gone again afterwards, whatever happens."""
    base.mkdir(parents=True, exist_ok=True)
    try:
        made = disk.create(
            base, "btrfs", size_mib=size_mib, devices=devices, mkfs_options=mkfs, mount_options=("noatime", *options)
        )
        yield Lab(made.mount, made.devices, random.Random(5))
    finally:
        left = disk.destroy(base)
        assert not left, left


def figures(at: Path) -> Btrfs:
    """The cheap figures, which must all be there."""
    found = btrfs.filesystem(at, this_host(), timeout_s=20)
    assert isinstance(found, Exact), found
    return found.value


def sharing(at: Path, *rules: SplitRule) -> Sharing:
    """The exact table, walked anew."""
    found = btrfs.sharing(at, this_host(), figures(at), rules, deadline_s=120, cache=None)
    assert isinstance(found, Exact), found
    return found.value


def assert_books_close(found: Sharing) -> None:
    """What was walked is what the kernel counts, to the byte: in the commit that was walked, and still now."""
    residual = (found.residual_data_bytes, found.residual_metadata_bytes)
    drift = (found.drift_data_bytes, found.drift_metadata_bytes)
    assert (residual, drift) == ((0, 0), (0, 0))


def qgroups(at: Path) -> dict[SubvolumeId, tuple[int, int]]:
    """(referenced, exclusive) of each subvolume as the kernel counts them in a rescan; quotas are off again after."""
    run("btrfs", "quota", "enable", at)
    try:
        run("btrfs", "quota", "rescan", "-W", at)
        run("btrfs", "quota", "rescan", "-w", at)
        run("btrfs", "filesystem", "sync", at)
        quotas = figures(at).quotas
        assert isinstance(quotas, Exact)
        groups = quotas.value.groups
        assert isinstance(groups, Exact), groups
        return {group.subvolume: (group.referenced_bytes, group.exclusive_bytes) for group in groups.value}
    finally:
        run("btrfs", "quota", "disable", at)


def assert_agrees_with_qgroups(at: Path, found: Sharing) -> int:
    """Every living subvolume's referenced and exclusive bytes, metadata included; how many there were."""
    truth = qgroups(at)
    held = {holding.unit: holding for holding in found.holdings}
    subvolumes = figures(at).subvolumes
    assert isinstance(subvolumes, Exact)
    mine, theirs = {}, {}
    for subvolume in subvolumes.value:
        holding = held[subvolume.unit]
        assert holding.referenced_metadata_bytes is not None
        assert holding.exclusive_metadata_bytes is not None
        mine[subvolume.path] = (
            holding.referenced_data_bytes + holding.referenced_metadata_bytes,
            holding.exclusive_data_bytes + holding.exclusive_metadata_bytes,
        )
        theirs[subvolume.path] = truth[subvolume.id]
    assert mine == theirs
    return len(mine)


def data_used(at: Path) -> int:
    """Bytes of data that SPACE_INFO calls used."""
    spaces = figures(at).spaces
    assert isinstance(spaces, Exact)
    return sum(space.logical_used_bytes for space in spaces.value if space.kind in ("data", "mixed"))


def freed_by(found: Sharing, doomed: frozenset[UnitId]) -> int:
    """Data that nobody else holds than the doomed."""
    return sum(row.data_bytes for row in found.rows if row.holders <= doomed)


def wait_until(condition: object, seconds: float = 20) -> None:
    """Poll a callable until it is true."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
