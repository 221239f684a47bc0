"""What is inside a thing, by what the kernel and the engine really do: ten files that are deleted one by one, and the
layers of an image that was built on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors.cli.command_line import load, parser
from collectors.cli.preflight import options
from collectors.model import ImageId
from collectors.pipeline import survey
from collectors.pipeline.browse import Browse, DirectoryListing, FilePlace, places
from collectors.pipeline.image_history import ImageLayers, LayerLook
from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.require import require_machine
from tests.machine import btrfs_lab
from tests.owners import owner

pytestmark = pytest.mark.machine

MIB = 1 << 20
KIB = 1 << 10


# Ten files, each with another reason why its length says nothing of what it gives back.


def ten_files(lab: btrfs_lab.Lab, home: Path) -> list[Path]:
    """In `home`, a subvolume; what else holds their bytes lies beside it."""
    beside = lab.subvolume("beside")
    snapshotted, half = (lab.write(home / name, 2 * MIB) for name in ("snapshotted", "half"))
    lab.commit()
    lab.snapshot("home", "kept")
    with half.open("r+b") as file:  # the first half is new, the second one the snapshot's too
        file.write(os.urandom(MIB))
    plain = lab.write(home / "plain", 3 * MIB)
    cloned = lab.write(home / "cloned", 2 * MIB)
    in_part = lab.write(home / "shared-in-part", 4 * MIB)
    overwritten = lab.write(home / "overwritten", 4 * MIB)
    lab.commit()
    lab.clone(cloned, beside / "clone")
    lab.clone(in_part, beside / "part", 0, MIB)
    lab.overwrite(overwritten, 60)
    squeezed = home / "squeezed"
    squeezed.touch()
    run("btrfs", "property", "set", squeezed, "compression", "zstd")
    lab.write(squeezed, 6 * MIB, text=True)
    twice = lab.write(home / "two-names", 2 * MIB)
    os.link(twice, home / "other-name")
    reserved = home / "reserved"
    with reserved.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 3 * MIB)
    tiny = lab.write(home / "tiny", 800)
    lab.commit()
    return [snapshotted, half, plain, cloned, in_part, overwritten, squeezed, twice, reserved, tiny]


def data_bytes(lab: btrfs_lab.Lab) -> int:
    """What all data takes, by the kernel."""
    lab.cleaned()
    words = run("btrfs", "filesystem", "df", "--raw", lab.at).split("\n")[0]
    return int(words.partition("used=")[2])


def test_what_ten_files_alone_hold_is_what_deleting_each_really_frees(tmp_path: Path) -> None:
    require_machine()
    with btrfs_lab.lab(tmp_path / "lab", size_mib=512) as lab:
        files = ten_files(lab, lab.subvolume("home"))
        told: list[DirectoryListing] = []
        Browse(str(lab.at / "home"), (), tells_alone=True).run(told.append)
        exclusive = {one.name: one.exclusive_bytes for one in told[-1].entries}
        assert len(files) == 10
        before = data_bytes(lab)
        freed = {}
        for path in files:
            path.unlink()
            after = data_bytes(lab)
            freed[path.name] = before - after
            before = after
        assert {name: exclusive[name] for name in freed} == freed
        assert freed["cloned"] == freed["snapshotted"] == freed["two-names"] == freed["tiny"] == 0
        assert MIB <= freed["half"] < 2 * MIB
        assert 0 < freed["squeezed"] < MIB
        assert freed["overwritten"] > 4 * MIB, "the blocks that were overwritten are still held by their extents"
        assert freed["reserved"] == freed["plain"] == 3 * MIB


# An image whose every layer has a fate.

DOCKERFILE = """FROM base:1
COPY doomed /srv/doomed
COPY replaced /srv/place
COPY kept /srv/kept
RUN rm /srv/doomed
COPY replacing /srv/place
ENV READY=1
"""


@dataclass(frozen=True)
class Opened:
    found: ImageLayers
    files: tuple[FilePlace, ...]


@pytest.fixture(scope="module", params=["overlay2", "btrfs"])
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    require_machine()
    with Lab.up(driver=request.param, mess="empty", size_mib=768) as lab:
        lab.client.base_image()
        context: dict[str, bytes] = {
            "Dockerfile": DOCKERFILE.encode(),
            "doomed": os.urandom(6 * MIB),
            "replaced": os.urandom(4 * MIB),
            "kept": os.urandom(2 * MIB),
            "replacing": os.urandom(3 * MIB),
        }
        built = lab.build("shop/app:1", context, buildkit=False)
        lab.build("shop/other:1", {"Dockerfile": b"FROM base:1\nCOPY own /own\n", "own": b"x" * 9000}, buildkit=False)
        chosen = options(parser("ullage").parse_args(["--host", lab.host, "--no-journal", "--no-state"]), load(None))
        run("sync", "-f", lab.mount)
        snapshot = survey(chosen).snapshot
        told: list[ImageLayers] = []
        LayerLook(snapshot, chosen.request.endpoint, ImageId(built)).run(told.append)
        yield Opened(told[-1], places(snapshot, owner(f"image:{built}")))


def test_each_layer_stands_beside_the_instruction_that_made_it_with_its_bytes(opened: Opened) -> None:
    layers = opened.found.layers
    assert opened.found.steps_reason == ""
    assert [layer.step.split()[0] for layer in layers[1:]] == ["COPY", "COPY", "COPY", "RUN", "COPY"]
    assert layers[4].step == "RUN rm /srv/doomed"
    for layer, size in zip(layers[1:], (6, 4, 2, 0, 3), strict=True):
        assert layer.bytes is not None
        assert abs(layer.bytes - size * MIB) < 128 * KIB
    assert all(layer.place is not None for layer in layers)
    assert {layer.place for layer in layers} == set(opened.files)


def test_what_later_layers_delete_and_overwrite_is_wasted_and_nothing_else(opened: Opened) -> None:
    assert opened.found.wasted_reason == ""
    for layer, size in zip(opened.found.layers[1:], (6, 4, 0, 0, 0), strict=True):
        assert layer.wasted_bytes is not None
        assert abs(layer.wasted_bytes - size * MIB) < 128 * KIB


def test_only_the_base_is_shared_and_with_the_other_image(opened: Opened) -> None:
    assert len(opened.found.layers[0].sharers) == 2, "the base itself, and the other image that is built on it"
    assert [layer.sharers for layer in opened.found.layers[1:]] == [()] * 5
