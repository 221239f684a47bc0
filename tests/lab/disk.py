"""The lab's filesystem: image files on loop devices, formatted and mounted below the lab's folder.

What belongs to a lab is found by its folder (the loop device's backing file, the mount point), never by a number noted
earlier: that stays true when the process that made it died between two steps. Refuses devices that are not its own.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.commands import CommandFailed, run

FILESYSTEMS = ("ext4", "xfs", "btrfs")

_MEMORY = Path("/dev/shm")
_SPARE_MIB = 4096  # of memory, for all else
# Formatting in the background would keep the disk busy under a test's stopwatch.
_MKFS = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted filesystem of the lab. Several devices: btrfs RAID1 unless the mkfs options say otherwise."""

    fs: str
    mount: Path
    devices: tuple[str, ...]


def create(
    base: Path,
    fs: str,
    *,
    size_mib: int,
    devices: int = 1,
    mkfs_options: Sequence[str] = (),
    mount_options: Sequence[str] = (),
    in_memory: bool = False,
) -> Disk:
    """Make and mount the filesystem at `base/mnt`; each device is a sparse file of `size_mib`.

    `in_memory`: where there is room for it. An engine flushes at every step; a disk would make all labs wait in turn.

    The mount is shared, as systemd makes `/` on a real host: an engine then adds no bind mount of its own root.
    """
    if fs not in FILESYSTEMS:
        raise ValueError(f"no such filesystem: {fs} (there are {', '.join(FILESYSTEMS)})")
    if devices > 1 and fs != "btrfs":
        raise ValueError(f"{fs} lives on one device")
    nodes = []
    folder = in_memory_of(base) if in_memory and _memory_has_room(devices * size_mib) else base
    folder.mkdir(exist_ok=True)
    for number in range(devices):
        image = folder / f"disk{number}.img"
        with image.open("wb") as file:
            file.truncate(size_mib * 1024 * 1024)
        nodes.append(attach(image))
    profile = ("-d", "raid1", "-m", "raid1") if devices > 1 and "-d" not in mkfs_options else ()
    run(*_MKFS[fs], *profile, *mkfs_options, *nodes)
    if devices > 1:
        run("btrfs", "device", "scan", *nodes)
    mount = base / "mnt"
    mount.mkdir()
    options = ("-o", ",".join(mount_options)) if mount_options else ()
    run("mount", "-t", fs, *options, nodes[0], mount)
    run("mount", "--make-shared", mount)
    return Disk(fs, mount, tuple(nodes))


def in_memory_of(base: Path) -> Path:
    """Where the images of a lab in memory lie: told by the lab's folder alone."""
    return _MEMORY / f"ullage-disk{str(base).replace('/', '-')}"


def _memory_has_room(size_mib: int) -> bool:
    try:
        figures = os.statvfs(_MEMORY)
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return False
    available_kib = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), 0)
    room_mib = min(figures.f_bavail * figures.f_frsize >> 20, available_kib >> 10)
    return room_mib >= size_mib + _SPARE_MIB


def attach(image: Path) -> str:
    for _ in range(10):
        # losetup looks for a free device and takes it in two steps; somebody else may have been faster.
        with suppress(CommandFailed):
            return run("losetup", "--find", "--show", image).strip()
        time.sleep(0.1)
    return run("losetup", "--find", "--show", image).strip()


def mounts_below(base: Path) -> list[str]:
    """Mount points at or below a folder, the last mounted first."""
    lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    points = [_unescape(line.split()[4]) for line in lines]
    return [point for point in reversed(points) if point == str(base) or point.startswith(f"{base}/")]


def _unescape(path: str) -> str:
    """mountinfo writes space, tab, newline and backslash as octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def loop_devices_below(base: Path) -> list[str]:
    """Loop devices whose backing file lies below a folder, or in memory for it, deleted or not."""
    found, folders = [], (f"{base}/", f"{in_memory_of(base)}/")
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):
            if backing.read_text(errors="surrogateescape").startswith(folders):
                found.append(f"/dev/{backing.parent.parent.name}")
    return sorted(found)


def destroy(base: Path, timeout_s: float = 20) -> list[str]:
    """Unmount all that is mounted below `base` and free its loop devices; gives back what would not go."""
    end = time.monotonic() + timeout_s
    while points := mounts_below(base):
        for point in points:
            # Late in the day: a process in a namespace of its own may hold what nobody here can see.
            lazy = ("--lazy",) if time.monotonic() > end - timeout_s / 2 else ()
            with suppress(CommandFailed):
                run("umount", *lazy, point)
        if time.monotonic() > end:
            break
        if mounts_below(base):
            time.sleep(0.05)
    while nodes := loop_devices_below(base):
        for node in nodes:
            # Or btrfs would go on listing a device that is about to become somebody else's; fails on other filesystems.
            with suppress(CommandFailed):
                run("btrfs", "device", "scan", "--forget", node)
            with suppress(CommandFailed):
                run("losetup", "--detach", node)
        if time.monotonic() > end:
            break
        if loop_devices_below(base):
            time.sleep(0.05)
    else:
        shutil.rmtree(in_memory_of(base), ignore_errors=True)
    return mounts_below(base) + loop_devices_below(base)
