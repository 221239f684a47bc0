"""What each kind of filesystem can say of its own: its bytes inside `used`, who shares what, its figures.

`FILESYSTEMS` are the kinds that need more than a walk by name; a new one is a module here and a line there.
"""

from __future__ import annotations

from collectors.filesystems.base import FilesystemKind, Plain, ReportPart
from collectors.filesystems.btrfs import BtrfsKind
from collectors.filesystems.ext4 import Ext, Ext4
from collectors.filesystems.xfs import Xfs

__all__ = ["FILESYSTEMS", "kind_of", "report_parts"]

FILESYSTEMS: tuple[FilesystemKind, ...] = (BtrfsKind(), Ext4(), Ext(), Xfs())
_PLAIN = Plain()


def kind_of(fstype: str) -> FilesystemKind:
    """The kind that the mount table calls `fstype`."""
    return next((kind for kind in FILESYSTEMS if fstype in kind.fstypes), _PLAIN)


def report_parts() -> tuple[ReportPart, ...]:
    """The parts of a report that kinds of filesystems write, in the order of `FILESYSTEMS`."""
    return tuple(part for kind in FILESYSTEMS if (part := kind.report_part()) is not None)
