"""The cheap figures of one btrfs: ioctls, sysfs and small trees, each part a Reading of its own. Walks nothing.

Without CAP_SYS_ADMIN the kernel still tells the devices, the allocation and whether quotas are on; the parts that need
a tree search say so. /sys/fs/btrfs/<uuid> is open to every process, in a default container too, for all btrfs of the
host. Refuses to guess: a file that is not there raises, and the caller says so.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from collectors.filesystems.btrfs import decode, ioctl, search
from collectors.filesystems.btrfs.allocator import rooms, statfs_rule
from collectors.model.btrfs import Btrfs, Device, QuotaMode, Quotas
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why, listed
from collectors.system import deadline
from collectors.system.deadline import Declined, Host, Malformed

ERRORS = ("write_errs", "read_errs", "flush_errs", "corruption_errs", "generation_errs")


def folder(host: Host, uuid: str) -> Path:
    return host.sys / "fs" / "btrfs" / uuid


def device_errors(host: Host, uuid: str, devid: int) -> tuple[tuple[str, int], ...]:
    """(name, count) of each error counter of one device since they were last reset. Needs Linux 5.14."""
    text = (folder(host, uuid) / "devinfo" / str(devid) / "error_stats").read_text("ascii")
    found = dict(line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    try:
        return tuple((name, int(found[name])) for name in ERRORS)
    except KeyError as missing:
        raise Malformed(f"error_stats without {missing}") from None


def device_state(host: Host, device: decode.DevInfo, uuid: str) -> tuple[bool, bool]:
    """Whether a device is missing, and whether it takes new chunks: not a seed, not the target of a replacement.

    Where the kernel tells no state of devices (before Linux 5.6), a path is all there is to go by.
    """
    told = folder(host, uuid) / "devinfo" / str(device.devid)
    missing = not device.path or _flag(told / "missing", False)
    return missing, not missing and device.devid != 0 and _flag(told / "writeable", True)


def _flag(path: Path, otherwise: bool) -> bool:
    """`otherwise` where the kernel, or the sandbox around this process, does not tell."""
    try:
        return path.read_text("ascii").strip() == "1"
    except (OSError, ValueError):
        return otherwise


def chunk_limit(host: Host, uuid: str, kind: str) -> int | None:
    """The most bytes of a new chunk of this kind, which an administrator may have set; None before Linux 6.0."""
    try:
        return int((folder(host, uuid) / "allocation" / kind / "chunk_size").read_text("ascii"))
    except FileNotFoundError:
        return None


def running(host: Host, uuid: str) -> str:
    """What runs alone on the filesystem: "none", "balance", "balance paused", "device replace" … Needs Linux 5.10."""
    return (folder(host, uuid) / "exclusive_operation").read_text("ascii").strip()


def quotas_enabled(host: Host, uuid: str) -> bool:
    """Whether quotas are on. The folder of qgroups exists exactly then (Linux 5.9)."""
    if not folder(host, uuid).is_dir():
        raise FileNotFoundError(2, "no such filesystem in sysfs", str(folder(host, uuid)))
    return (folder(host, uuid) / "qgroups").is_dir()


def of_a_clone(host: Host, uuid: str) -> bool:
    """Whether the kernel made this uuid up, since a filesystem with the one on disk was mounted already (Linux 6.7)."""
    return _flag(folder(host, uuid) / "temp_fsid", False)


def device_names(host: Host, uuid: str) -> tuple[str, ...]:
    """Names below /dev of the block devices of one filesystem, in no order. Never the kernel's own "/dev/root"."""
    return tuple(entry.name.replace("!", "/") for entry in (folder(host, uuid) / "devices").iterdir())


T = TypeVar("T")


def unlinked(mountpoint: Path, btrfs: Btrfs, *, timeout_s: float) -> tuple[int, ...] | None:
    """The files without a name that are kept for who has them open, by inode; None where that cannot be told."""
    trees = [one.id for one in listed(btrfs.subvolumes) if not one.deleted]

    def work() -> tuple[int, ...]:
        with ioctl.opened(mountpoint) as fd:
            return search.unlinked(fd, trees)

    found = deadline.read("btrfs.unlinked", f"orphans {mountpoint}", work, timeout_s=timeout_s)
    return found.value if trees and isinstance(found, Exact) else None


