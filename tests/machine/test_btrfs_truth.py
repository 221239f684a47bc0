"""The exact walk against the kernel's own count, byte for byte, on filesystems of different shape."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.commands import run
from tests.lab.require import require_machine
from tests.machine.btrfs_lab import (
    MIB,
    Lab,
    assert_agrees_with_qgroups,
    assert_books_close,
    lab,
    sharing,
)

pytestmark = pytest.mark.machine


@pytest.fixture(autouse=True)
def _machine() -> None:
    require_machine()


def layer_chain(made: Lab) -> None:
    """An image's layers: each a snapshot of the one below, with files added, replaced and deleted."""
    made.subvolume("layers/0")
    for number in range(300):
        made.write(made.at / f"layers/0/dir-{number % 7}/file-{number}", 200 + number * 97)
    for depth in range(1, 45):
        layer = made.snapshot(f"layers/{depth - 1}", f"layers/{depth}")
        for number in range(6):
            made.write(layer / f"dir-{number % 7}/file-{(depth * 31 + number) % 300}", 5000 + depth * 400)
            made.write(layer / f"new-{depth}/file-{number}", 12_000)
        (layer / f"dir-{depth % 7}").joinpath(f"file-{depth % 7}").unlink(missing_ok=True)


def reflinks(made: Lab) -> None:
    """Clones whole and in part, within and across subvolumes."""
    one, two = made.subvolume("one"), made.subvolume("two")
    source = made.write(one / "source", 8 * MIB)
    os.sync()
    made.clone(source, one / "whole")
    made.clone(source, two / "whole")
    made.clone(source, made.at / "part", MIB, 2 * MIB)
    made.clone(source, two / "pieces", 0, 64 * 1024)
    made.clone(source, two / "pieces", 5 * MIB, MIB)
    made.overwrite(two / "whole", 100)
    source.unlink()


def compressed(made: Lab) -> None:
    """Compression forced, then overwritten in the middle and cloned."""
    base = made.subvolume("text")
    for number in range(40):
        made.write(base / f"page-{number}", 700_000, text=number % 4 != 0)
    os.sync()
    made.snapshot("text", "copy")
    made.overwrite(made.at / "copy/page-1", 60)
    made.clone(made.at / "copy/page-2", made.at / "clone")


def bookends(made: Lab) -> None:
    """A database file: one long extent, overwritten in small blocks, in snapshots."""
    base = made.subvolume("data")
    made.write(base / "database", 40 * MIB)
    os.sync()
    for number in range(5):
        made.overwrite(base / "database", 400)
        made.snapshot("data", f"backup-{number}", "-r")


def odd_files(made: Lab) -> None:
    """Everything that is not a plain extent: inline, preallocated, holes, hard links, no copy on write, sparse."""
    base = made.subvolume("odd")
    for number in range(200):
        made.write(base / f"inline-{number}", number * 11)
    run("fallocate", "-l", str(6 * MIB), base / "reserved")
    with (base / "reserved").open("r+b") as file:
        file.seek(MIB)
        file.write(made.chance.randbytes(MIB))
    made.write(base / "punched", 4 * MIB)
    os.sync()
    run("fallocate", "-p", "-o", str(MIB), "-l", str(MIB), base / "punched")
    (base / "sparse").touch()
    os.truncate(base / "sparse", 1 << 50)
    (base / "deep/er").mkdir(parents=True)
    os.link(base / "punched", base / "deep/er/again")
    (base / "nocow").touch()
    run("chattr", "+C", base / "nocow")
    made.write(base / "nocow", 3 * MIB)
    os.symlink("x" * 3000, base / "link")
    made.snapshot("odd", "odd-copy")
    made.overwrite(base / "nocow", 50)


def nested(made: Lab) -> None:
    """Subvolumes in directories of subvolumes, a snapshot of one that has others in it, names of many bytes."""
    made.subvolume("outer")
    (made.at / "outer/dir").mkdir()
    made.subvolume("outer/dir/inner")
    made.subvolume("outer/dir/inner/ünner " + "n" * 200)
    for number, path in enumerate(sorted(made.at.rglob("*"))):
        if path.is_dir():
            made.write(path / "file", 50_000 + number * 4096)
    made.snapshot("outer", "outer-copy")
    made.write(made.at / "outer/file", 10_000)


def balanced(made: Lab) -> None:
    """Everything moved once: relocation leaves its own marks in headers and trees."""
    layer_chain(made)
    made.commit()
    run("btrfs", "balance", "start", "--full-balance", made.at)


SHAPES: dict[str, tuple[Callable[[Lab], None], dict[str, object]]] = {
    "a chain of 45 layers": (layer_chain, {}),
    "reflinks": (reflinks, {}),
    "zstd forced": (compressed, {"options": ("compress-force=zstd",)}),
    "lzo forced, blocks of 4 KiB": (compressed, {"options": ("compress-force=lzo",), "mkfs": ("-n", "4096")}),
    "bookends in snapshots": (bookends, {}),
    "odd files": (odd_files, {}),
    "nested subvolumes": (nested, {}),
    "balanced": (balanced, {}),
    "two devices, RAID1": (layer_chain, {"devices": 2}),
    "two devices, RAID0": (layer_chain, {"devices": 2, "mkfs": ("-d", "raid0", "-m", "raid0")}),
    "four devices, RAID10": (bookends, {"devices": 4, "mkfs": ("-d", "raid10", "-m", "raid10")}),
    "three devices, RAID1C3, data on RAID5": (reflinks, {"devices": 3, "mkfs": ("-d", "raid5", "-m", "raid1c3")}),
    "four devices, RAID1C4": (reflinks, {"devices": 4, "mkfs": ("-d", "single", "-m", "raid1c4")}),
    "mixed block groups": (odd_files, {"mkfs": ("-M", "-n", "4096")}),
    "blocks of 64 KiB": (layer_chain, {"mkfs": ("-n", "65536")}),
    "xxhash": (layer_chain, {"mkfs": ("--csum", "xxhash")}),
    "sha256": (reflinks, {"mkfs": ("--csum", "sha256")}),
    "blake2": (reflinks, {"mkfs": ("--csum", "blake2")}),
    "the old free space cache": (layer_chain, {"mkfs": ("-R", "^free-space-tree"), "options": ("space_cache=v1",)}),
    "holes written down": (odd_files, {"mkfs": ("-O", "^no-holes")}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_subvolume_is_what_a_quota_rescan_says(name: str, tmp_path: Path) -> None:
    shape, options = SHAPES[name]
    with lab(tmp_path / "lab", **options) as made:  # type: ignore[arg-type]
        shape(made)
        made.commit()
        found = sharing(made.at)
        assert found.method == "device trees"
        assert found.restarts == 0
        assert_books_close(found)
        assert assert_agrees_with_qgroups(made.at, found) >= 3 or shape in (compressed, odd_files)
