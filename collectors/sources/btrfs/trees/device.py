"""The devices of one filesystem, read past the page cache: what that holds of a device may be older than the commit."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from collectors.model.btrfs import Device
from collectors.sources.bounded import Malformed
from collectors.sources.btrfs.trees import superblock
from collectors.sources.btrfs.trees.faults import Unsupported
from collectors.sources.btrfs.trees.superblock import Superblock
from collectors.sources.host import Host


class Devices:
    """Open descriptors by devid. Closed on leaving the context."""

    def __init__(self, descriptors: dict[int, int]) -> None:
        self._descriptors = descriptors

    def __enter__(self) -> Devices:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fd in self._descriptors.values():
            os.close(fd)
        self._descriptors.clear()

    def read(self, devid: int, offset: int, into: Sequence[memoryview]) -> None:
        """Fill page-aligned buffers from one place of one device. Unsupported for a device that is not there."""
        fd = self._descriptors.get(devid)
        if fd is None:
            raise Unsupported(f"device {devid} is missing")
        wanted = sum(len(part) for part in into)
        got = os.preadv(fd, into, offset) if offset < 1 << 63 else 0
        if got != wanted:
            raise Malformed(f"device {devid} ends within a block at {offset}")

    def superblock(self) -> Superblock:
        """The newest one. A commit writes them one after the other, when all that they point to is on disk."""
        found = []
        for devid in self._descriptors:
            page = mmap.mmap(-1, superblock.SIZE)
            self.read(devid, superblock.AT, [memoryview(page)])
            found.append(superblock.parse(page[:]))
            if found[-1].devid != devid:
                raise Unsupported(f"the device of number {devid} says it is {found[-1].devid}")
        if len({block.fsid for block in found}) != 1:
            raise Unsupported("the devices belong to different filesystems")
        return max(found, key=lambda block: block.generation)


def opened(host: Host, devices: Iterable[Device], uuid: str) -> Devices:
    """All devices, read-only. OSError where one cannot be opened; Unsupported where one is another filesystem's."""
    descriptors: dict[int, int] = {}
    try:
        for device in devices:
            if device.devid == 0:  # a replacement's target: its source still has everything
                continue
            if not device.path:
                raise Unsupported(f"device {device.devid} is missing")
            descriptors[device.devid] = _descriptor(host, device.path)
    except BaseException:
        for fd in descriptors.values():
            os.close(fd)
        raise
    found = Devices(descriptors)
    try:
        fsid = found.superblock().fsid
    except BaseException:
        found.__exit__(None, None, None)
        raise
    if fsid.hex() != uuid.replace("-", ""):
        found.__exit__(None, None, None)
        raise Unsupported("the device nodes show another filesystem")
    return found


def _descriptor(host: Host, path: str) -> int:
    here = host.dev / Path(path).relative_to("/dev") if path.startswith("/dev/") else host.here(path)
    try:
        return os.open(here, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise Unsupported(f"{path} cannot be read past the cache") from None
        raise
