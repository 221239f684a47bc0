"""How much room one filesystem says that it has. Refuses to mix what root may use with what users may use."""

from __future__ import annotations

import os
from pathlib import Path

from collectors.model.filesystem import FsSpace
from collectors.model.reading import Reading
from collectors.sources import bounded


def space(mountpoint: Path, *, timeout_s: float) -> Reading[FsSpace]:
    """statvfs of the filesystem that holds `mountpoint`, in bytes and inodes."""
    return bounded.read("filesystem.space", f"statvfs {mountpoint}", lambda: _space(mountpoint), timeout_s=timeout_s)


def _space(mountpoint: Path) -> FsSpace:
    answer = os.statvfs(mountpoint)
    return FsSpace(
        fsid=answer.f_fsid,
        block_bytes=answer.f_frsize,
        total_bytes=answer.f_blocks * answer.f_frsize,
        free_bytes=answer.f_bfree * answer.f_frsize,
        available_bytes=answer.f_bavail * answer.f_frsize,
        inodes=answer.f_files,
        inodes_free=answer.f_ffree,
        inodes_available=answer.f_favail,
        read_only=bool(answer.f_flag & os.ST_RDONLY),
    )
