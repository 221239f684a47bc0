"""daemon.json: what bounds growth, and what does not."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.engine.endpoint import Endpoint
from collectors.engine.locality import daemon_config, decode
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import Malformed, this_host

DEFAULT = Endpoint("unix:///var/run/docker.sock", "the default socket", False, None, "")


@pytest.mark.parametrize(
    ("content", "logs", "cache"),
    [
        (b"", False, False),
        (b'{"log-opts": {"max-size": "10m"}}', True, False),
        (b'{"log-driver": "local"}', True, False),
        (b'{"builder": {"gc": {"enabled": true, "defaultKeepStorage": "20GB"}}}', False, True),
        (b'{"builder": {"gc": {"enabled": false, "defaultKeepStorage": "20GB"}}}', False, False),
        (b'{"builder": {"gc": {"enabled": true}}, "log-opts": null}', False, False),
        (b'{"log-driver": []}', False, False),
        (b'{"log-driver": {}, "log-opts": {"max-size": "10m"}}', True, False),
    ],
)
def test_only_a_size_bounds_growth(content: bytes, logs: bool, cache: bool) -> None:
    found = decode("daemon.json", content)
    assert (found.logs_bounded, found.build_cache_bounded) == (logs, cache)


def test_nesting_without_end_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode("daemon.json", b"[" * 100_000)


@given(st.binary(max_size=60))
def test_anything_else_is_refused_not_guessed(content: bytes) -> None:
    with contextlib.suppress(Malformed):
        decode("daemon.json", content)


def test_a_containers_own_etc_says_nothing_of_the_host(tmp_path: Path) -> None:
    if Path("/etc/docker/daemon.json").exists():
        pytest.skip("this machine configures an engine")
    (tmp_path / "self").mkdir()
    host = replace(this_host(), proc=tmp_path)
    (tmp_path / "self" / "mountinfo").write_text("")
    assert isinstance(daemon_config(host, DEFAULT, timeout_s=5), Exact)
    bound = f"30 22 254:1 /docker/containers/{'c' * 64}/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n"
    (tmp_path / "self" / "mountinfo").write_text(bound)
    found = daemon_config(host, DEFAULT, timeout_s=5)
    assert isinstance(found, Unavailable)
    assert found.why is Why.NOT_REACHABLE


def test_the_file_is_that_of_the_daemon_that_listens_at_the_socket(tmp_path: Path) -> None:
    """A user's own engine, here this process: what RootlessKit started is configured in the user's home."""
    process = tmp_path / "proc" / str(os.getpid())
    for name, text in {
        "comm": "dockerd\n",
        "cmdline": "dockerd\0",
        "environ": "ROOTLESSKIT_STATE_DIR=/x\0HOME=/ann",
    }.items():
        (process / name).parent.mkdir(parents=True, exist_ok=True)
        (process / name).write_text(text)
    (tmp_path / "ann/.config/docker").mkdir(parents=True)
    (tmp_path / "ann/.config/docker/daemon.json").write_text('{"log-driver": "local"}')
    host = replace(this_host(), root=tmp_path, proc=tmp_path / "proc")
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listens:
        listens.bind(f"{folder}/docker.sock")
        listens.listen()
        found = daemon_config(host, replace(DEFAULT, url=f"unix://{folder}/docker.sock"), timeout_s=5)
    assert isinstance(found, Exact)
    assert (found.value.path, found.value.logs_bounded) == (f"{tmp_path}/ann/.config/docker/daemon.json", True)
