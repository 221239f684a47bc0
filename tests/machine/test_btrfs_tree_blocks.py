"""Small files lie in tree blocks: what removing them frees is what was said before, in `used` of statfs."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from collectors.filesystems.btrfs import holders
from collectors.ledger.release_table import closure
from collectors.model import Owner, OwnerKind, UnitId
from collectors.model.reading import Exact
from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.require import require_machine
from tests.machine.btrfs_lab import data_used, figures, lab, sharing
from tests.reclaim.reclaiming import Reclaiming

pytestmark = pytest.mark.machine

_FILES = 8000
# The trees that refer to what goes lose some blocks as well, and the cleaner's own work takes a few.
_SLACK_BYTES = 64 * 16384


def small_files(folder: Path, count: int) -> None:
    chance = random.Random(7)
    for number in range(count):
        path = folder / f"{number % 80}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randint(700, 1900)))


def used(at: Path) -> int:
    room = os.statvfs(at)
    return (room.f_blocks - room.f_bfree) * room.f_frsize


def within(freed: int, trees: int, data: int) -> bool:
    return abs(freed - trees - data) <= max(_SLACK_BYTES, trees * 15 // 1000)


@pytest.mark.parametrize(
    ("options", "devices"),
    [
        (("-m", "dup"), 1),
        (("-m", "single"), 1),
        (("-d", "raid1", "-m", "raid1"), 2),
        (("-d", "single", "-m", "raid1"), 2),
    ],
)
def test_snapshots_and_subvolumes_of_small_files(options: tuple[str, ...], devices: int, tmp_path: Path) -> None:
    require_machine()
    with lab(tmp_path / "lab", devices=devices, mkfs=options) as made:
        small_files(made.subvolume("one"), _FILES)
        made.snapshot("one", "two")
        small_files(made.at / "two/more", _FILES // 4)
        made.subvolume("three")
        small_files(made.at / "three", _FILES // 4)
        made.commit()

        def said(names: Iterable[str]) -> tuple[int, int]:
            rule = figures(made.at).statfs
            table = holders.occupancy(Exact(sharing(made.at), rule.origin), rule, frozenset())
            going = frozenset(map(UnitId, names))
            gone = [share for share in table.shares if share.holders <= going]
            trees = sum(share.tree_bytes for share in gone)
            return trees, sum(share.bytes for share in gone) - trees

        for doomed in (("three",), ("two",), ("one",)):
            trees, data = said(doomed)
            assert trees > 0
            before, data_before = used(made.at), data_used(made.at)
            made.delete(*doomed)
            made.cleaned()
            assert data_before - data_used(made.at) == data
            copies = before - used(made.at)
            assert within(copies, trees, data), (doomed, copies, trees, data)


def test_an_image_of_small_files_is_worth_what_removing_it_frees(tmp_path: Path) -> None:
    require_machine()
    with Lab.up(driver="btrfs", mess="empty", size_mib=1024) as made:
        chance = random.Random(3)
        files = {f"{n % 80}/{n}": chance.randbytes(chance.randint(700, 1900)) for n in range(_FILES)}
        made.import_image("small:1", files)
        looked = Reclaiming(made, tmp_path).look()
        books = looked.judged.accounts[0].books
        images = looked.snapshot.engine.images
        assert isinstance(images, Exact)
        image = next(one for one in images.value if "small:1" in one.tags)
        gone = closure([Owner(OwnerKind.IMAGE, image.id)])
        freed = [release for release in books.releases if release.owners <= gone]
        trees = sum(release.tree_bytes for release in freed)
        assert trees > 16 << 20, "most of such an image lies in tree blocks"
        assert looked.report.ledger is not None
        item = next(one for ones in looked.report.ledger.items.values() for one in ones if one.name == "small:1")
        assert item.exclusive == item.reclaimable
        assert isinstance(item.exclusive, Exact)
        assert item.exclusive.value == sum(release.bytes for release in freed)
        before = used(made.mount)
        made.docker("image", "rm", "small:1")
        run("btrfs", "filesystem", "sync", made.mount)
        run("btrfs", "subvolume", "sync", made.mount)
        run("btrfs", "filesystem", "sync", made.mount)
        # The engine's own record of an image's files (tar-split) goes with it, and is counted as the engine's.
        record = 128 * _FILES
        assert abs(before - used(made.mount) - item.exclusive.value) <= max(_SLACK_BYTES, trees * 15 // 1000) + record
