"""What changes between two runs: a host on which somebody works. Comes back to the same state every twelve runs.

Beside it a container writes a log without pause. Refuses to leave more than a dozen things standing: it is to be the
program that grows, not the lab.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.messes._write import KIB, MIB, random_file

PERIOD = 12
_APP = "long/app:latest"


def begin(lab: Lab) -> None:
    """A base image, and a container whose log grows all the time."""
    lab.client.base_image()
    lab.client.run("base:1", "long-writer", "while :; do echo a line of a log that nobody rotates; sleep 0.2; done")


def step(lab: Lab, number: int) -> str:
    """The change before run `number`; says what it was."""
    name, change = _STEPS[number % PERIOD]
    change(lab, number)
    return name


def _build(lab: Lab, number: int) -> None:
    files: dict[str, bytes | str] = {"Dockerfile": "FROM base:1\nCOPY artefact /srv/\n", "artefact": os.urandom(MIB)}
    lab.build(_APP, files, buildkit=number // PERIOD % 2 == 0)


def _import(lab: Lab, number: int) -> None:
    lab.import_image(f"long/import:{number}", {"data": 300 * KIB})


def _remove_import(lab: Lab, number: int) -> None:
    for tag in lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "long/import").split():
        lab.docker("rmi", tag)


def _run(lab: Lab, number: int) -> None:
    lab.client.run("base:1", f"long-{number}", "head -c 400000 /dev/zero > /w; exec sleep 100000")


def _stop(lab: Lab, number: int) -> None:
    for name in _ours(lab):
        lab.docker("kill", name)


def _remove(lab: Lab, number: int) -> None:
    for name in _ours(lab):
        lab.docker("rm", "-f", name)


def _ours(lab: Lab) -> list[str]:
    names = lab.docker("ps", "-a", "--format", "{{.Names}}").split()
    return [name for name in names if name.startswith("long-") and name != "long-writer"]


def _volume(lab: Lab, number: int) -> None:
    lab.docker("volume", "create", "long")
    random_file(lab.docker_root / "volumes" / "long" / "_data" / "file", (1 + number % 5) * 100 * KIB)


def _remove_volume(lab: Lab, number: int) -> None:
    lab.docker("volume", "rm", "long")


def _snapshot(lab: Lab, number: int) -> None:
    """On btrfs a snapshot of a layer; elsewhere a file beside the Docker root."""
    if lab.fs != "btrfs":
        random_file(lab.mount / "beside", (1 + number % 3) * 200 * KIB)
        return
    layer = next(iter(sorted((lab.docker_root / "btrfs" / "subvolumes").iterdir())))
    run("btrfs", "subvolume", "snapshot", "-r", layer, lab.mount / "long-snapshot")


def _remove_snapshot(lab: Lab, number: int) -> None:
    if lab.fs != "btrfs":
        (lab.mount / "beside").unlink(missing_ok=True)
        return
    with suppress(FileNotFoundError):
        run("btrfs", "subvolume", "delete", lab.mount / "long-snapshot")


def _prune(lab: Lab, number: int) -> None:
    lab.docker("image", "prune", "-f")
    lab.docker("builder", "prune", "-af")


_STEPS: tuple[tuple[str, Callable[[Lab, int], None]], ...] = (
    ("build", _build),
    ("import", _import),
    ("run", _run),
    ("volume", _volume),
    ("snapshot", _snapshot),
    ("build", _build),
    ("stop", _stop),
    ("remove image", _remove_import),
    ("remove container", _remove),
    ("remove volume", _remove_volume),
    ("remove snapshot", _remove_snapshot),
    ("prune", _prune),
)
assert len(_STEPS) == PERIOD
