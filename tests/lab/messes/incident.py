"""A disk at 94 %, from every cause at once: leaked layers, a log, dangling images, build cache, deleted files.

Every share is a part of the filesystem's size, so that it looks the same on any; a volume and an export bring the rest
to the mark. Refuses a filesystem below 768 MiB, on which the fixed parts alone would be too much.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.lab import describe, measure
from tests.lab.commands import run
from tests.lab.messes import churn, everyday, leak
from tests.lab.messes._write import MIB, hold, random_file, until_asleep
from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# The causes that this mess is of.
CAUSES = (
    "disk-full",
    "orphans",
    "dangling-images",
    "deleted-open",
)

_SMALLEST_BYTES = 768 * MIB
_MARK = 0.94
_BUILDS_COUNT = 8

_CACHED = "FROM base:1\nRUN head -c {} /dev/urandom > /made\nRUN head -c {} /dev/urandom > /made-too\n"


def make(lab: Lab) -> list[Planted]:
    """The leak first, since it ends every container; the everyday host, the shares, then the rest up to the mark."""
    figures = os.statvfs(lab.mount)
    total_bytes = figures.f_blocks * figures.f_frsize
    if total_bytes < _SMALLEST_BYTES * 0.9:
        raise ValueError(f"the mess `incident` needs a filesystem of {_SMALLEST_BYTES // MIB} MiB")
    # vfs has a whole copy in every layer, the containerd store each layer twice: the same bytes, fewer of them.
    percent_bytes = total_bytes // 100 // MIB * MIB
    share_bytes = percent_bytes // 2 if lab.driver in ("vfs", "containerd") else percent_bytes
    planted = []
    if lab.driver != "containerd":
        planted = [*leak.make(lab), _old_leak(lab, 9 * share_bytes)]
    planted += everyday.make(lab)
    churn.rebuild(lab, "shop/nightly:latest", _BUILDS_COUNT, 2 * share_bytes)
    lab.docker("rmi", lab.build("gone:1", {"Dockerfile": _CACHED.format(4 * share_bytes, 3 * share_bytes)}))
    _log(lab, 6 * share_bytes)
    planted.append(_open_file(lab, 4 * share_bytes))
    if lab.fs == "btrfs":
        planted.append(_snapshot(lab, 8 * share_bytes))
    _up_to_the_mark(lab)
    return planted


def _old_leak(lab: Lab, size_bytes: int) -> Planted:
    path = leak.plant(lab, os.urandom(32).hex(), size_bytes)
    measure.flush(lab.mount)
    return describe.placed(lab, "orphans", "old layer", path, note="planted, modified 3 days ago")


def _log(lab: Lab, size_bytes: int) -> None:
    line = "y" * 4000
    script = f"yes {line} | head -n {size_bytes // 4096}; exec sleep 100000"
    lab.client.run("base:1", "shouting-1", script, "--log-driver", "json-file")
    until_asleep(lab, "shouting-1")


def _open_file(lab: Lab, size_bytes: int) -> Planted:
    pid = hold(lab, f"exec 3>held; head -c {size_bytes} /dev/urandom >&3; rm held; exec sleep 100000", lab.mount)
    return Planted("deleted_open", "open file", "sleep", str(pid), None, size_bytes, size_bytes, held_by_pid=pid)


def _snapshot(lab: Lab, size_bytes: int) -> Planted:
    """What a nightly snapshot keeps of an export deleted since."""
    export = random_file(lab.mount / "srv/yesterday.tar", size_bytes)
    measure.flush(lab.mount)
    shelf = lab.mount / ".snapshots"
    shelf.mkdir()
    run("btrfs", "subvolume", "snapshot", "-r", lab.mount, shelf / "nightly")
    export.unlink()
    measure.flush(lab.mount)
    return describe.placed(lab, "snapshots", "snapshot", shelf / "nightly", note=f"pins {size_bytes} bytes")


def _up_to_the_mark(lab: Lab) -> None:
    """Fill a volume, then an export beside Docker, until df says 94 %."""
    if lab.fs == "btrfs":
        measure.cleaned(lab.mount)  # what builds have dropped would leave room behind when it goes later
    lab.docker("volume", "create", "shop-archive")
    archive = lab.docker_root / "volumes/shop-archive/_data/archive"
    for path, part in ((archive, 0.6), (lab.mount / "srv/export.tar", 1.0)):
        measure.flush(lab.mount)
        figures = os.statvfs(lab.mount)
        used = figures.f_blocks - figures.f_bfree
        missing = (_MARK * (used + figures.f_bavail) - used) * figures.f_frsize
        if missing > 0:
            random_file(path, int(missing * part))
    measure.flush(lab.mount)