def filesystem(mountpoint: Path, host: Host, *, timeout_s: float) -> Reading[Btrfs]:
    """Everything that is cheap to ask of the btrfs that holds `mountpoint` (a directory or a file), `sharing` left out.

    NOT_APPLICABLE where the filesystem is no btrfs.
    """
    ends = time.monotonic() + timeout_s

    def part(name: str, call: str, work: Callable[[int], T]) -> Reading[T]:
        def opened() -> T:
            with ioctl.opened(mountpoint) as fd:
                return work(fd)

        return deadline.read(f"btrfs.{name}", f"{call} {mountpoint}", opened, timeout_s=ends - time.monotonic())

    asked = part("fs_info", "FS_INFO", lambda fd: decode.fs_info(ioctl.fs_info(fd)))
    if isinstance(asked, Unavailable):
        return asked
    info = asked.value
    devices = part("devices", "DEV_INFO", lambda fd: _devices(fd, info, host))
    spaces = part("spaces", "SPACE_INFO", lambda fd: decode.spaces(ioctl.space_info(fd), info.device_count))
    subvolumes = part("subvolumes", "root tree", search.subvolumes)
    quotas = part("quotas", "quota tree", lambda fd: _quotas(fd, info, host))
    limit, origin = partial(chunk_limit, host, info.uuid), asked.origin
    placed = part(
        "rooms", "chunk tree", lambda fd: rooms(fd, _read(devices), _read(spaces), info.node_bytes, limit, origin)
    )
    statfs = part("statfs", "statvfs", lambda fd: statfs_rule(fd, _read(devices)))
    operation = part("operation", "sysfs exclusive_operation", lambda fd: running(host, info.uuid))
    # Last: one look-up for each chunk, and on a cold disk each may have to be fetched.
    chunks = part("chunks", "chunk tree", search.chunks)
    return Exact(
        Btrfs(
            uuid=info.uuid,
            temporary_uuid=of_a_clone(host, info.uuid),
            generation=_generation(info, asked.origin),
            node_bytes=info.node_bytes,
            sector_bytes=info.sector_bytes,
            devices=devices,
            spaces=spaces,
            chunks=chunks,
            unallocated_bytes=_unallocated(devices),
            rooms=placed,
            statfs=statfs,
            operation=operation,
            subvolumes=subvolumes,
            quotas=quotas,
            sharing=Unavailable(Why.NOT_ASKED, "the trees were not walked", asked.origin),
        ),
        asked.origin,
    )


def _read(reading: Reading[T]) -> T:
    if isinstance(reading, Unavailable):
        raise Declined(reading.why, reading.detail)
    return reading.value


def _generation(info: decode.FsInfo, origin: Origin) -> Reading[int]:
    if info.generation is None:
        return Unavailable(Why.NOT_REPORTED, "FS_INFO tells the generation since Linux 5.10", origin)
    return Exact(info.generation, origin)


def _devices(fd: int, info: decode.FsInfo, host: Host) -> tuple[Device, ...]:
    found: list[Device] = []
    for devid in range(info.highest_devid + 1):  # 0 is the target of a running replacement
        try:
            device = decode.dev_info(ioctl.dev_info(fd, devid))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            continue
        errors = _device_errors(host, info.uuid, devid)
        state = device_state(host, device, info.uuid)
        sizes = (device.total_bytes, device.allocated_bytes)
        found.append(Device(devid, device.path, device.uuid, *sizes, errors, *state))
    return tuple(found)


def _device_errors(host: Host, uuid: str, devid: int) -> Reading[tuple[tuple[str, int], ...]]:
    origin = Origin("btrfs.device_errors", f"sysfs devinfo/{devid}/error_stats", datetime.now(UTC), 0.0)
    try:
        return Exact(device_errors(host, uuid, devid), origin)
    except (OSError, ValueError) as error:
        return Unavailable(*deadline.reason(error), origin)


def _unallocated(devices: Reading[tuple[Device, ...]]) -> Size:
    """Bytes of the devices in no chunk: what a new chunk can be made of, before the profile's copies."""
    if isinstance(devices, Unavailable):
        return devices
    return Exact(sum(device.total_bytes - device.allocated_bytes for device in devices.value), devices.origin)


def _quotas(fd: int, info: decode.FsInfo, host: Host) -> Quotas:
    origin = Origin("btrfs.quotas", "quota tree", datetime.now(UTC), 0.0)
    try:
        return search.quotas(fd, origin)
    except Declined:
        if quotas_enabled(host, info.uuid):
            raise
        return Quotas(QuotaMode.OFF, consistent=True, rescanning=False, groups=Exact((), origin))
