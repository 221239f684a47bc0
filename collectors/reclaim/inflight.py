"""Is somebody pulling, loading or building right now? Told from what lies on disk, since no API lists pulls.

Three answers: a sentence that names what was seen, "" for nothing, and None where it could not be looked. Refuses to
take the last for the second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_STALLED_S = 3600.0  # a download that nobody touched for an hour is a leftover
_GRAPH = (
    ("image/*/layerdb/tmp", "write-set-*", "a layer is being written"),
    ("tmp", "GetImageBlob*", "a layer is being downloaded"),
    ("tmp", "docker-import-*", "an image is being loaded"),
    ("tmp", "docker-builder*", "a build is receiving its files"),
    ("tmp", "buildkit-*", "a build is running"),
)
_CONTENT = "io.containerd.content.v1.content/ingest"


def writers(docker_root: Path, fresh_s: float) -> str | None:
    """What a graph driver's engine is writing. Untouched for `fresh_s` seconds, it is what a crash left behind."""
    try:
        for folder, names, words in _GRAPH:
            for parent in docker_root.glob(folder):
                if any(_fresh(inner, fresh_s) for entry in parent.glob(names) for inner in _inside(entry)):
                    return words
        next(docker_root.iterdir(), None)  # glob is silent where it may not look
    except OSError:
        return None
    return ""


def ingests(content_roots: tuple[Path, ...]) -> str | None:
    """What is being written into a containerd content store; None if not one of its possible roots can be read."""
    seen = False
    for root in content_roots:
        try:
            entries = list(os.scandir(root / _CONTENT))
        except FileNotFoundError:
            seen = seen or root.is_dir()
            continue
        except OSError:
            return None
        seen = True
        if any(_fresh(inner, _STALLED_S) for entry in entries for inner in _inside(Path(entry.path))):
            return "an image is being pulled or loaded"
    return "" if seen else None


def _inside(folder: Path) -> Iterator[Path]:
    yield folder
    try:
        yield from folder.iterdir()
    except OSError:  # finished just now
        return


def _fresh(path: Path, fresh_s: float) -> bool:
    try:
        return time.time() - path.lstat().st_mtime < fresh_s
    except OSError:
        return False
