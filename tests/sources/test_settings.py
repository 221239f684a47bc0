"""daemon.json: what bounds growth, and what does not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.sources.bounded import Malformed
from collectors.sources.settings import decode


@pytest.mark.parametrize(
    ("content", "logs", "cache"),
    [
        (b"", False, False),
        (b'{"log-opts": {"max-size": "10m"}}', True, False),
        (b'{"log-driver": "local"}', True, False),
        (b'{"builder": {"gc": {"enabled": true, "defaultKeepStorage": "20GB"}}}', False, True),
        (b'{"builder": {"gc": {"enabled": false, "defaultKeepStorage": "20GB"}}}', False, False),
        (b'{"builder": {"gc": {"enabled": true}}, "log-opts": null}', False, False),
    ],
)
def test_only_a_size_bounds_growth(content: bytes, logs: bool, cache: bool) -> None:
    found = decode("daemon.json", content)
    assert (found.logs_bounded, found.build_cache_bounded) == (logs, cache)


@given(st.binary(max_size=60))
def test_anything_else_is_refused_not_guessed(content: bytes) -> None:
    with contextlib.suppress(Malformed):
        decode("daemon.json", content)
