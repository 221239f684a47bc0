"""btrfs snapshots outside Docker that hold what has long been deleted.

A read-only snapshot of the whole filesystem (Docker's root within it), a later one, one of a subvolume of a user's and
one of an image layer, each pinning known bytes. Refuses other filesystems.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import describe, layout, measure
from tests.lab.commands import run
from tests.lab.messes._write import MIB, btrfs_only, random_file
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab


# The causes that this mess is of.
CAUSES = (
    "btrfs-snapshots",
    "root-snapshotted",
)


def make(lab: Lab) -> list[Planted]:
    """Write, take a snapshot, delete; the notes say what each snapshot pins."""
    btrfs_only(lab, "snapshots")
    lab.client.base_image()
    shelf = lab.mount / ".snapshots"
    shelf.mkdir(exist_ok=True)
    notes = {**_of_everything(lab, shelf), **_of_a_subvolume(lab, shelf), **_of_a_layer(lab, shelf)}
    measure.flush(lab.mount)
    return [describe.placed(lab, "snapshots", "snapshot", path, note=note) for path, note in notes.items()]


def _snapshot(source: Path, target: Path) -> Path:
    run("btrfs", "subvolume", "snapshot", "-r", source, target)
    return target


def _of_everything(lab: Lab, shelf: Path) -> dict[Path, str]:
    lab.docker("volume", "create", "snapped")
    in_volume = random_file(lab.docker_root / "volumes/snapped/_data/dropped", 24 * MIB)
    random_file(lab.docker_root / "volumes/snapped/_data/kept", 4 * MIB)
    export = random_file(lab.mount / "srv/export.tar", 40 * MIB)
    measure.flush(lab.mount)
    first = _snapshot(lab.mount, shelf / "daily-1")
    in_volume.unlink()
    later = random_file(lab.mount / "srv/later.tar", 10 * MIB)
    measure.flush(lab.mount)
    second = _snapshot(lab.mount, shelf / "daily-2")
    export.unlink()
    later.unlink()
    return {
        first: "24 MiB of a volume alone, 40 MiB together with daily-2; Docker's root lies within it",
        second: "10 MiB alone, 40 MiB together with daily-1; Docker's root lies within it",
    }


def _of_a_subvolume(lab: Lab, shelf: Path) -> dict[Path, str]:
    home = lab.mount / "home"
    run("btrfs", "subvolume", "create", home)
    random_file(home / "kept", 3 * MIB)
    gone = random_file(home / "gone", 30 * MIB)
    measure.flush(lab.mount)
    snapshot = _snapshot(home, shelf / "home-1")
    gone.unlink()
    return {snapshot: "30 MiB of the subvolume home"}


def _of_a_layer(lab: Lab, shelf: Path) -> dict[Path, str]:
    if lab.driver != "btrfs":
        return {}
    image = lab.import_image("shop/dropped:1", {"dropped": 16 * MIB})
    owned = layout.owned(lab.docker_root, lab.driver, lab.socket)
    measure.flush(lab.mount)
    snapshot = _snapshot(owned.layers[owned.chains[image][0]], shelf / "layer-1")
    lab.docker("rmi", image)
    measure.cleaned(lab.mount)
    return {snapshot: "16 MiB of an image layer that Docker has removed"}
