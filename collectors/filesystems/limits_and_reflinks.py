"""What xfs, ext4 and others tell of directories: how much each may take (project quotas), and extents that files share.

The engines set a quota for `--storage-opt size` and for volumes of a given size, on xfs and ext4 alike. Which project a
directory belongs to, its inode says; what the project may take and takes, the quota system does, to whoever may
administer it. Asks only where the mount enforces project quotas. Never sets one.

A walk by name counts an extent once for each file that shares it (reflinks); here it counts once. Looked for only where
the files of a filesystem hold more than is used: asking each file costs as much as the walk. What could not be asked in
time stays counted in full, and the method of the figures says so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from collectors.filesystems.base import KEEP_S, StudyQuestion
from collectors.model import HOST_UNIT, UnitId
from collectors.model.filesystem import Mount, Occupancy, PathUsage, ProjectQuota, Share, Usage
from collectors.model.reading import AtLeast, Exact, Reading, Size, floor
from collectors.model.store import Unit, UnitKind
from collectors.system import deadline, killable, mount_table
from collectors.system.deadline import Declined

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


_NOTABLE_BYTES = 64 << 10  # counted twice: less is not looked for
# Of a file. The small ones, which are many, are asked only where the large ones do not explain it.
_LARGE_BYTES, _ANY_BYTES = 64 << 10, 1
_SHARE_OF_TIME = 0.5


def shared_once(question: StudyQuestion, occupancy: Occupancy, own: Size) -> Occupancy:
    """`occupancy` as it is, or with shared extents counted once. `own`: what the filesystem takes for itself."""
    space = mount_table.space(Path(question.mount.mountpoint), timeout_s=question.clock.left(at_most=5.0))
    if not isinstance(space, Exact):
        return occupancy
    found = occupancy
    for least in (_LARGE_BYTES, _ANY_BYTES):
        counted = sum(share.bytes for share in found.shares)
        if counted + floor(own) - space.value.used_bytes < _NOTABLE_BYTES:
            break
        found = _with_reflinks(question, occupancy, least)
    return found


def _with_reflinks(question: StudyQuestion, occupancy: Occupancy, least_bytes: int) -> Occupancy:
    """`occupancy` with shared extents counted once, as far as they could be looked for in time; its method says so.

    Only in files of so many bytes and more.
    """
    units = tuple(unit for unit in question.units if unit.path.startswith("/"))
    left_s = question.clock.left(keep=KEEP_S) * _SHARE_OF_TIME
    mountpoint = question.mount.mountpoint
    request = {
        "task": "extents",
        "path": os.fsencode(mountpoint),
        "units": [os.fsencode(unit.path) for unit in units],
        "least": least_bytes,
        "stop_at": time.monotonic() + left_s,
    }
    try:
        match killable.ask(request, f"extents of {mountpoint}", left_s + 1.0):
            case ("extents", bool(whole), list(extents)):
                return once(occupancy, [unit.id for unit in units], extents, whole)
    except (OSError, Declined, RuntimeError):
        pass
    return replace(occupancy, method=f"{occupancy.method}, files that share extents (reflinks) counted in full")


Extents = Iterable[tuple[int, int, int, bytes]]  # physical, bytes, place of the unit or -1, path in the host


def once(occupancy: Occupancy, units: Sequence[UnitId], extents: Extents, whole: bool) -> Occupancy:
    """`occupancy`, which counted each extent once for each of its files, with each counted once for who holds it."""
    table, twice, rows = _counted_again(units, extents)
    inodes = {share.holders: share.inodes for share in occupancy.shares}
    for share in occupancy.shares:
        table[share.holders] += share.bytes
    how = "reflinks counted once" if whole else "reflinks counted once as far as they were found in time"
    return replace(
        occupancy,
        method=f"{occupancy.method}, {how}",
        usages={u: _less(usage, twice[u]) for u, usage in occupancy.usages.items()},
        shares=tuple(
            Share(holders, max(0, count), 0, inodes.get(holders, 0))
            for holders, count in table.items()
            if count > 0 or inodes.get(holders)
        ),
        largest_others=_smaller(occupancy.largest_others, rows),
    )


def _counted_again(
    units: Sequence[UnitId], extents: Extents
) -> tuple[Counter[frozenset[UnitId]], Counter[UnitId], Counter[bytes]]:
    """Bytes to add to each set of holders, those that a holder has more than once, and those of host files to drop."""
    table: Counter[frozenset[UnitId]] = Counter()
    twice: Counter[UnitId] = Counter()
    rows: Counter[bytes] = Counter()
    for length, files in _segments(extents):
        times = Counter(HOST_UNIT if place < 0 else units[place] for place, _ in files)
        if times.total() < 2:
            continue  # the other holder was not asked: it stays counted for both
        table[frozenset(times)] += length
        for holder, number in times.items():
            table[frozenset({holder})] -= number * length
            twice[holder] += (number - 1) * length
        outside = sorted(path for place, path in files if place < 0)
        rows.update(dict.fromkeys(outside[len(times) == 1 :], length))  # held by the host alone it stays with the first
    return table, twice, rows


def _segments(extents: Extents) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
    """Physical ranges cut where a file's extent begins or ends: bytes, and each file that holds them."""
    edges: list[tuple[int, int, int, bytes]] = []
    for physical, length, place, path in extents:
        edges += [(physical, 1, place, path), (physical + length, 0, place, path)]
    here: list[tuple[int, bytes]] = []
    before = 0
    for at, begins, place, path in sorted(edges):  # at one place ends come before beginnings
        if here and at > before:
            yield at - before, list(here)
        before = at
        if begins:
            here.append((place, path))
        else:
            here.remove((place, path))


def _less(usage: Usage, count: int) -> Usage:
    match usage.allocated:
        case Exact(value=value, origin=origin) if count:
            return replace(usage, allocated=Exact(max(0, value - count), origin))
        case AtLeast(low=low, missing=missing, origin=origin) if count:
            return replace(usage, allocated=AtLeast(max(0, low - count), missing, origin))
        case _:
            return usage


def _smaller(directories: Iterable[PathUsage], rows: Mapping[bytes, int]) -> tuple[PathUsage, ...]:
    """The host's directories without what others hold as well; each file counts in the innermost one."""
    left = {directory.path: directory for directory in directories}
    for path, count in rows.items():
        where = os.fsdecode(path)
        while where not in left and where not in ("", "/"):
            where = where.rpartition("/")[0] or "/"
        if (found := left.get(where)) is not None:
            left[where] = replace(found, allocated_bytes=max(0, found.allocated_bytes - count))
    return tuple(sorted(left.values(), key=lambda directory: (-directory.allocated_bytes, directory.path)))
