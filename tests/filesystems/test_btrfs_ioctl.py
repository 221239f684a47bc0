"""The system calls: other threads go on, errors carry the kernel's reason."""

from __future__ import annotations

import ctypes
import errno
import threading
import time
from pathlib import Path

import pytest

from collectors.filesystems import btrfs
from collectors.filesystems.btrfs import ioctl
from collectors.model.reading import Unavailable, Why
from collectors.system.deadline import this_host


def test_a_slow_ioctl_does_not_stop_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fcntl.ioctl` holds the interpreter lock on buffers above 1,024 bytes; a tree search has 64 times that.

    The call is made slow by letting the same library object lead to `usleep`, which takes the descriptor for its
    microseconds and leaves the rest alone.
    """
    slow = ioctl._libc.usleep
    slow.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)
    monkeypatch.setattr(ioctl._libc, "ioctl", slow)
    done = threading.Event()

    def work() -> None:
        ioctl.call(500_000, ioctl.TREE_SEARCH_V2, bytearray(1 << 16))
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    ticks = 0
    while not done.is_set():
        time.sleep(0.01)
        ticks += 1
    thread.join()
    assert ticks > 20


def test_a_filesystem_that_is_no_btrfs_is_not_applicable(tmp_path: Path) -> None:
    with ioctl.opened(Path("/proc")) as fd, pytest.raises(OSError, match="Inappropriate ioctl") as refused:
        ioctl.fs_info(fd)
    assert refused.value.errno == errno.ENOTTY
    found = btrfs.filesystem(Path("/proc"), this_host(), timeout_s=5)
    assert isinstance(found, Unavailable)
    assert found.why is Why.NOT_APPLICABLE


def test_a_mountpoint_that_is_gone_is_not_reachable(tmp_path: Path) -> None:
    found = btrfs.filesystem(tmp_path / "gone", this_host(), timeout_s=5)
    assert isinstance(found, Unavailable)
    assert found.why is Why.NOT_REACHABLE


def test_a_descriptor_is_opened_on_a_file_as_well_as_on_a_directory(tmp_path: Path) -> None:
    """In a container, a bound file may be all that there is of the host's filesystem."""
    file = tmp_path / "hostname"
    file.write_text("x")
    for path in (file, tmp_path):
        with ioctl.opened(path) as fd:
            assert fd >= 0
