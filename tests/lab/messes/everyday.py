"""A host as it usually is: images that share layers, containers, logs, volumes, a build cache.

Every planted byte is random, so that no filesystem compresses it, and every size differs, so that a swapped figure
shows. Refuses orphans and leftovers: nothing here is wrong.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.lab.messes._write import MIB, until_asleep
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# The causes that this mess is of.
CAUSES = (
    "build-cache",
    "stopped-containers",
    "unused-volumes",
    "no-log-rotation",
)

_APP = """FROM base:1
COPY common /common
COPY own /own
LABEL ullage.lab=everyday
"""

# The cache mount and the copied file stay in BuildKit's cache when the image is removed.
_CACHED = """FROM base:1
COPY source /source
RUN --mount=type=cache,target=/root/.cache cat /source > /root/.cache/kept && head -c 5242880 /dev/urandom > /made
"""


def make(lab: Lab) -> list[Planted]:
    """Images, then containers from them, then volumes, logs and a build whose image is removed again."""
    _images(lab)
    _containers(lab)
    _volumes(lab)
    _build_cache(lab)
    _settle(lab)
    return []  # the engine knows everything that is here


def _images(lab: Lab) -> None:
    lab.client.base_image()
    common = os.urandom(8 * MIB)
    for name, own_bytes in (("app", 4 * MIB), ("web", 6 * MIB)):
        files: dict[str, bytes | str] = {"Dockerfile": _APP, "common": common, "own": os.urandom(own_bytes)}
        lab.build(f"shop/{name}:1", files, buildkit=False)
    lab.docker("tag", "shop/app:1", "shop/app:stable")
    # The second build takes the tag, the first one is left without a name.
    for size_bytes in (3 * MIB, 2 * MIB):
        lab.import_image("shop/tool:1", {"tool": size_bytes})


def _containers(lab: Lab) -> None:
    write = "head -c {} /dev/urandom > /tmp/written; sync; exec sleep 100000"
    rotated = ("--log-driver", "json-file", "--log-opt", "max-size=512k", "--log-opt", "max-file=3")
    chatter = "yes 'a line of a log, as long as the lines of an api usually are' | head -n 10000; "
    lab.client.run("shop/app:1", "api-1", chatter + write.format(5 * MIB), *rotated)
    lab.client.run("shop/web:1", "web-1", chatter + write.format(7 * MIB), "--log-driver", "json-file")
    lab.client.run("shop/app:stable", "quiet-1", chatter + "exit 3", "--log-driver", "local")
    lab.client.run("base:1", "job-1", f"head -c {MIB + MIB // 2} /dev/urandom > /tmp/written; exit 0")


def _volumes(lab: Lab) -> None:
    fill = "head -c {} /dev/urandom > /data/filled"
    lab.docker("volume", "create", "--label", "team=shop", "shop-data")
    lab.client.run("base:1", "filler-1", fill.format(9 * MIB), "--rm", "-v", "shop-data:/data")
    # Without --rm, which would take the anonymous volume along.
    lab.client.run("base:1", "filler-2", fill.format(2 * MIB + MIB // 2), "-v", "/data")


def _build_cache(lab: Lab) -> None:
    files: dict[str, bytes | str] = {"Dockerfile": _CACHED, "source": os.urandom(3 * MIB)}
    image = lab.build("shop/cached:1", files, buildkit=True)
    lab.docker("rmi", image)


def _settle(lab: Lab) -> None:
    """Wait until what has an end has ended and the long-running have written all."""
    lab.docker("wait", "quiet-1", "job-1", "filler-2")
    until_asleep(lab, "api-1", "web-1")
    end = time.monotonic() + 30
    while lab.docker("ps", "-aq", "--filter", "name=filler-1"):
        if time.monotonic() > end:
            raise TimeoutError("filler-1 was not removed")
        time.sleep(0.05)
