"""Questions that may hang, asked in a child process that can be killed.

A thread that hangs in the kernel keeps its whole process from ever being reaped, and with it whoever waits for us. A
child does not: it is killed at the deadline, what it sent by then is kept, and one that not even SIGKILL reaches (state
D, a filesystem that owes an answer) is left behind and remembered; its question is not asked again while it lives. It
holds none of our descriptors. Refuses to run external commands: the child is this interpreter and `child/` only.
"""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from collectors.model.reading import Why
from collectors.system.child import split
from collectors.system.deadline import Declined

if TYPE_CHECKING:
    from collectors.system.child import Frame

_PACKAGE = "collectors.system"
_HOME = Path(__file__).resolve().parents[len(_PACKAGE.split("."))]

# The packages above `child` are entered without running their __init__, which would load all of the models: that
# alone takes longer than most questions.
_BOOT = f"""
import sys
path, name = sys.argv[1], ""
for part in "{_PACKAGE}".split("."):
    path, name = path + "/" + part, name + "." + part if name else part
    module = sys.modules[name] = type(sys)(name)
    module.__path__ = [path]
from {_PACKAGE}.child.main import main
main()
"""

_REAP_S = 0.3  # how long a killed child may take to disappear before it counts as stuck
GRACE_S = 1.0  # what a caller's own deadline allows on top, for starting and reaping
_LONGEST_WAIT_S = 3600.0  # of one poll; who waits without an end asks again
_LOW_FDS = 16  # descriptors are moved above those that they are copied onto in the child

_stuck: dict[str, list[int]] = {}
_stuck_lock = threading.Lock()


class Asking:
    """One question, asked by one child or several. Use as a context; leaving it leaves no child that can be reaped."""

    def __init__(self, about: str, deadline: float) -> None:
        """`about` names the question where a child hangs on it; `deadline` on time.monotonic().

        Raises Declined if an earlier child still hangs on it.
        """
        self._about = about
        self._deadline = deadline
        self._children: dict[int, int] = {}  # read end → process
        self._buffers: dict[int, bytearray] = {}
        if still_hangs(about):
            raise Declined(Why.TIMED_OUT, "an earlier attempt still hangs; not asked again")

    def __enter__(self) -> Asking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self, request: dict[str, Any], shared: tuple[int, ...] = ()) -> int:
        """Start a child on `request`; `shared` become its descriptors 3 and up. Returns the number of its frames."""
        ours, theirs = os.pipe()
        try:
            pid = _spawn(request, theirs, shared)
        except BaseException:
            os.close(ours)
            raise
        os.set_blocking(ours, False)
        self._children[ours] = pid
        self._buffers[ours] = bytearray()
        return ours

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """Frames as they arrive, each with the number of its child, until all children have ended or time is up.

        A child that has ended, however it did, sends ("ended",) last.
        """
        while self._buffers:
            left = self._deadline - time.monotonic()
            if left <= 0:
                self.kill()  # first, or a busy child could write for ever
            ready = _readable(list(self._buffers), max(0.0, left))
            for fd in ready:
                yield from self._take(fd)
            if left <= 0 and not ready:
                return

    def _take(self, fd: int) -> Iterator[tuple[int, Frame]]:
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(fd, 1 << 20)
        if not data:
            del self._buffers[fd]
            yield fd, ("ended",)
            return
        buffer = self._buffers[fd]
        buffer += data
        for frame in split(buffer):
            yield fd, frame

    def end(self) -> None:
        """Kill what still runs, reap it, remember what cannot be."""
        self.kill()
        alive = _reap(list(self._children.values()), _REAP_S)
        for fd in self._children:
            os.close(fd)
        self._children.clear()
        self._buffers.clear()
        if alive:
            with _stuck_lock:
                _stuck.setdefault(self._about, []).extend(alive)

    def kill(self) -> None:
        """End the children; whoever waits for their frames gets no more. May be called from another thread."""
        # Not yet reaped, so the number cannot be another process's by now.
        for pid in tuple(self._children.values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def still_hangs(about: str) -> bool:
    """Whether a child that was asked this could not be killed and is still there."""
    with _stuck_lock:
        alive = _reap(_stuck.get(about, []), 0.0)
        if alive:
            _stuck[about] = alive
        else:
            _stuck.pop(about, None)
        return bool(alive)


def ask(request: dict[str, Any], about: str, timeout_s: float) -> Frame:
    """Ask one child for one frame. Raises Declined when time runs out, and what the child met (see `check`)."""
    deadline = time.monotonic() + timeout_s
    with Asking(about, deadline) as asking:
        asking.start(request)
        for _, frame in asking.frames():
            check(frame)
            if frame != ("ended",):
                return frame
            if time.monotonic() < deadline:  # else it was we who ended it
                raise Declined(Why.FAILED, "the child that was asked has ended without an answer")
    raise Declined(Why.TIMED_OUT, f"no answer in {timeout_s:.3g} s")


def check(frame: Frame) -> None:
    """Raise what went wrong in the child, if this frame says so: OSError, or RuntimeError for a defect."""
    match frame:
        case ("failed", int(number), bytes(path)):
            raise OSError(number, os.strerror(number), os.fsdecode(path) or None)
        case ("defect", str(what)):
            raise RuntimeError(what)


def _spawn(request: dict[str, Any], answers: int, shared: tuple[int, ...]) -> int:
    """Start the interpreter on `request`. Takes `answers` over. Returns the process."""
    with contextlib.ExitStack() as opened:
        theirs = _high(answers, opened)
        question = _high(os.memfd_create("request"), opened)
        with open(question, "wb", closefd=False) as file:
            file.write(marshal.dumps({**request, "parent": os.getpid()}))
        os.lseek(question, 0, os.SEEK_SET)
        sources = [question, theirs, *(_high(os.dup(fd), opened) for fd in shared)]
        targets = [0, 1, *range(3, 3 + len(shared))]
        actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]
        actions += [(os.POSIX_SPAWN_DUP2, fd, target) for fd, target in zip(sources, targets, strict=True)]
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, str(_HOME)],
            _environment(),
            file_actions=actions,
            setpgroup=0,
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
        )


def _high(fd: int, opened: contextlib.ExitStack) -> int:
    """Move `fd` above the numbers that the child uses, to be closed here when it has been handed on."""
    try:
        moved: int = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LOW_FDS)
    finally:
        os.close(fd)
    opened.callback(os.close, moved)
    return moved


def _environment() -> dict[str, str]:
    # Some interpreters do not even start without it.
    return {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}


def _readable(fds: list[int], timeout_s: float) -> list[int]:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll(min(timeout_s, _LONGEST_WAIT_S) * 1000)]


def _reap(pids: list[int], timeout_s: float) -> list[int]:
    """Wait for killed children for at most `timeout_s`. Returns those that are still there."""
    until = time.monotonic() + timeout_s
    pause_s = 0.0002
    while True:
        pids = [pid for pid in pids if not _gone(pid)]
        if not pids or time.monotonic() >= until:
            return pids
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.01)


def _gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # somebody else reaped it
        return True
