"""One tag built again and again: every build leaves the one before it without a name.

Each build replaces a layer of known size, so that the dangling bytes are (builds - 1) times that. Refuses the build
cache: the builder is the old one, whose only traces are images.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.lab.messes._write import MIB
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# The causes that this mess is of.
CAUSES = (
    "churn",
    "dangling-images",
)

TAG = "shop/app:latest"
BUILDS_COUNT = 12
LAYER_BYTES = 5 * MIB


def make(lab: Lab) -> list[Planted]:
    """Build the tag twelve times; a container runs from the last build."""
    rebuild(lab, TAG, BUILDS_COUNT, LAYER_BYTES)
    lab.client.run(TAG, "churned-1", "exec sleep 100000")
    return []  # the engine knows all of them


def rebuild(lab: Lab, tag: str, builds_count: int, layer_bytes: int) -> list[str]:
    """Build a tag that often, each time with other bytes in its one layer; gives back the images' ids, oldest first."""
    lab.client.base_image()
    dockerfile = "FROM base:1\nCOPY artefact /srv/artefact\n"
    return [
        lab.build(tag, {"Dockerfile": dockerfile, "artefact": os.urandom(layer_bytes)}, buildkit=False)
        for _ in range(builds_count)
    ]
