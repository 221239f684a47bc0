"""Project quotas: asked only where they are enforced, read as the kernel writes them, never guessed."""

from __future__ import annotations

import errno
import os
from ctypes import get_errno, memmove, set_errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.filesystems import limits_and_reflinks
from collectors.filesystems.limits_and_reflinks import project_quotas
from collectors.model import UnitId
from collectors.model.filesystem import Mount, ProjectQuota
from collectors.model.reading import Exact, Unavailable
from collectors.model.store import Unit, UnitKind

MIB = 1 << 20
MOUNT = Mount(1, 0, "7:1", "/", "/", (), "xfs", "/dev/loop1", ("rw", "prjquota"))
# struct fs_disk_quota of Linux (112 bytes) as xfs fills it: version 1, flags 2 (project), fields, id 77, the limits
# and counts in blocks of 512 bytes: 40 MiB hard and soft, no limit of inodes, 38 MiB and 5 inodes taken; then timers.
REPLY = bytes.fromhex(
    "01020000" "4d000000" "0040010000000000" "0040010000000000" "0000000000000000" "0000000000000000"
    "0030010000000000" "0500000000000000"
) + bytes(56)  # fmt: skip


class Kernel:
    """Answers what the module asks the C library."""

    def __init__(self, project: int, quota: bytes | int, *, old: bool = False) -> None:
        self.project, self.quota, self.old = project, quota, old

    def ioctl(self, folder: int, number: Any, reply: Any) -> int:
        assert number.value == 0x801C581F
        assert os.fstat(folder)
        memmove(reply, bytes(12) + self.project.to_bytes(4, "little") + bytes(12), 28)
        return 0

    def syscall(self, number: int, top: int, command: int, project: int, reply: Any) -> int:
        assert (number, command) == (443, 0x5803 << 8 | 2)
        return self._fail(errno.ENOSYS) if self.old else self._answer(project, reply)

    def quotactl(self, command: int, device: bytes, project: int, reply: Any) -> int:
        assert (command, device) == (0x5803 << 8 | 2, b"/dev/loop1")
        return self._answer(project, reply)

    def _answer(self, project: int, reply: Any) -> int:
        assert project == self.project
        if isinstance(self.quota, int):
            return self._fail(self.quota)
        memmove(reply, self.quota, len(self.quota))
        return 0

    def _fail(self, code: int) -> int:
        set_errno(code)
        assert get_errno() == code
        return -1


def asked(monkeypatch: pytest.MonkeyPatch, folder: Path, kernel: Kernel, mount: Mount = MOUNT) -> object:
    monkeypatch.setattr(limits_and_reflinks, "_libc", kernel)
    units = [Unit(UnitId(str(folder)), UnitKind.VOLUME, str(folder), "mail", frozenset(), False, None)]
    found = project_quotas(mount, units)
    return found.value if isinstance(found, Exact) else found


@pytest.mark.parametrize("old", [False, True])
def test_the_limit_and_what_is_taken_are_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: bool) -> None:
    assert len(REPLY) == 112
    found = asked(monkeypatch, tmp_path, Kernel(77, REPLY, old=old))
    assert found == (ProjectQuota(UnitId(str(tmp_path)), 40 * MIB, 38 * MIB),)


def test_what_has_no_project_or_no_limit_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert asked(monkeypatch, tmp_path, Kernel(0, REPLY)) == ()
    assert asked(monkeypatch, tmp_path, Kernel(77, errno.ENOENT)) == ()
    assert asked(monkeypatch, tmp_path, Kernel(77, REPLY[:8] + bytes(32) + REPLY[40:])) == ()


def test_who_may_not_ask_is_told_so_and_who_need_not_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert isinstance(asked(monkeypatch, tmp_path, Kernel(77, errno.EPERM)), Unavailable)
    elsewhere = replace(MOUNT, super_options=("rw", "noquota"))
    assert asked(monkeypatch, tmp_path, Kernel(77, errno.EPERM), elsewhere) is None
