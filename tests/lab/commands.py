"""Runs the host's commands for the lab, and says what went wrong in their own words.

Refuses to go through a shell, and to let a failure pass: a mess that only half happened would make a false truth.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

# Tools of administration lie outside an ordinary user's PATH, and some CI images keep it so for root too.
_TOOL_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


class CommandFailed(RuntimeError):
    """A command ended with a status other than 0. The message holds the command and what it wrote to stderr."""

    def __init__(self, argv: tuple[str, ...], returncode: int, stderr: str) -> None:
        super().__init__(f"{' '.join(argv)} ended with status {returncode}: {stderr.strip()}")
        self.argv = argv
        self.returncode = returncode
        self.stderr = stderr


def tool(name: str) -> str | None:
    """Where a tool is on this machine, `None` if it is not installed."""
    return shutil.which(name, path=_TOOL_PATH)


def run(
    *argv: str | Path,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = 300,
) -> str:
    """Run one command and give back its stdout, decoded and otherwise as it came.

    `environment` is added to this process's own. Raises `CommandFailed`, and `subprocess.TimeoutExpired`.
    """
    words = tuple(str(word) for word in argv)
    done = subprocess.run(
        (tool(words[0]) or words[0], *words[1:]),
        input=stdin,
        # Never this process's own stdin: an engine's client that waits on a terminal would hang a test run.
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C", **(environment or {})},
        cwd=cwd,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode != 0:
        raise CommandFailed(words, done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="surrogateescape")
