"""Nothing of ours listens on a network: the kernel kills whoever tries, and the report is still there."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import Lab

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="system calls of another architecture"),
]

MUTE = Path(__file__).with_name("mute.py")
PREFLIGHT = ("-m", "collectors", "--preflight", "--no-journal", "--no-state")


def under_the_filter(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(MUTE), sys.executable, *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL, process_group=0
    )


@pytest.mark.parametrize(
    "tried",
    [
        "socket.socket().listen()",
        "socket.socket(socket.AF_INET6).listen()",
        "socket.socket(type=socket.SOCK_DGRAM)",
        "os.waitpid(os.fork() or socket.socket().listen() or 1, 0)[1] and os.abort()",
    ],
)
def test_the_filter_kills_what_listens_and_its_children(tried: str) -> None:
    assert under_the_filter("-c", f"import os, socket; {tried}").returncode in (-signal.SIGSYS, -signal.SIGABRT)


def test_the_filter_lets_everything_else_through() -> None:
    assert under_the_filter("-c", "import socket; socket.socket(socket.AF_UNIX); socket.socket()").returncode == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_preflight_listens(lab: Lab, form: str) -> None:
    ended = under_the_filter(*PREFLIGHT, "--host", lab.host, "--format", form)
    assert ended.returncode in (0, 1), ended.stderr
    if form == "json":  # no child of ours was killed on the way
        assert [row for row in json.loads(ended.stdout)["coverage"] if row["outcome"] == "unread"] == []


def test_nothing_of_a_preflight_stays_behind(lab: Lab) -> None:
    command = [sys.executable, *PREFLIGHT, "--host", lab.host]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    assert started.wait(90) in (0, 1)
    sessions = {pid: _session(pid) for pid in os.listdir("/proc") if pid.isdigit()}
    assert [pid for pid, session in sessions.items() if session == started.pid] == []


def _session(pid: str) -> int | None:
    try:
        return os.getsid(int(pid))
    except ProcessLookupError:
        return None
