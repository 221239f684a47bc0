"""Engines behind ssh, through the SDK's paramiko (the extra `ssh`)."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from collectors.engine import endpoint, view
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import this_host
from tests.fakes.asking import ask
from tests.fakes.engine import engine
from tests.fakes.server import Drip, Mute

pytest.importorskip("paramiko", reason="ssh:// is an extra: pip install 'ullage[ssh]'")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


def look(url: str, deadline_s: float) -> Any:
    began = time.monotonic()
    seen = view(endpoint(url, {}, Path("/nowhere")), this_host(), deadline_s=deadline_s)
    assert time.monotonic() - began < deadline_s + 1
    return seen


def test_an_engine_behind_ssh_answers_like_any_other(home: Path) -> None:
    from tests.fakes.ssh import ssh_server

    with engine("26.1.5-overlay2") as server, ssh_server(server.path, home) as url:
        seen = look(url, 10)
    assert isinstance(seen.images, Exact), seen.images
    assert len(seen.images.value) == 6
    assert isinstance(seen.containers, Exact)
    assert all(isinstance(item.log_driver, Exact) for item in seen.containers.value)


@pytest.mark.parametrize("action", [Mute(), Drip(every_s=0.02)])
def test_an_engine_behind_ssh_has_no_more_time_than_one_here(home: Path, action: Any) -> None:
    from tests.fakes.ssh import ssh_server

    with engine("26.1.5-overlay2", {"*": action}) as server, ssh_server(server.path, home) as url:
        seen = look(url, 1)
        left = ask(url, deadline_s=0.8, runs=5)
    assert left.after == left.before
    assert isinstance(seen.engine, Unavailable)
    assert seen.engine.why is Why.TIMED_OUT


def test_an_ssh_server_that_says_nothing_costs_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        seen = look(f"ssh://me@127.0.0.1:{deaf.getsockname()[1]}", 0.5)
    assert isinstance(seen.engine, Unavailable)
    assert seen.engine.why is Why.TIMED_OUT


def test_an_unknown_host_key_is_refused_and_said(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tests.fakes.ssh import ssh_server

    with engine("26.1.5-overlay2") as server, ssh_server(server.path, home) as url:
        (home / ".ssh/known_hosts").write_text("")
        seen = look(url, 5)
    assert isinstance(seen.engine, Unavailable)
    assert seen.engine.why is Why.FAILED
    assert "known_hosts" in seen.engine.detail
    assert capfd.readouterr().err == ""
