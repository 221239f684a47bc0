"""One private dockerd: started, stopped, killed, frozen.

It listens on a socket in the lab's folder, keeps its data on the lab's filesystem and runs a containerd of its own;
no bridge, no iptables rule, nothing of another engine is touched. Refuses to call itself up before it answers.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import engines, state
from tests.lab.processes import Process, spawn
from tests.lab.teardown import cgroup_name


class EngineFailed(RuntimeError):
    """The engine did not come up or did not stop; the message ends with the last lines of its log."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP to the socket at `path`; each wait lasts `timeout_s` at most."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get(path: Path, what: str, timeout_s: float = 60) -> Any:
    """One GET on an engine's socket, its JSON (or text) as it came. Raises OSError, `http.client.HTTPException`."""
    connection = UnixConnection(path, timeout_s)
    try:
        connection.request("GET", what)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(f"GET {what}: {answer.status} {body[:200]!r}")
        return json.loads(body) if "json" in answer.headers.get("Content-Type", "") else body.decode()
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine of a lab keeps things. `base` is the lab's folder, `data_root` lies on its filesystem.

    Of a second engine `base` is a folder in that of the `lab`. Of a user's engine `data_root` is the user's home.
    """

    base: Path
    data_root: Path
    lab: Path | None = None

    @property
    def socket(self) -> Path:
        """The API's socket."""
        return self.base / "docker.sock"

    @property
    def exec_root(self) -> Path:
        """Run-time state of dockerd and its containerd."""
        return self.base / "exec"

    @property
    def pidfile(self) -> Path:
        """Where the engine writes its pid."""
        return self.base / "docker.pid"

    @property
    def log(self) -> Path:
        """What the engine said."""
        return self.base / "engine.log"


class Engine:
    """The engine of one lab. `version` is a name of `tests.lab.engines`, `driver` one of `engines.DRIVERS`."""

    def __init__(self, place: Place, record: state.Record, version: str, driver: str) -> None:
        self.place = place
        self.record = record
        self._argv = engines.command(version, driver, place, cgroup_name(record.id))
        self.process: Process | None = None

    def start(self, timeout_s: float = 60) -> None:
        """Start it and wait until it answers. Raises `EngineFailed`."""
        if self.process is not None and self.process.alive():
            return
        self.place.pidfile.unlink(missing_ok=True)
        # From its first line to the engine's last it is one process: all that leads into another root is exec.
        self.process = spawn(self._argv, self.place.log)
        self.record = self.record.with_started(self.process)
        end = time.monotonic() + timeout_s
        while not self.answers():
            if self.process.wait(0) or time.monotonic() > end:
                raise EngineFailed(f"no answer on {self.place.socket}\n{self._last_words()}")
            time.sleep(0.03)

    def answers(self) -> bool:
        """Whether the engine answers a ping within 2 s."""
        try:
            return bool(get(self.place.socket, "/_ping", 2) == "OK")
        except (OSError, http.client.HTTPException):
            return False

    def stop(self, timeout_s: float = 60) -> None:
        """Stop it in good order (SIGTERM): running containers are stopped. Raises `EngineFailed`."""
        self._signal(signal.SIGTERM)
        self._gone(timeout_s)

    def kill(self, timeout_s: float = 20) -> None:
        """SIGKILL: no chance to put anything in order. Containers go on; the next start ends them.

        containerd dies with its engine. An engine that starts while even its exit status is left takes it for alive
        and waits for it in vain.
        """
        pidfile = self.place.exec_root / "containerd" / "containerd.pid"
        containerd = Path("/proc") / pidfile.read_text().strip() if pidfile.exists() else None
        self._signal(signal.SIGKILL)
        self._gone(timeout_s)
        end = time.monotonic() + timeout_s
        while containerd is not None and containerd.exists() and time.monotonic() < end:
            time.sleep(0.02)

    def freeze(self) -> None:
        """SIGSTOP: connections are still accepted, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send(number)

    def _gone(self, timeout_s: float) -> None:
        if self.process is not None and not self.process.wait(timeout_s):
            raise EngineFailed(f"still running after {timeout_s:g} s\n{self._last_words()}")
        self.process = None

    def _last_words(self) -> str:
        text = self.place.log.read_text(errors="replace") if self.place.log.exists() else ""
        return os.linesep.join(text.splitlines()[-15:])
