"""The program as a supervisor calls it, and what must hold of every run whatever the fault: see `Ended.check`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from collectors.report.schema import schema
from collectors.report.text import SECTIONS

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
# From exec to the first statement and from the last to the end; the machine may be busy.
START_S = 3.0
_KEPT = ("PATH", "HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
# What falls back does so here: what runs of this machine's have left in /run is none of ours.
_RUNTIME = tempfile.TemporaryDirectory(prefix="ullage-run-")
_BROKEN = ("Traceback", "a defect of ours", "Exception ignored", "Fatal Python error")


@dataclass(frozen=True)
class Ended:
    """One finished run. `peak_bytes` is its largest resident set, as seen every hundredth of a second."""

    status: int
    stdout: str
    stderr: str
    took_s: float
    peak_bytes: int

    @cached_property
    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    def rows(self) -> dict[str, dict[str, Any]]:
        """The ledger by category."""
        return {row["category"]: row for row in self.document["ledger"]}

    def coverage(self, source: str) -> dict[str, Any]:
        """The line of one source."""
        found: dict[str, Any] = next(line for line in self.document["coverage"] if line["source"] == source)
        return found

    def check(self) -> Ended:
        """A status of the table, no defect on stderr, and a report that is whole and whose books close."""
        assert self.status in (0, 1, 2, 3), (self.status, self.stderr)
        assert not [word for word in _BROKEN if word in self.stderr], self.stderr
        if self.stdout.startswith("{"):
            _check_document(self)
        elif self.stdout.startswith("## Docker Storage\n"):
            assert tuple(line[3:] for line in self.stdout.split("\n") if line.startswith("## ")) == SECTIONS
        return self


def _check_document(ended: Ended) -> None:
    document = ended.document
    Draft202012Validator(schema()).validate(document)
    assert document["exit_status"] == ended.status
    assert not any("defect" in (line["reason"] or "") for line in document["coverage"]), document["coverage"]
    for books in (document, *document["other_filesystems"]):
        used = books["filesystem"]["used_bytes"]
        if used is not None:
            assert sum(row["bytes"] or 0 for row in books["ledger"]) == used


@dataclass
class Started:
    """A run that goes on; its streams go to files, so that it never waits for its reader."""

    process: subprocess.Popen[bytes]
    out: Any
    err: Any
    began: float

    def end(self, timeout_s: float) -> Ended:
        """Wait for it; longer than `timeout_s` is a failure, and then it is killed."""
        peak_bytes = 0
        while True:
            # Not wait4's own figure: that counts what was ours between fork and exec.
            peak_bytes = max(peak_bytes, _peak_bytes(self.process.pid))
            pid, status = os.waitpid(self.process.pid, os.WNOHANG)
            took_s = time.monotonic() - self.began
            if pid:
                break
            if took_s > timeout_s:
                self.kill()  # not waited for: what hangs in the kernel is not reaped until its mount is gone
                raise TimeoutError(f"still running after {timeout_s:g} s")
            time.sleep(0.01)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        said = self._read(self.out), self._read(self.err)
        return Ended(self.process.returncode, said[0], said[1], took_s, peak_bytes)

    def kill(self) -> None:
        """SIGKILL. Not Popen's own: that would take the status which `end` waits for."""
        os.kill(self.process.pid, signal.SIGKILL)

    @staticmethod
    def _read(file: Any) -> str:
        if isinstance(file, int):
            return ""
        with file:
            file.seek(0)
            return bytes(file.read()).decode()


def start(
    *arguments: str | Path,
    module: str = "collectors",
    program: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    user: int | None = None,
    stdout: int | None = None,
    close: Sequence[int] = (),
) -> Started:
    """Start it with a clean environment. `user` takes root's rights away; `stdout` replaces ours; `close` closes."""
    clean = {key: os.environ[key] for key in _KEPT if key in os.environ}
    clean |= {"PYTHONUTF8": "1", "XDG_RUNTIME_DIR": _RUNTIME.name}
    out: Any = tempfile.TemporaryFile() if stdout is None else stdout  # noqa: SIM115 - `end` closes them
    err: Any = tempfile.TemporaryFile()  # noqa: SIM115
    interpreter, libraries = (sys.executable, {}) if user is None else anybodys_python()
    command = [interpreter, *(program or ("-m", module)), *map(str, arguments)]
    if close:
        streams = " ".join(f"{number}>&-" for number in close)
        command = ["/bin/sh", "-c", f'exec "$@" {streams}', "sh", *command]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**clean, **libraries, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        user=user,
        group=user,
        extra_groups=None if user is None else (),
        preexec_fn=_ordinary_signals,
    )
    return Started(process, out, err, time.monotonic())


def _peak_bytes(pid: int) -> int:
    """The largest resident set of what a process is now; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")), 0)


def anybodys_python() -> tuple[str, dict[str, str]]:
    """This interpreter if others may start it, else the system's, which must be of the same version."""
    ours = Path(sys.executable).resolve()
    if all(folder.stat().st_mode & 0o001 for folder in (ours, *ours.parents)):
        return sys.executable, {}
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return f"/usr/bin/{name}", {"PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONDONTWRITEBYTECODE": "1"}


def _ordinary_signals() -> None:
    # A supervisor's child has SIGPIPE as Python's parent left it: ignored in both cases. HUP and INT may differ.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def preflight(*arguments: str | Path, deadline_s: float = 20.0, text: bool = False, **how: Any) -> Ended:
    """`--preflight` without state and, unless `--journal` is given, without journal; checked, and ended in time."""
    words = ["--preflight", "--no-state", "--deadline", f"{deadline_s:g}"]
    if "--journal" not in arguments:
        words.append("--no-journal")
    if not text and "--format" not in arguments:
        words += ["--format", "json"]
    return start(*words, *arguments, **how).end(deadline_s + START_S).check()


def nobody_can_run() -> bool:
    """May the user nobody read the interpreter, its packages and this checkout? Not below a folder that is closed."""
    places = [Path(sys.prefix), Path(__file__)]
    return all(above.stat().st_mode & 0o001 for place in places for above in place.resolve().parents)
