"""Who looks at the dashboard in a browser leaves nothing running, however he leaves; nor does the server.

`ULLAGE_VISITS=50` makes that many visits instead of a few.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.tui.test_browser import ROOT, answering, free_port

pytestmark = pytest.mark.skipif(find_spec("textual_serve") is None, reason="textual-serve is not installed")

VISITS = int(os.environ.get("ULLAGE_VISITS", "4"))
_LONGEST_S = 1.2  # the last visit sees the dashboard drawn, the first one not even started


@asynccontextmanager
async def served() -> AsyncIterator[tuple[subprocess.Popen[bytes], int]]:
    """The server and its port; ended with SIGKILL, if it runs still."""
    port = free_port()
    words = [sys.executable, "-m", "tui", "--serve", "--demo", "--port", str(port)]
    server = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        await answering(port)
        yield server, port
    finally:
        server.kill()
        server.wait()


def children(pid: int) -> dict[int, list[str]]:
    """Fields of /proc/PID/stat after the name, of all children."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found[int(folder.name)] = fields
    return found


def ticks(pid: int) -> int:
    """Processor time that was spent so far, with that of children that have ended; in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


async def until_gone(pids: set[int], within_s: float = 15.0) -> set[int]:
    """Those that are still there when the time is up."""
    ends = time.monotonic() + within_s
    while (left := {pid for pid in pids if Path(f"/proc/{pid}").exists()}) and time.monotonic() < ends:
        await asyncio.sleep(0.05)
    return left


@asynccontextmanager
async def drawn(port: int) -> AsyncIterator[None]:
    """A visit, from when something is shown."""
    import aiohttp

    url = f"http://127.0.0.1:{port}/ws?width=80&height=24"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.receive_bytes(timeout=20)
        yield


async def visits(port: int, count: int) -> None:
    """One after the other, each a little longer."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        for number in range(count):
            async with session.ws_connect(f"http://127.0.0.1:{port}/ws?width=80&height=24"):
                await asyncio.sleep(_LONGEST_S * number / count)


async def test_no_visit_leaves_a_process_or_work_behind_and_the_server_ends_when_told() -> None:
    async with served() as (server, port):
        await visits(port, VISITS)
        assert await until_gone(set(children(server.pid))) == set()
        before = ticks(server.pid)
        await asyncio.sleep(1.0)
        assert ticks(server.pid) - before <= 2  # of 100
        server.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.wait, 10) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_an_open_visit_ends_with_the_server_however_that_ends(how: signal.Signals) -> None:
    async with served() as (server, port), drawn(port):
        (child,) = children(server.pid)
        server.send_signal(how)
        assert await until_gone({child}) == set()


async def test_a_dashboard_in_a_browser_honours_sigterm() -> None:
    async with served() as (server, port), drawn(port):
        (child,) = children(server.pid)
        os.kill(child, signal.SIGTERM)
        assert await until_gone({child}) == set()
