"""btrfs: the cheap figures of one filesystem, and the exact table of who shares what.

`filesystem` asks the kernel (ioctls, sysfs, small trees) and takes milliseconds; each part says which privilege it
lacked. `sharing` walks the committed trees. Neither writes anything but the cache file that the caller names.
"""

from __future__ import annotations

from pathlib import Path

from collectors.filesystems.btrfs.figures import filesystem
from collectors.filesystems.btrfs.trees import share
from collectors.model.btrfs import Btrfs, Sharing, SplitRule
from collectors.model.reading import Reading
from collectors.system.host import Host

__all__ = ["filesystem", "sharing"]


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

    return share.answered(share.SharingQuestion(mountpoint, host, btrfs, units, cache), deadline_s)
