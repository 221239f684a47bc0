"""Layers that nobody owns: one leaked for real by an engine killed in `docker commit`, others planted and old.

Refuses to call a folder an orphan that the restarted engine still knows. Not for the containerd store, where a killed
commit leaves nothing under the Docker root's layer folders.
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import describe, graph_layout, measure, podman_layout
from tests.lab.commands import run
from tests.lab.engines import NoSuchEngine
from tests.lab.messes._write import MIB, age, random_file
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# The causes that this mess is of.
CAUSES = (
    "orphans",
    "interrupted-writes",
)

_COMMITTED_BYTES = 96 * MIB
_ATTEMPTS_COUNT = 8
# BuildKit names its snapshots with 25 characters of this alphabet.
_BUILDKIT_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def make(lab: Lab) -> list[Planted]:
    """Leak one layer, plant three, and list them with what an interrupted write leaves in the layer database."""
    if lab.driver == "containerd":
        raise NoSuchEngine("the mess `leak` is made of a graph driver's layers; the containerd store has none")
    lab.client.base_image()
    leaked = _leak(lab)
    old = [plant(lab, name, size_bytes) for name, size_bytes in _old_names()]
    measure.flush(lab.mount)
    written = _interrupted_writes(lab.docker_root)
    return [
        *(describe.placed(lab, "orphans", "leaked layer", path, note="docker commit, killed") for path in leaked),
        *(describe.placed(lab, "orphans", "old layer", path, note="planted, modified 3 days ago") for path in old),
        *(describe.placed(lab, "docker_other", "interrupted write", path) for path in written),
    ]


def _leak(lab: Lab) -> list[Path]:
    """Commit a container of known size and kill the engine meanwhile, until a layer is left that it does not know."""
    lab.client.run("base:1", "leaker", f"head -c {_COMMITTED_BYTES} /dev/urandom > /tmp/written")
    lab.docker("wait", "leaker")
    for _ in range(_ATTEMPTS_COUNT):
        before = graph_layout.everything(lab.docker_root, lab.driver)
        commit = lab.client.begin("commit", "leaker", "shop/leaker:1")
        try:
            if _half_written(lab, before):
                lab.kill_engine()
        finally:
            # It ends by itself, either because it has succeeded or because its engine is gone.
            commit.wait(60)
        lab.start_engine()
        left = (
            graph_layout.everything(lab.docker_root, lab.driver)
            - before
            - graph_layout.known(lab.docker_root, lab.driver)
        )
        if left:
            return sorted(left)
        # The commit was faster than the kill, and its image is no part of this mess.
        for image in lab.docker("images", "-q", "shop/leaker:1").split():
            lab.docker("rmi", image)
    raise RuntimeError(f"no layer leaked in {_ATTEMPTS_COUNT} attempts")


def _half_written(lab: Lab, before: set[Path], timeout_s: float = 30) -> bool:
    """Wait for the new layer's folder to hold half of the bytes; `False` if it never does."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        for folder in graph_layout.everything(lab.docker_root, lab.driver) - before:
            # Not by searching: the engine makes and removes folders of its own in there meanwhile.
            written = graph_layout.content(folder, lab.driver) / "tmp" / "written"
            with suppress(FileNotFoundError):
                if written.stat().st_size > _COMMITTED_BYTES // 2:
                    return True
        time.sleep(0.002)
    return False


def _old_names() -> list[tuple[str, int]]:
    short = "".join(secrets.choice(_BUILDKIT_ALPHABET) for _ in range(25))
    return [(secrets.token_hex(32), 12 * MIB), (f"{secrets.token_hex(32)}-init", 3 * MIB), (short, 5 * MIB)]


def plant(lab: Lab, name: str, size_bytes: int) -> Path:
    """A layer as the driver would have made it, of known size, long unmodified."""
    its = podman_layout if lab.engine == "podman" else graph_layout
    path = its.folder(lab.docker_root, lab.driver) / name
    inside = graph_layout.content(path, lab.driver)
    if lab.driver == "btrfs":
        run("btrfs", "subvolume", "create", path)
    elif lab.driver == "overlay2":
        inside.mkdir(parents=True)
        (path / "work").mkdir()
        link = secrets.token_hex(13).upper()
        (path / "link").write_text(link)
        (path.parent / "l" / link).symlink_to(f"../{name}/diff")
    else:
        path.mkdir()
    random_file(inside / "old", size_bytes)
    return age(path)


def _interrupted_writes(docker_root: Path) -> list[Path]:
    return sorted(docker_root.glob("image/*/layerdb/tmp/write-set-*"))
