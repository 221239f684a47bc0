"""Project quotas: directories that may take no more than so much, whatever room the filesystem has.

The engines set one for `--storage-opt size` and for volumes of a given size, on xfs and ext4 alike. Which project a
directory belongs to, its inode says; what the project may take and takes, the quota system does, to whoever may
administer it. Asks only where the mount enforces project quotas. Never sets one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from collectors.model.filesystem import Mount, ProjectQuota
from collectors.model.reading import Reading
from collectors.model.store import Unit, UnitKind
from collectors.system import deadline

_ENFORCED = "prjquota"  # as the kernel tells pquota too, of xfs and of ext4
_LIMITED = frozenset({UnitKind.WRITABLE_LAYER, UnitKind.VOLUME})
_AT_MOST_S = 3.0

_GET_ATTRIBUTES = 0x801C581F  # FS_IOC_FSGETXATTR
_ATTRIBUTES = struct.Struct("=IIII12x")  # flags, extent size, extents, project; then what nobody asks for here
_GET_QUOTA = 0x5803 << 8 | 2  # QCMD(Q_XGETQUOTA, PRJQUOTA)
_QUOTA = struct.Struct("=bbHIQQQQQQ56x")  # fs_disk_quota: version … id, four limits, blocks, inodes
_BLOCK_BYTES = 512
_BY_DESCRIPTOR = 443  # quotactl_fd(2), the same number on every architecture; Linux 5.14

_libc = ctypes.CDLL(None, use_errno=True)


def project_quotas(mount: Mount, units: Iterable[Unit]) -> Reading[tuple[ProjectQuota, ...]] | None:
    """The limits of those of the units that have one; None where this mount enforces none."""
    if _ENFORCED not in mount.super_options:
        return None
    limited = [unit for unit in units if unit.kind in _LIMITED]
    call = f"quotactl {mount.mountpoint}"
    return deadline.read("filesystem.quotas", call, lambda: tuple(_found(mount, limited)), timeout_s=_AT_MOST_S)


def _found(mount: Mount, units: Iterable[Unit]) -> Iterator[ProjectQuota]:
    with opened(mount.mountpoint) as top:
        for unit in units:
            try:
                with opened(unit.path) as folder:
                    project = project_of(folder)
            except FileNotFoundError:  # gone meanwhile
                continue
            if project and (told := _quota(top, mount.source, project)) is not None:
                yield ProjectQuota(unit.id, *told)


@contextmanager
def opened(path: str) -> Iterator[int]:
    """The descriptor of a directory, for questions alone. OSError as the kernel gives it."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def project_of(folder: int) -> int:
    """The number of its project; 0: it has none."""
    reply = ctypes.create_string_buffer(_ATTRIBUTES.size)
    _checked(_libc.ioctl(folder, ctypes.c_ulong(_GET_ATTRIBUTES), reply))
    return int(_ATTRIBUTES.unpack(reply.raw)[3])


def _quota(top: int, device: str, project: int) -> tuple[int, int] | None:
    """(limit, taken) in bytes; None where the project has no limit. OSError as the kernel gives it."""
    reply = ctypes.create_string_buffer(_QUOTA.size)
    try:
        _checked(_libc.syscall(_BY_DESCRIPTOR, top, _GET_QUOTA, project, reply))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        if error.errno != errno.ENOSYS:
            raise
        _checked(_libc.quotactl(_GET_QUOTA, os.fsencode(device), project, reply))
    _, _, _, _, hard, soft, _, _, blocks, _ = _QUOTA.unpack(reply.raw)
    limit = min((one for one in (hard, soft) if one), default=0)
    return (limit * _BLOCK_BYTES, blocks * _BLOCK_BYTES) if limit else None


def _checked(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
