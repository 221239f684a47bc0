"""btrfs: the cheap figures of one filesystem, and the exact table of who shares what.

`filesystem` asks the kernel (ioctls, sysfs, small trees) and takes milliseconds; each part says which privilege it
lacked. `sharing` walks the committed trees. Neither writes anything but the cache file that the caller names. Both are
loaded when they are called: every run, on whatever disk, imports this package.
"""

from __future__ import annotations

from pathlib import Path

from collectors.model.btrfs import Btrfs, Sharing, SplitRule
from collectors.model.reading import Reading
from collectors.system.host import Host

__all__ = ["filesystem", "sharing"]


def filesystem(mountpoint: Path, host: Host, *, timeout_s: float) -> Reading[Btrfs]:
    """Everything that is cheap to ask of the btrfs that holds `mountpoint` (a directory or a file), `sharing` left out.

    NOT_APPLICABLE where the filesystem is no btrfs.
    """
    from collectors.filesystems.btrfs import figures

    return figures.filesystem(mountpoint, host, timeout_s=timeout_s)


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
    from collectors.filesystems.btrfs.trees import share

    return share.answered(share.SharingQuestion(mountpoint, host, btrfs, units, cache), deadline_s)
