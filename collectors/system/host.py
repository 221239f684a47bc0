"""The machine under study as one injectable value: every root that is read from, and which boot this is."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from collectors.model.records import dataclass

_READ_ANYTHING = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_ALL_USERS = str((1 << 32) - 1)


@dataclass(frozen=True, slots=True)
class Host:
    """Where things are. Tests hand in folders of captured files; nothing else in `sources` knows an absolute path.

    `root` prefixes paths of the host's own namespace (inside a container with the host bound at /host: /host).
    `state` is where measured figures of immutable layers are kept between runs; None keeps nothing.
    """

    name: str
    root: Path
    proc: Path
    sys: Path
    dev: Path
    docker_root: Path | None  # None: ask the engine
    state: Path | None

    def here(self, path: str) -> Path:
        """A path of the host's namespace as this process can open it."""
        return self.root / path.lstrip("/") if self.root != Path("/") else Path(path)


def this_host(*, docker_root: Path | None = None, state: Path | None = None) -> Host:
    """The machine that this process runs on."""
    return Host(
        name=socket.gethostname(),
        root=Path("/"),
        proc=Path("/proc"),
        sys=Path("/sys"),
        dev=Path("/dev"),
        docker_root=docker_root,
        state=state,
    )


def reads_every_file(proc: Path) -> bool:
    """Whether permissions hide nothing from this process: the capability for that, and over every user of the machine.

    In a user namespace capabilities reach the users that it knows of, and no others. False where neither can be read.
    """
    try:
        held = [line for line in (proc / "self" / "status").read_text().splitlines() if line.startswith("CapEff:")]
        users = [line.split() for line in (proc / "self" / "uid_map").read_text().splitlines()]
        return bool(int(held[0].split()[1], 16) & _READ_ANYTHING) and users == [["0", "0", _ALL_USERS]]
    except (OSError, ValueError, IndexError):
        return False


def boot(host: Host) -> tuple[str | None, float | None]:
    """The kernel's boot id and the seconds since boot, suspended time included; None where it does not tell."""
    try:
        boot_id = (host.proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        boot_id = None
    try:
        uptime_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    except OSError:
        return boot_id, None
    return boot_id, uptime_s
