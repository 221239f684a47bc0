"""daemon.json: what bounds growth, and what does not."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.engine.locality import daemon_config, decode
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import Malformed, this_host


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
    assert isinstance(daemon_config(host, timeout_s=5), Exact)
    bound = f"30 22 254:1 /docker/containers/{'c' * 64}/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n"
    (tmp_path / "self" / "mountinfo").write_text(bound)
    found = daemon_config(host, timeout_s=5)
    assert isinstance(found, Unavailable)
    assert found.why is Why.NOT_REACHABLE
