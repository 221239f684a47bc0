"""Questions that may hang, asked in a child process that can be killed.

A thread that hangs in the kernel keeps its whole process from ever being reaped, and with it whoever waits for us. A
child does not: it is killed at the deadline, what it sent by then is kept, and one that not even SIGKILL reaches (state
D, a filesystem that owes an answer) is left behind and remembered; its question is not asked again while it lives. It
holds none of our descriptors. Refuses to run external commands: the child is this interpreter and `child/` only.

One helper process, small and with one thread, forks for each question: that costs a tenth of starting an interpreter.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import marshal
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from collectors.model.reading import Why
from collectors.system.child import BOOT, MESSAGE, PACKAGE, REPLY, split
from collectors.system.deadline import Declined

if TYPE_CHECKING:
    from collectors.system.child import Frame

_HOME = Path(__file__).resolve().parents[len(PACKAGE.split("."))]

_REAP_S = 0.3  # how long a killed child may take to disappear before it counts as stuck
GRACE_S = 1.0  # what a caller's own deadline allows on top, for starting and reaping
_LONGEST_WAIT_S = 3600.0  # of one poll; who waits without an end asks again
_LOW_FDS = 16  # a descriptor is moved above those that it is copied onto in the helper
_HELPER_S = 5.0  # how long the helper may take to fork: it does nothing that hangs

_stuck: dict[str, list[int]] = {}
_stuck_lock = threading.Lock()


class Helper:
    """The process that forks for each question; it is started when it is first needed, or by `start` before that.

    It ends when we do. One that was ended, by whomever, is started anew by the next question.
    """

    def __init__(self) -> None:
        self.pid = 0  # 0: not started
        self.spent_s = 0.0  # what children have taken of a processor
        self._socket: socket.socket | None = None
        self._lock = threading.RLock()
        self._over = False

    def start(self) -> None:
        """Start it, unless it runs. Does not wait for it. Raises OSError."""
        with self._lock:
            if self._over:
                raise OSError(errno.ESHUTDOWN, "this process ends")
            if self._socket is None:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    self.pid = _spawn(theirs)
                ours.settimeout(_HELPER_S)
                self._socket = ours

    def fork(self, request: dict[str, Any], answers: int, shared: tuple[int, ...]) -> int:
        """A child for this question. Its number. Raises OSError."""
        question = os.memfd_create("request")
        try:
            os.write(question, marshal.dumps(request))
            os.lseek(question, 0, os.SEEK_SET)
            with self._lock:
                self.start()
                number, _ = self._call(0, (question, answers, *shared))
                if not number:  # it was ended by somebody since it was last asked
                    self.start()
                    number, _ = self._call(0, (question, answers, *shared))
        finally:
            os.close(question)
        if number <= 0:
            raise OSError(-number or errno.ESRCH, os.strerror(-number or errno.ESRCH))
        return number

    def end(self, pid: int) -> bool:
        """Kill a child. True once it is gone; with the helper all go."""
        with self._lock:
            if self._socket is None:
                return True
            gone, spent_s = self._call(pid)
            self.spent_s += spent_s
            return bool(gone) or self._socket is None

    def stop(self) -> None:
        """End the helper, and with it all children."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(self.pid, signal.SIGKILL)  # not reaped yet, so the number cannot be another's
                    os.waitpid(self.pid, 0)
                self.pid = 0

    def close(self) -> None:
        """The same for good: threads that are left over ask no more."""
        self._over = True
        self.stop()

    def forget(self) -> None:
        """After a fork of ours: the helper is our parent's."""
        self._lock = threading.RLock()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self.pid = 0

    def _call(self, number: int, fds: tuple[int, ...] = ()) -> tuple[int, float]:
        """The reply to one message; (0, 0) with the helper stopped where it does not answer."""
        assert self._socket is not None
        try:
            socket.send_fds(self._socket, [MESSAGE.pack(number)], list(fds))
            reply = self._socket.recv(REPLY.size)
            answer: tuple[int, float] = REPLY.unpack(reply)
        except (OSError, struct.error):
            self.stop()
            return 0, 0.0
        except BaseException:  # an answer that nobody has taken would be the next one's
            self.stop()
            raise
        return answer


HELPER = Helper()
atexit.register(HELPER.close)
os.register_at_fork(after_in_child=HELPER.forget)


def _spawn(control: socket.socket) -> int:
    """Start the interpreter that reads `control`. Returns the process."""
    high = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, _LOW_FDS)
    try:
        actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, high, 0)]
        actions += [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_WRONLY, 0) for fd in (1, 2)]
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-ISB" if sys.dont_write_bytecode else "-IS", "-X", "utf8", "-c", BOOT, str(_HOME)],
            # Some interpreters do not even start without it.
            {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"},
            file_actions=actions,
            setpgroup=0,
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
        )
    finally:
        os.close(high)


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
            pid = HELPER.fork(request, theirs, shared)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
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
        for pid in tuple(self._children.values()):
            HELPER.end(pid)


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
        pids = [pid for pid in pids if not HELPER.end(pid)]
        if not pids or time.monotonic() >= until:
            return pids
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.01)
