"""The devices of one filesystem, read past the page cache: what that holds of a device may be older than the commit."""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from collectors.filesystems.btrfs import figures
from collectors.filesystems.btrfs.trees import chunk_map
from collectors.filesystems.btrfs.trees.chunk_map import BtrfsSuperblock, Unsupported
from collectors.model.btrfs import Device
from collectors.system.deadline import Host, Malformed

_WRITING_S = 0.02  # a superblock that is being written is whole again after this


class Devices:
    """Open descriptors by devid. Closed on leaving the context."""

    def __init__(self, descriptors: dict[int, int]) -> None:
        self._descriptors = descriptors

    def __enter__(self) -> Devices:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for fd in self._descriptors.values():
            os.close(fd)
        self._descriptors.clear()

    def released(self, devid: int) -> int:
        """Hand one descriptor over; it is no longer closed here."""
        return self._descriptors.pop(devid)

    def read(self, devid: int, offset: int, into: Sequence[memoryview]) -> None:
        """Fill page-aligned buffers from one place of one device. OSError where it is missing or fails."""
        fd = self._descriptors.get(devid)
        if fd is None:
            raise OSError(errno.ENODEV, f"device {devid} is missing")
        wanted = sum(len(part) for part in into)
        got = os.preadv(fd, into, offset) if offset < 1 << 63 else 0
        if got != wanted:
            raise Malformed(f"device {devid} ends within a block at {offset}")

    def superblock(self) -> BtrfsSuperblock:
        """The newest one. A commit writes them one after the other, when all that they point to is on disk."""
        found = [self._superblock(devid) for devid in self._descriptors]
        # A seed keeps the superblock of the filesystem that it was; on its own it is that filesystem.
        own = [block for block in found if not block.seeding] or found
        if len({block.fsid for block in own}) != 1:
            raise Unsupported("no device is there" if not found else "the devices belong to different filesystems")
        seeds = tuple(sorted({block.metadata_fsid for block in found if block not in own}))
        return replace(max(own, key=lambda block: block.generation), seed_fsids=seeds)

    def _superblock(self, devid: int) -> BtrfsSuperblock:
        for _ in range(2):
            with suppress(Malformed):
                return self._superblock_now(devid)
            time.sleep(_WRITING_S)
        return self._superblock_now(devid)

    def _superblock_now(self, devid: int) -> BtrfsSuperblock:
        page = mmap.mmap(-1, chunk_map.SIZE)
        self.read(devid, chunk_map.AT, [memoryview(page)])
        found = chunk_map.parse(page[:])
        if found.devid != devid:
            raise Unsupported(f"the device of number {devid} says it is {found.devid}")
        return found


def opened(host: Host, devices: Iterable[Device], uuid: str) -> Devices:
    """All devices that are there, read-only: of a degraded filesystem, the others may have every block.

    OSError where one cannot be opened; Unsupported where one is another filesystem's, or none is there.
    """
    # 0 is the target of a replacement: its source has everything.
    wanted = [device for device in devices if device.devid != 0 and device.path]
    descriptors: dict[int, int] = {}
    found = Devices(descriptors)
    try:
        for device in wanted:
            descriptors[device.devid] = _descriptor(host, uuid, device)
        if found.superblock().fsid.hex() != uuid.replace("-", "") and not figures.of_a_clone(host, uuid):
            raise Unsupported("the device nodes show another filesystem")
    except BaseException:
        found.close()
        raise
    return found


def _descriptor(host: Host, uuid: str, device: Device) -> int:
    """By its path, or, where that is a name of the kernel's own such as /dev/root, by the names that sysfs has."""
    under_dev = device.path.startswith("/dev/")
    try:
        return _direct(host.dev / device.path.removeprefix("/dev/") if under_dev else host.here(device.path))
    except FileNotFoundError:
        for name in _names(host, uuid):
            candidate = Devices({})
            with suppress(OSError, Malformed, Unsupported):
                candidate = Devices({device.devid: _direct(host.dev / name)})
                candidate.superblock()
                return candidate.released(device.devid)
            candidate.close()
        raise


def _names(host: Host, uuid: str) -> tuple[str, ...]:
    try:
        return figures.device_names(host, uuid)
    except OSError:
        return ()


def _direct(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise Unsupported(f"{path} cannot be read past the cache") from None
        raise
