"""Children that can be killed: a question that hangs costs its deadline, and nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from collectors.model.reading import Exact, Unavailable, Why
from collectors.system import killable
from collectors.system.child import split
from collectors.system.deadline import Declined
from collectors.system.mount_table import space
from tests.system.walking import children, descriptors


@pytest.fixture
def hangs(tmp_path: Path) -> dict[str, object]:
    """A request that is never answered: opening a pipe that nobody writes to."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    return {"task": "read", "path": os.fsencode(pipe), "device": (0, 0), "ranges": []}


def test_room_is_what_statvfs_says(tmp_path: Path) -> None:
    reading = space(tmp_path, timeout_s=5)
    assert isinstance(reading, Exact)
    answer = os.statvfs(tmp_path)
    assert reading.value.total_bytes == answer.f_blocks * answer.f_frsize
    assert reading.value.inodes == answer.f_files
    assert reading.value.used_bytes >= 0


def test_what_went_wrong_in_the_child_is_named_as_if_it_had_happened_here(tmp_path: Path) -> None:
    reading = space(tmp_path / "nothing", timeout_s=5)
    assert isinstance(reading, Unavailable)
    assert reading.why is Why.NOT_REACHABLE
    assert "nothing" in reading.detail


def test_a_childs_own_defect_is_called_one() -> None:
    with pytest.raises(RuntimeError, match="no such task"):
        killable.ask({"task": "dance"}, "dance", 5)


def test_twenty_questions_that_hang_end_in_time_and_leave_nothing(hangs: dict[str, object]) -> None:
    before = descriptors(), threading.active_count(), children()
    for _ in range(20):
        began = time.monotonic()
        with pytest.raises(Declined) as declined:
            killable.ask(hangs, "pipe", 0.05)
        assert declined.value.why is Why.TIMED_OUT
        assert time.monotonic() - began < 1
    assert (descriptors(), threading.active_count(), children()) == before


def test_a_child_dies_with_its_parent(hangs: dict[str, object]) -> None:
    script = f"from collectors.system import killable; killable.ask({hangs!r}, 'pipe', 60)"
    parent = subprocess.Popen([sys.executable, "-c", script])
    tasks = Path(f"/proc/{parent.pid}/task")
    try:
        while not (found := "".join((task / "children").read_text() for task in tasks.iterdir()).split()):
            time.sleep(0.01)
        child = Path("/proc", found[0])
        while (child / "fd").exists() and len(list((child / "fd").iterdir())) > 3:
            time.sleep(0.01)  # until it has settled
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until = time.monotonic() + 5
    while child.exists() and (child / "stat").read_text().split()[2] != "Z":
        assert time.monotonic() < until, "the child outlived its parent"
        time.sleep(0.01)


def test_a_child_holds_none_of_its_parents_descriptors(hangs: dict[str, object]) -> None:
    others = children()
    kept, other = os.pipe()
    os.set_inheritable(other, True)  # as a shell leaves them to us
    with killable.Asking("pipe", time.monotonic() + 5) as asking:
        asking.start(hangs)
        (pid,) = children() - others
        until = time.monotonic() + 5
        target = os.readlink(f"/proc/self/fd/{other}")
        while target in (held := held_by(pid)):
            assert time.monotonic() < until, held
            time.sleep(0.01)
    os.close(kept)
    os.close(other)


def held_by(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(link))
    return found


def test_frames_survive_being_cut_anywhere_and_a_torn_one_is_no_frame() -> None:
    import marshal

    sent = [("a", 1, b"\xff"), ("b", [1 << 70, 2.5, None]), ("c",)]
    stream = b""
    for frame in sent:
        body = marshal.dumps(frame)
        stream += len(body).to_bytes(4, "little") + body
    for size in (1, 3, 7, len(stream)):
        buffer, got = bytearray(), []
        for at in range(0, len(stream), size):
            buffer += stream[at : at + size]
            got += split(buffer)
        assert got == sent
        assert not buffer
    torn = bytearray(stream[:-1])
    assert split(torn) == sent[:-1]
    assert torn
