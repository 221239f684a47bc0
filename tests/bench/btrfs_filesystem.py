"""Makes a btrfs for measuring: long snapshot chains over many files, one fragmented file, clones, deletions."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

FICLONE = 0x40049409


def run(*words: str) -> str:
    """One command; its output. Raises where it fails."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def mounted(image: Path, at: Path, size_gib: int) -> None:
    """A fresh filesystem in a file, mounted through a loop device."""
    at.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(size_gib << 30)
    run("mkfs.btrfs", "-q", "-f", str(image))
    run("mount", "-o", "loop,noatime", str(image), str(at))


def unmounted(image: Path, at: Path) -> None:
    """Undo `mounted`."""
    run("umount", str(at))
    image.unlink()


def filled(at: Path, *, files: int, depth: int, seed: int = 3) -> None:
    """A chain of `depth` snapshots over `files` files, each step changing about one in a hundred, and a second chain.

    Beside them, one file with an overwrite for every third of `files`, which all snapshots hold in some state.
    """
    chance = random.Random(seed)
    base = at / "chain-0"
    _subvolume(base)
    _tree(base, files, chance)
    big = base / "database"
    with big.open("wb") as file:
        for _ in range(256):
            file.write(chance.randbytes(1 << 20))
    _overwrite(big, files // 3, chance)
    for step in range(1, depth):
        new = at / f"chain-{step}"
        run("btrfs", "subvolume", "snapshot", str(at / f"chain-{step - 1}"), str(new))
        _change(new, files, step, chance)
    _subvolume(at / "image-0")
    _tree(at / "image-0", files // 5, chance)
    for step in range(1, depth):
        run("btrfs", "subvolume", "snapshot", str(at / f"image-{step - 1}"), str(at / f"image-{step}"))
        _tree(at / f"image-{step}" / f"layer-{step}", files // 100, chance)
    for number in range(200):
        name = chance.randrange(files)
        _clone(_place(base, name), at / f"clone-{number}")
    os.sync()


def changed_again(at: Path, number: int) -> None:
    """One in a hundred files of the chain's last link is written anew, as each step of the chain did. Committed."""
    last = max(at.glob("chain-*"), key=lambda path: int(path.name.removeprefix("chain-")))
    files = sum(1 for path in last.rglob("file-*"))
    _change(last, files, 1_000 + number, random.Random(number))
    run("btrfs", "filesystem", "sync", str(at))


def snapshot_again(at: Path, number: int) -> None:
    """A snapshot of the first link of the second chain. Committed."""
    run("btrfs", "subvolume", "snapshot", str(at / "image-0"), str(at / f"again-{number}"))
    run("btrfs", "filesystem", "sync", str(at))


def deleted_again(at: Path, number: int) -> None:
    """A link in the middle of the first chain goes, and the cleaner is done with it."""
    run("btrfs", "subvolume", "delete", str(at / f"chain-{number + 1}"))
    for what in (("filesystem", "sync"), ("subvolume", "sync"), ("filesystem", "sync")):
        run("btrfs", *what, str(at))


def _subvolume(path: Path) -> None:
    run("btrfs", "subvolume", "create", str(path))


def _place(root: Path, number: int) -> Path:
    return root / f"{number % 97:02d}" / f"{number // 97 % 53:02d}" / f"file-{number}"


def _tree(root: Path, count: int, chance: random.Random) -> None:
    for number in range(count):
        path = _place(root, number)
        if number < 97 * 53:
            path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, chance)


def _write(path: Path, chance: random.Random) -> None:
    # A block of its own each: contents do not matter here, only that no two extents are one.
    size = chance.choice((3000, 4096, 9000, 9000, 20000))
    with open(path, "wb", buffering=0) as file:
        file.write(b"x" * size)


def _overwrite(path: Path, count: int, chance: random.Random) -> None:
    blocks = path.stat().st_size // 4096
    with path.open("r+b", buffering=0) as file:
        for number in range(count):
            file.seek(chance.randrange(blocks) * 4096)
            file.write(b"y" * 4096)
            if number % 2000 == 1999:  # or the kernel merges them into long extents again
                os.fsync(file.fileno())


def _change(root: Path, files: int, step: int, chance: random.Random) -> None:
    for number in chance.sample(range(files), files // 100):
        path = _place(root, number)
        if path.exists():
            _write(path, chance)
    for number in chance.sample(range(files), files // 250):
        _place(root, number).unlink(missing_ok=True)
    for number in range(files // 150):
        path = root / f"new-{step}" / f"file-{number}"
        path.parent.mkdir(exist_ok=True)
        _write(path, chance)
    _overwrite(root / "database", files // 100, chance)


def _clone(source: Path, target: Path) -> None:
    import fcntl

    if source.exists():
        with source.open("rb") as read, target.open("wb") as written:
            fcntl.ioctl(written.fileno(), FICLONE, read.fileno())
