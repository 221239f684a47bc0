"""Who a process is, so that the lab ends its own and nobody else's.

A pid alone proves nothing, since pids are used again: a process is its pid together with the moment it started, in one
boot. Signals go through a pidfd opened before that check, so that the answer cannot change in between. Refuses to find
processes by name.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.commands import tool
from tests.lab.user import USER, USER_IDS

_PROC = Path("/proc")


def boot_id() -> str:
    """The kernel's name for this boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> tuple[str, int, int] | None:
    """State, parent's pid and start (clock ticks since boot), `None` if there is no such process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may itself hold spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[1]), int(fields[19])


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one boot. `started_ticks` is field 22 of /proc/PID/stat."""

    pid: int
    started_ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this pid now, `None` if there is none or only its exit status is left."""
        stat = _stat(pid)
        return None if stat is None or stat[0] == "Z" else cls(pid, stat[2], boot_id())

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Process.of(self.pid) == self

    def send(self, number: signal.Signals) -> bool:
        """Signal this very process; `False` if it is gone, whoever has its pid now."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(descriptor, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended, also when it is a child of this one; `False` if it still runs after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while True:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
            if not self.alive():
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.02)


def spawn(argv: Sequence[str], output: Path) -> Process:
    """Start a process in a session of its own, its output appended to a file; it outlives its `Process` object.

    A session of its own, since Ctrl-C at a test run must reach the run, which then takes the lab down. Raises OSError.
    """
    words = (tool(argv[0]) or argv[0], *argv[1:])
    appended = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(output), appended, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    )
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=files, setsid=True)
    process = Process.of(pid)
    if process is None:
        os.waitpid(pid, 0)
        raise OSError(f"{argv[0]} ended at once: {output.read_text(errors='replace')[-500:]}")
    return process


def _everyone() -> Iterator[int]:
    for name in os.listdir(_PROC):
        if name.isdigit():
            yield int(name)


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


_ENGINES = (b"dockerd", b"containerd", b"podman", b"conmon")


def _is_a_users(pid: int) -> bool:
    """Does it run as the labs' own user, or as one of the ids in that user's namespaces?"""
    try:
        uid = (_PROC / str(pid)).stat().st_uid
    except OSError:
        return False
    return uid == USER or uid in USER_IDS


def of_lab(base: Path, cgroup: str) -> set[Process]:
    """All processes of the lab in `base` whose containers live in `cgroup`.

    Engine, containerd and shims have a path below `base` among their arguments; a container's processes are in the
    lab's cgroup, or descend from a shim. What a user's engine started sees the lab's mounts.
    """
    below = f"{base}/".encode()
    group = f"/{cgroup}/".encode()
    parents = {pid: stat[1] for pid in _everyone() if (stat := _stat(pid)) is not None}
    mine = set[int]()
    for pid in parents:
        arguments = _read(pid, "cmdline").split(b"\0")
        is_engine = any(name in arguments[0] for name in _ENGINES)
        is_mine = is_engine and any(below in argument for argument in arguments)
        if is_mine or group in _read(pid, "cgroup") or (_is_a_users(pid) and below in _read(pid, "mountinfo")):
            mine.add(pid)
    found = len(mine)
    while True:
        mine |= {pid for pid, parent in parents.items() if parent in mine}
        if len(mine) == found:
            break
        found = len(mine)
    mine.discard(os.getpid())
    return {process for pid in mine if (process := Process.of(pid)) is not None}


def end(processes: Iterable[Process], timeout_s: float = 10) -> set[Process]:
    """Kill these processes outright and wait for them; gives back those that did not go."""
    victims = set(processes)
    for process in victims:
        process.send(signal.SIGKILL)
    return {process for process in victims if not process.wait(timeout_s)}
