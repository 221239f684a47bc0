"""btrfs: the cheap figures of one filesystem, and the exact table of who shares what.

`filesystem` asks the kernel (ioctls, sysfs, small trees) and takes milliseconds; each part says which privilege it
lacked. `sharing` walks the committed trees. Neither writes anything but the cache file that the caller names.
"""

from __future__ import annotations

from pathlib import Path

from collectors.model.btrfs import Btrfs, Sharing, SplitRule
from collectors.model.reading import Reading, Why
from collectors.sources import bounded
from collectors.sources.bounded import Declined
from collectors.sources.host import Host


def filesystem(mountpoint: Path, host: Host, *, timeout_s: float) -> Reading[Btrfs]:
    """Everything that is cheap to ask of the btrfs that holds `mountpoint` (a directory or a file); `sharing` is not."""

    def not_yet() -> Btrfs:
        raise Declined(Why.NOT_ASKED, "being written")

    return bounded.read("btrfs", f"FS_INFO {mountpoint}", not_yet, timeout_s=timeout_s)


def sharing(
    mountpoint: Path,
    host: Host,
    btrfs: Btrfs,
    units: tuple[SplitRule, ...],
    *,
    deadline_s: float,
    cache: Path | None,
) -> Reading[Sharing]:
    """Who holds which bytes, exactly. `cache` is a folder for the last result; None keeps nothing.

    Every subvolume is a holder, named by its path (`Subvolume.unit`); `units` splits directories off.
    When the deadline runs out: the last exact result with its age, else TIMED_OUT.
    """

    def not_yet() -> Sharing:
        raise Declined(Why.NOT_ASKED, "being written")

    return bounded.read("btrfs.sharing", f"trees of {mountpoint}", not_yet, timeout_s=deadline_s)
