"""Small files lie in tree blocks: what removing them frees is what was said before, in `used` of statfs.

Images, snapshots, orphans and volumes of small files, on each profile of metadata: the data to the byte, tree blocks
within 1.5 %.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors.model.ledger import Category, Item
from collectors.model.reading import Exact
from collectors.pipeline import FinishedRun as Looked
from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.measure import cleaned, used_bytes
from tests.lab.messes._write import age
from tests.lab.require import require_machine
from tests.machine.btrfs_lab import MIB, data_used
from tests.reclaim.reclaiming import Reclaiming, promised

pytestmark = pytest.mark.machine

PROFILES = {
    "DUP": (1, ("-m", "dup")),
    "single": (1, ("-m", "single")),
    "RAID1": (2, ("-d", "raid1", "-m", "raid1")),
    "RAID1 of tree blocks alone": (2, ("-d", "single", "-m", "raid1")),
}
_FILES = 6000
# The engine's own record of each file of an image (tar-split) goes with it, and is counted as the engine's.
_RECORD_BYTES = 128 * _FILES


def contents() -> dict[str, bytes]:
    """Small files, and one that lies in extents."""
    chance = random.Random(secrets.randbits(32))
    # A first letter of their own: the lab's archives take what begins with an arrow for a link.
    small = {f"{n % 80}/{n}": b"=" + chance.randbytes(chance.randint(700, 1900)) for n in range(_FILES)}
    return {**small, "large": chance.randbytes(MIB + 4096)}


def fill(folder: Path) -> Path:
    for name, content in contents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def image(lab: Lab) -> None:
    lab.import_image("small:1", contents())


def without_the_image(lab: Lab) -> None:
    lab.docker("image", "rm", "small:1")


def volume(lab: Lab) -> None:
    lab.docker("volume", "create", "mail")
    fill(lab.docker_root / "volumes/mail/_data")


def without_the_volume(lab: Lab) -> None:
    """As the engine does it, but for the page of its database that it writes anew."""
    run("rm", "-r", lab.docker_root / "volumes/mail")


ORPHAN = secrets.token_hex(32)


def orphan(lab: Lab) -> None:
    path = lab.docker_root / "btrfs/subvolumes" / ORPHAN
    run("btrfs", "subvolume", "create", path)
    age(fill(path))


def without_the_orphan(lab: Lab) -> None:
    run("btrfs", "subvolume", "delete", lab.docker_root / "btrfs/subvolumes" / ORPHAN)


def snapshots(lab: Lab) -> None:
    """Two that share a half, of a home directory that has neither any more."""
    home = lab.mount / "home"
    run("btrfs", "subvolume", "create", home)
    for number in range(2):
        fill(home / str(number))
        run("btrfs", "subvolume", "snapshot", "-r", home, lab.mount / f"backup-{number}")
    run("rm", "-r", home / "0", home / "1")


def without_the_snapshots(lab: Lab) -> None:
    run("btrfs", "subvolume", "delete", lab.mount / "backup-0", lab.mount / "backup-1")


@dataclass(frozen=True, slots=True)
class Kind:
    make: Callable[[Lab], None]
    remove: Callable[[Lab], None]
    category: Category
    names: tuple[str, ...]
    besides_bytes: int = 0  # that go with it and are another's


KINDS = {
    "an image": Kind(image, without_the_image, Category.IMAGES, ("small:1",), _RECORD_BYTES),
    "a volume": Kind(volume, without_the_volume, Category.VOLUMES, ("mail",)),
    "an orphan": Kind(orphan, without_the_orphan, Category.ORPHANS, (ORPHAN,)),
    "snapshots": Kind(snapshots, without_the_snapshots, Category.SNAPSHOTS, ("backup-0", "backup-1")),
}


@pytest.fixture(scope="module", params=PROFILES)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Looked]]:
    require_machine()
    devices, profile = PROFILES[request.param]
    with Lab.up(driver="btrfs", mess="empty", size_mib=768, devices=devices, mkfs_options=profile) as lab:
        for kind in KINDS.values():
            kind.make(lab)
        cleaned(lab.mount)
        yield lab, Reclaiming(lab, tmp_path_factory.mktemp("state")).look()


def items(looked: Looked, kind: Kind) -> list[Item]:
    ledger = looked.report.ledger
    assert ledger is not None
    found = [one for one in ledger.items[kind.category] if one.name in kind.names or one.id in kind.names]
    assert len(found) == len(kind.names), [one.name for one in ledger.items[kind.category]]
    return found


@pytest.mark.parametrize("name", KINDS)
def test_what_removing_it_frees_was_said_before(seen: tuple[Lab, Looked], name: str) -> None:
    lab, looked = seen
    kind, (data, trees) = KINDS[name], promised(looked, [one.owner_id for one in items(looked, KINDS[name])])
    assert trees > 8 * MIB, "most of it lies in tree blocks"
    before, data_before = used_bytes(lab.mount), data_used(lab.mount)
    kind.remove(lab)
    cleaned(lab.mount)
    freed, data_freed = before - used_bytes(lab.mount), data_before - data_used(lab.mount)
    print(f"{name}: data {data} {data_freed}, trees {trees} {freed - data_freed}")
    assert abs(data_freed - data) <= kind.besides_bytes
    assert abs(freed - data_freed - trees) <= trees * 15 // 1000


def test_alone_each_frees_what_its_item_says(seen: tuple[Lab, Looked]) -> None:
    for kind in KINDS.values():
        for one in items(seen[1], kind):
            assert isinstance(one.exclusive, Exact)
            assert one.exclusive.value == sum(promised(seen[1], [one.owner_id]))


def test_the_books_close(seen: tuple[Lab, Looked]) -> None:
    ledger = seen[1].report.ledger
    assert ledger is not None
    left = ledger.row(Category.UNATTRIBUTED).charged
    assert isinstance(left, Exact)
    assert left.value == 0
