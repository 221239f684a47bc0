"""Runs with a memory, as a supervisor makes them: `--preflight` against one lab, its journal and vault in a folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.journal.vault import PREFIX, in_a_name
from tests.lab import Lab


def task_of(rule: str) -> str:
    """The name of this host's vault item."""
    return f"{PREFIX}{in_a_name(socket.gethostname())}-{rule}.md"


@dataclass(frozen=True)
class Supervisor:
    """Calls the program for one lab. `folder` takes `journal/` and `vault/`."""

    lab: Lab
    folder: Path

    @property
    def journal(self) -> str:
        """All days of the journal, in order."""
        return "".join(day.read_text() for day in sorted((self.folder / "journal").iterdir()))

    @property
    def tasks(self) -> dict[str, str]:
        """The vault items: name of the file → text."""
        folder = self.folder / "vault"
        return {item.name: item.read_text() for item in sorted(folder.iterdir())} if folder.exists() else {}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One run; any exit status, but no traceback."""
        memory = ["--journal", str(self.folder / "journal"), "--vault", str(self.folder / "vault")]
        command = [sys.executable, "-m", "collectors", "--preflight", "--no-state", "--host", self.lab.host]
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "OPS_"))}
        ended = subprocess.run(
            [*command, *memory, *arguments], capture_output=True, text=True, timeout=120, env=clean, check=False
        )
        assert "Traceback" not in ended.stderr
        return ended

    def page(self, *arguments: str) -> str:
        """The text of one run."""
        return self.run(*arguments).stdout

    def document(self, *arguments: str) -> dict[str, Any]:
        """The JSON document of one run."""
        found: dict[str, Any] = json.loads(self.run("--format", "json", *arguments).stdout)
        return found
