"""Makes a btrfs of ten million extents that are reserved, not written: its tree blocks are all that takes room.

`python -m tests.bench.btrfs_large IMAGE` (root, a loop device, eleven minutes, 12 GB where IMAGE is) leaves a file that
`python -m tests.bench.btrfs_walk --image IMAGE` measures as often as wanted. Two million files in a chain of a dozen
snapshots, each with one file in a hundred made anew; thirty images of 100,000 files, and what was made of every third;
sixteen volumes of four fragmented files, 78,000 extents each, in two snapshots with changes of their own. A rescan of
quotas takes a quarter of an hour, and is not part of the bench: all 102 subvolumes held what it counted, to the byte.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.btrfs_filesystem import run

_BLOCK = 4096
_PUNCH_HOLE = 1 | 2  # and the size stays
_SIZES = (1, 1, 3, 3, 5)  # blocks of a file
_IN_DIRECTORY = 390
_LINKS, _IMAGES, _VOLUMES, _DATABASES = 12, 30, 16, 4


@contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """Where it is mounted for as long as that is wanted."""
    with tempfile.TemporaryDirectory(prefix="ullage-bench-") as folder:
        run("mount", "-o", "loop,noatime,commit=300", str(image), folder)
        try:
            yield Path(folder)
        finally:
            run("umount", folder)


def filled(at: Path, scale: float) -> None:
    """All of it; `scale` 1 is ten million extents."""
    chance = random.Random(5)
    files, blocks = int(2_000_000 * scale), int(78_000 * scale)
    _subvolume(at / "chain-0")
    _tree(at / "chain-0", files, chance)
    for step in range(1, _LINKS):
        _snapshot(at / f"chain-{step - 1}", at / f"chain-{step}")
        _change(at / f"chain-{step}", files, step, chance)
    for number in range(_IMAGES):
        _subvolume(at / f"image-{number}")
        _tree(at / f"image-{number}", files // 20, chance)
        if number % 3 == 0:
            _snapshot(at / f"image-{number}", at / f"made-{number}")
            _tree(at / f"made-{number}" / "more", files // 400, chance)
    for number in range(_VOLUMES):
        source = at / f"volume-{number}"
        _subvolume(source)
        for database in range(_DATABASES):
            with (source / f"database-{database}").open("wb") as file:
                for block in range(blocks):
                    os.posix_fallocate(file.fileno(), block * _BLOCK, _BLOCK)
        for step in range(2):
            _snapshot(source, source := at / f"volume-{number}-{step}")
            for database in range(_DATABASES):
                _scattered(source / f"database-{database}", chance.sample(range(blocks), blocks // 100))
    run("btrfs", "filesystem", "sync", str(at))


def changed_again(at: Path, number: int) -> None:
    """One in a hundred files of each directory of the chain's last link is made anew. Committed."""
    chance = random.Random(number)
    for folder, _, names in os.walk(at / f"chain-{_LINKS - 1}"):
        for name in chance.sample(sorted(names), len(names) // 100):
            _reserved(f"{folder}/{name}", chance)
    run("btrfs", "filesystem", "sync", str(at))


def snapshot_again(at: Path, number: int) -> None:
    """A snapshot of an image. Committed."""
    _snapshot(at / f"image-{number}", at / f"again-{len(list(at.iterdir()))}")
    run("btrfs", "filesystem", "sync", str(at))


def deleted_again(at: Path, number: int) -> None:
    """A link in the middle of the chain goes, the first that is left, and the cleaner is done with it."""
    links = sorted(int(path.name.removeprefix("chain-")) for path in at.glob("chain-*"))
    run("btrfs", "subvolume", "delete", str(at / f"chain-{links[1]}"))
    for what in (("filesystem", "sync"), ("subvolume", "sync"), ("filesystem", "sync")):
        run("btrfs", *what, str(at))


def _subvolume(path: Path) -> None:
    run("btrfs", "subvolume", "create", str(path))


def _snapshot(source: Path, path: Path) -> None:
    run("btrfs", "subvolume", "snapshot", str(source), str(path))


def _tree(root: Path, count: int, chance: random.Random) -> None:
    """Directory after directory, as an archive is unpacked."""
    for number in range(count):
        path = _place(root, number)
        if number % _IN_DIRECTORY == 0:
            Path(path).parent.mkdir(parents=True)
        _reserved(path, chance)


def _place(root: Path, number: int) -> str:
    directory = number // _IN_DIRECTORY
    return f"{root}/{directory % 97:02d}/{directory:05d}/file-{number}"


def _reserved(path: str, chance: random.Random) -> None:
    """A file of one new extent, in the place of what was there."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.posix_fallocate(fd, 0, chance.choice(_SIZES) * _BLOCK)
    os.close(fd)


def _change(root: Path, files: int, step: int, chance: random.Random) -> None:
    for number in chance.sample(range(files), files // 100):
        if os.path.exists(path := _place(root, number)):
            _reserved(path, chance)
    for number in chance.sample(range(files), files // 250):
        with suppress(FileNotFoundError):
            os.unlink(_place(root, number))
    _tree(root / f"new-{step}", files // 150, chance)


def _scattered(path: Path, blocks: list[int]) -> None:
    """These blocks of a file are given up and reserved anew."""
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("r+b") as file:
        for block in blocks:
            if libc.fallocate(file.fileno(), _PUNCH_HOLE, ctypes.c_long(block * _BLOCK), ctypes.c_long(_BLOCK)):
                raise OSError(ctypes.get_errno(), f"no hole in {path}")
            os.posix_fallocate(file.fileno(), block * _BLOCK, _BLOCK)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("image", type=Path)
    words.add_argument("--scale", type=float, default=1.0, help="of ten million extents")
    given = words.parse_args()
    with given.image.open("xb") as file:
        file.truncate(400 << 30)
    run("mkfs.btrfs", "-q", "-m", "single", str(given.image))
    with mounted(given.image) as at:
        filled(at, given.scale)


if __name__ == "__main__":
    main()
