"""A host of Podman's: images that share layers, a dangling one, created containers, volumes.

As far as one gets where no container can be started: volumes are filled from outside. Refuses other engines, which have
`everyday`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.lab.messes._write import MIB, random_file
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab


# The causes that this mess is of.
CAUSES = ("podman-prune",)


def make(lab: Lab) -> list[Planted]:
    """The engine knows all of it afterwards."""
    if lab.engine != "podman":
        raise ValueError(f"the mess `podman` needs the engine podman (this lab's is {lab.engine})")
    lab.client.base_image()
    dockerfile = "FROM base:1\nCOPY own /own\n"
    for tag, size_bytes in (("shop/app:1", 4 * MIB), ("shop/web:1", 6 * MIB), ("shop/web:1", 5 * MIB)):
        lab.build(tag, {"Dockerfile": dockerfile, "own": os.urandom(size_bytes)}, buildkit=False)
    lab.docker("tag", "shop/app:1", "shop/app:stable")
    lab.docker("create", "--name", "api-1", "-v", "shop-data:/data", "shop/app:1", "sh")
    lab.docker("create", "--name", "job-1", "-v", "/data", "base:1", "sh")
    random_file(lab.docker_root / "volumes/shop-data/_data/filled", 9 * MIB)
    return []
