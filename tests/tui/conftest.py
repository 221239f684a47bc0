"""Every screen is drawn in the same surroundings: no variable of whoever runs the tests reaches a drawing."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if not name.startswith("TEXTUAL_SNAPSHOT") and name.startswith(
            ("TEXTUAL", "NO_COLOR", "COLORTERM", "FORCE_COLOR", "CLICOLOR")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm-256color")
