"""The dashboard in a real pseudo-terminal that shrinks, hangs up or dies, over an engine that is restarted."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
import time

import pytest

from tests.bench.tui import Terminal
from tests.fakes.server import Server, wait_until
from tests.faults.conftest import Told
from tests.faults.room import Room
from tests.faults.running import Ended

pytestmark = pytest.mark.fault(26)

RESTORED = (b"\x1b[?1049l", b"\x1b[?25h")


def opened(room: Room, url: str, *more: str) -> Terminal:
    words = ("--host", url, "--docker-root", str(room.root), "--no-journal", "--no-state", "--deadline", "10")
    return Terminal("-m", "tui", *words, *more)


def as_ended(status: int, terminal: Terminal) -> Ended:
    assert b"Traceback" not in terminal.seen
    return Ended(status, "", "", 0, 0)


def resize(terminal: Terminal, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_a_terminal_of_20_by_5_is_drawn_and_grows_again(room: Room, told: Told) -> None:
    with room.engine() as server:
        terminal = opened(room, server.url)
        terminal.until(b"Docker", 60)
        for columns, rows in ((20, 5), (1, 1), (20, 5), (120, 36)):
            resize(terminal, columns, rows)
            terminal.quiet(0.3)
            for key in (b"2", b"\x1b[B", b"?", b"\x1b", b"1"):
                terminal.write(key)
            terminal.quiet(0.3)
        before = len(terminal.seen)
        terminal.write(b"2")
        terminal.quiet(0.3)
        assert len(terminal.seen) > before, "it answers no more"
        terminal.write(b"q")
        _, status = terminal.end(20)
    told("120×36, 20×5, 1×1 and back, keys pressed at each; left with q", as_ended(status, terminal))
    assert status == 0
    assert all(code in terminal.seen for code in RESTORED)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=["SIGHUP", "SIGTERM"])
def test_a_signal_to_end_leaves_the_terminal_as_it_was(number: signal.Signals, room: Room, told: Told) -> None:
    with room.engine() as server:
        terminal = opened(room, server.url)
        terminal.until(b"Docker", 60)
        terminal.quiet(0.3)
        os.kill(terminal.pid, number)
        _, status = terminal.end(10)
    told("it ends, and the terminal is as it was", as_ended(status, terminal))
    assert status == 3
    assert all(code in terminal.seen for code in RESTORED)


def test_a_terminal_that_dies_takes_the_dashboard_with_it(room: Room, told: Told) -> None:
    with room.engine() as server:
        _ends_with(opened(room, server.url), told)


def test_a_terminal_that_hangs_up_and_wakes_whom_it_leaves_takes_the_dashboard_with_it(room: Room, told: Told) -> None:
    """As the kernel does to the leader of a session: first the one signal, then the other."""
    with room.engine() as server:
        terminal = opened(room, server.url)
        terminal.until(b"Docker", 60)
        os.close(terminal._fd)
        for number in (signal.SIGHUP, signal.SIGCONT, signal.SIGCONT):
            os.kill(terminal.pid, number)
            time.sleep(0.05)
        status = _gone(terminal.pid, 10)
    told("it ends, woken or not", as_ended(status, terminal))
    assert status == 3


def test_a_terminal_that_goes_without_a_signal_takes_the_dashboard_with_it(room: Room, told: Told) -> None:
    """As after `su -c`: a session of its own, to which the terminal does not belong."""
    with room.engine() as server:
        words = ("--host", server.url, "--docker-root", str(room.root), "--no-journal", "--no-state")
        _ends_with(Terminal("-c", APART, "-m", "tui", *words), told)


APART = """
import os, signal, subprocess, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.exit(subprocess.Popen([sys.executable, *sys.argv[1:]], start_new_session=True).wait())
"""


def _ends_with(terminal: Terminal, told: Told) -> None:
    terminal.until(b"Docker", 60)
    terminal.quiet(0.3)
    os.close(terminal._fd)
    status = _gone(terminal.pid, 10)
    told("it ends by itself, and does not spin", as_ended(status, terminal))
    assert status == 3


def _gone(pid: int, timeout_s: float) -> int:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"still running {timeout_s:g} s after its terminal died")


def test_an_engine_that_restarts_is_seen_to_go_and_asked_again(room: Room, told: Told) -> None:
    link = room.folder / "engine.sock"
    with room.engine() as server:
        link.symlink_to(server.path)
        terminal = opened(room, f"unix://{link}")
        assert wait_until(lambda: _asked(terminal, server) > 5, 60)
        terminal.quiet(0.5)
    terminal.write(b"r")
    terminal.until(b"did not answer", 60)
    link.unlink()
    with room.engine() as server:
        link.symlink_to(server.path)
        terminal.write(b"r")
        assert wait_until(lambda: _asked(terminal, server) > 5, 60)
        terminal.quiet(0.5)
        terminal.write(b"q")
        _, status = terminal.end(20)
    told("gone: said on screen; back: asked again; left with q", as_ended(status, terminal))
    assert status == 0


def _asked(terminal: Terminal, server: Server) -> int:
    terminal.read(0.05)  # or it would wait for us to take what it draws
    return len(server.requests)
