"""A machine whose engine speaks of the driver `toy`, on a small filesystem of its own."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collectors.engine import endpoint
from collectors.inventory import Request
from collectors.model.report import Report
from collectors.model.settings import DEFAULTS
from collectors.pipeline import Options, survey
from collectors.system.deadline import Host
from tests.fakes.engine import engine
from tests.fakes.recordings import recording

IMAGE = "sha256:" + "5" * 64
MIB = 1 << 20
_RECORDING = "26.1.5-overlay2"
_MEMORY = Path("/dev/shm")


@contextmanager
def toy_root() -> Iterator[Path]:
    """A Docker root of the toy: an image of two layers, and a layer that its catalogue does not name."""
    folder = Path(tempfile.mkdtemp(prefix="toy", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        root = folder / "docker"
        for name, size in (("layer-base", 3), ("layer-top", 2), ("layer-stray", 7)):
            layer = root / "toy" / "layers" / name
            layer.mkdir(parents=True)
            (layer / "file").write_bytes(b"x" * size * MIB)
        (root / "toy" / "catalogue.json").write_text(json.dumps({"layer-base": IMAGE, "layer-top": IMAGE}))
        (root / "engine-id").write_text("toy-engine")
        yield root
    finally:
        shutil.rmtree(folder)


def toy_report(root: Path) -> Report:
    """One run, with the processes of everybody in sight."""
    table = Path("/proc/self/mountinfo").read_bytes()
    for process in ("self", "1"):
        (root.parent / "proc" / process).mkdir(parents=True)
        (root.parent / "proc" / process / "mountinfo").write_bytes(table)
    host = Host("toy-host", Path("/"), root.parent / "proc", Path("/sys"), Path("/dev"), None, None)
    replies = recording(_RECORDING)
    info = replies["info"] | {"Driver": "toy", "DriverStatus": [["Toys", "3"]], "DockerRootDir": str(root)}
    info["ID"] = "toy-engine"
    image = replies["images"][0] | {"Id": IMAGE, "RepoTags": ["shop/toy:1"]}
    with engine(_RECORDING, info=info, images=[image], containers=[]) as server:
        request = Request(endpoint(server.url, {}, Path("/nowhere")), host, deadline_s=30, grace_s=0.0)
        return survey(Options(request, DEFAULTS, None, None, None)).report
