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
    try:
        helper = the_child_of(parent.pid)
        child = the_child_of(helper)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    for pid in (child, helper):
        until = time.monotonic() + 5
        while alive(pid):
            assert time.monotonic() < until, "it outlived its parent"
            time.sleep(0.01)


def the_child_of(parent: int) -> int:
    """As soon as there is one; of the helper's, once it has settled."""
    tasks = Path(f"/proc/{parent}/task")
    while not (found := "".join((task / "children").read_text() for task in tasks.iterdir()).split()):
        time.sleep(0.01)
    child = Path("/proc", found[0], "fd")
    while child.exists() and len(list(child.iterdir())) > 3:
        time.sleep(0.01)
    return int(found[0])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_that_ends_has_reaped_its_helper(tmp_path: Path) -> None:
    """In a container whose first process waits for nobody, one would be left behind each time."""
    script = "import sys; from collectors.system import killable, mount_table; from pathlib import Path\n"
    script += "mount_table.space(Path(sys.argv[1]), timeout_s=5); print(killable.HELPER.pid)"
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, check=True, text=True)
    assert not Path("/proc", ended.stdout.strip()).exists()


def test_a_helper_that_was_killed_takes_its_question_along_and_the_next_one_is_answered(
    hangs: dict[str, object], tmp_path: Path
) -> None:
    others = children()
    killable.HELPER.start()
    killed = killable.HELPER.pid
    threading.Timer(0.2, os.kill, (killed, signal.SIGKILL)).start()
    with pytest.raises(Declined, match="ended without an answer"):
        killable.ask(hangs, "pipe", 20)
    assert isinstance(space(tmp_path, timeout_s=5), Exact)
    assert killable.HELPER.pid not in (0, killed)
    assert children() <= others


def test_a_helper_that_does_not_answer_is_ended_and_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killable.HELPER.stop()
    monkeypatch.setattr(killable, "_HELPER_S", 0.5)
    assert isinstance(space(tmp_path, timeout_s=5), Exact)
    os.kill(killable.HELPER.pid, signal.SIGSTOP)
    stopped, before = killable.HELPER.pid, descriptors()
    assert isinstance(space(tmp_path, timeout_s=5), Exact)
    assert not Path(f"/proc/{stopped}").exists()
    assert descriptors() == before
    killable.HELPER.stop()


def test_a_fork_of_ours_asks_by_a_helper_of_its_own(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from collectors.system import killable, mount_table
def ask():
    return type(mount_table.space(Path(sys.argv[1]), timeout_s=5)).__name__, killable.HELPER.pid
print(ask(), flush=True)
if os.fork() == 0:
    print(ask(), flush=True)
    os._exit(0)
os.wait()
print(ask(), flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, check=True, text=True)
    first, forked, again = ended.stdout.splitlines()
    assert first == again != forked
    assert all(line.startswith("('Exact'") for line in (first, forked))


def test_what_children_have_taken_of_a_processor_is_known(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(3000):
        (tmp_path / "many" / str(number)).touch()
    before = killable.HELPER.spent_s
    listing = {"task": "list", "path": os.fsencode(tmp_path), "inside": [b"many"], "alone": False}
    killable.ask(listing, "list", 10)
    assert killable.HELPER.spent_s > before


def test_a_child_holds_none_of_its_parents_descriptors(hangs: dict[str, object]) -> None:
    killable.HELPER.stop()
    kept, other = os.pipe()
    os.set_inheritable(other, True)  # as a shell leaves them to us
    others = children()
    with killable.Asking("pipe", time.monotonic() + 5) as asking:
        asking.start(hangs)
        (pid,) = children() - others
        target = os.readlink(f"/proc/self/fd/{other}")
        for process in (pid, killable.HELPER.pid):
            until = time.monotonic() + 5
            while target in (held := held_by(process)):
                assert time.monotonic() < until, held
                time.sleep(0.01)
        until = time.monotonic() + 5
        while len(list(Path(f"/proc/{pid}/fd").iterdir())) > 3:
            assert time.monotonic() < until, held_by(pid)
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
