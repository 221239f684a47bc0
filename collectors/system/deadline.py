"""The boundary between the machine and the model: a deadline and every exception become a reason.

`Host` is the machine under study as one injectable value: every root that is read from, and which boot this is.
A thread that hangs in a system call cannot be killed. It is remembered under its source's name, and that source is not
asked again until it returns, so that a hung mount costs one thread for the life of the process, never one a run.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from collectors.model import dataclass
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why

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


def process_numbers(proc: Path) -> list[int]:
    """Every process that `proc` shows. Raises OSError."""
    return sorted(int(name) for name in os.listdir(proc) if name.isdecimal())  # noqa: PTH208 - names, not paths


def processes_named(proc: Path, names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(number, name) of the processes that bear one of `names`; none where processes are not to be seen.

    A machine may have thousands of others, so each is asked with three system calls and nothing around them.
    """
    wanted = {os.fsencode(name): name for name in names}
    try:
        numbers = process_numbers(proc)
    except OSError:
        return
    for pid in numbers:
        try:
            fd = os.open(f"{proc}/{pid}/comm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # ended meanwhile
            continue
        try:
            name = wanted.get(os.read(fd, _NAME_BYTES).rstrip(b"\n"))
        except OSError:
            continue
        finally:
            os.close(fd)
        if name is not None:
            yield pid, name


def arguments(process: Path) -> list[str]:
    """Those of its command line, by its folder in /proc. Raises OSError where it has ended."""
    return (process / "cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")[1:]


def sees_all_processes(proc: Path) -> bool:
    """Whether these are the machine's, not only those of a container."""
    try:
        return (proc / str(_KERNEL_THREADS) / "comm").read_bytes() == b"kthreadd\n"
    except OSError:
        return False


_KERNEL_THREADS = 2  # the process that is every kernel's second, in the outermost namespace only
_NAME_BYTES = 64  # the kernel keeps 15 of a process, more of its own threads


@dataclass(frozen=True, slots=True)
class DockerPlaces:
    """Where a dockerd that was told nothing keeps its data, reads its configuration and listens."""

    root: str
    config: str
    socket: str


OF_THE_MACHINE = DockerPlaces("/var/lib/docker", "/etc/docker/daemon.json", "/var/run/docker.sock")


def docker_places(process: Path) -> DockerPlaces:
    """Those of a dockerd, by its folder in /proc: one that RootlessKit started is a user's own, and lives in the home.

    One whose environment cannot be read is taken for the machine's.
    """
    try:
        words = (process / "environ").read_bytes().decode("utf-8", "surrogateescape").split("\0")
    except OSError:
        return OF_THE_MACHINE
    told = dict(word.partition("=")[::2] for word in words)
    if "ROOTLESSKIT_STATE_DIR" not in told:
        return OF_THE_MACHINE
    home = told.get("HOME", "")
    data, config = (told.get(name) or f"{home}/{below}" for name, below in _OF_A_HOME.items())
    run = told.get("XDG_RUNTIME_DIR", "")
    return DockerPlaces(f"{data}/docker", f"{config}/docker/daemon.json", f"{run}/docker.sock")


_OF_A_HOME = {"XDG_DATA_HOME": ".local/share", "XDG_CONFIG_HOME": ".config"}


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


T = TypeVar("T")

_WHY = {
    errno.EACCES: Why.NOT_PERMITTED,
    errno.EPERM: Why.NOT_PERMITTED,
    errno.ENOENT: Why.NOT_REACHABLE,
    errno.ENOTDIR: Why.NOT_REACHABLE,
    errno.ECONNREFUSED: Why.NOT_REACHABLE,
    errno.ENOTTY: Why.NOT_APPLICABLE,
    errno.EOPNOTSUPP: Why.NOT_APPLICABLE,
    errno.ENOSYS: Why.NOT_APPLICABLE,
    errno.ETIMEDOUT: Why.TIMED_OUT,
}

_stuck: dict[str, threading.Thread] = {}
_stuck_lock = threading.Lock()


class Clock:
    """One deadline, shared by all that is read for one purpose."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self, *, at_most: float | None = None, keep: float = 0.0) -> float:
        """Seconds left, less `keep` for those that come after; never negative."""
        seconds = max(0.0, self._ends - time.monotonic() - keep)
        return seconds if at_most is None else min(seconds, at_most)


class Malformed(ValueError):
    """A decoder got bytes that are not what they should be."""


class Declined(Exception):
    """A source knows itself why it has no answer."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail


def read(source: str, call: str, work: Callable[[], T], *, timeout_s: float) -> Reading[T]:
    """Run `work` in a thread of its own, for at most `timeout_s` seconds. Never raises."""
    began = time.monotonic()

    def origin() -> Origin:
        return Origin(source, call, datetime.now(UTC), time.monotonic() - began)

    def missing(why: Why, detail: str) -> Unavailable:
        return Unavailable(why, detail, origin())

    key = f"{source} {call}"
    with _stuck_lock:
        before = _stuck.get(key)
        if before is not None and before.is_alive():
            return missing(Why.TIMED_OUT, "an earlier attempt still hangs; not asked again")
        _stuck.pop(key, None)
    if timeout_s <= 0:
        return missing(Why.TIMED_OUT, "no time was left for it")

    answer: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            answer.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which names it
            failure.append(error)

    thread = threading.Thread(target=run, name=f"read {key}", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        with _stuck_lock:
            _stuck[key] = thread
        return missing(Why.TIMED_OUT, f"no answer in {timeout_s:.3g} s")
    if answer:
        return Exact(answer[0], origin())
    why, detail = reason(failure[0])
    return missing(why, detail)


def attempt(source: str, call: str, work: Callable[[], T]) -> Reading[T]:
    """What `work` returns, or why it raised. Never raises; lasts as long as `work` does."""
    began = time.monotonic()
    try:
        value = work()
    except Exception as error:  # noqa: BLE001 - the boundary: `reason` names it, and calls our own faults DEFECT
        why, detail = reason(error)
        return Unavailable(why, detail, Origin(source, call, datetime.now(UTC), time.monotonic() - began))
    return Exact(value, Origin(source, call, datetime.now(UTC), time.monotonic() - began))


def missing(why: Why, detail: str, source: str, call: str) -> Unavailable:
    """A reason that is known without asking."""
    return Unavailable(why, detail, Origin(source, call, datetime.now(UTC), 0.0))


def reason(error: BaseException) -> tuple[Why, str]:
    """An exception in the words of a reading."""
    match error:
        case Declined():
            return error.why, error.detail
        case TimeoutError():  # before OSError: it is one
            return Why.TIMED_OUT, str(error) or "timed out"
        case OSError():
            where = f": {error.filename}" if error.filename else ""
            return _WHY.get(error.errno or 0, Why.FAILED), f"{error.strerror or error}{where}"
        case ValueError():  # Malformed, UnicodeDecodeError, json.JSONDecodeError
            return Why.MALFORMED, str(error)
        case _:
            return Why.DEFECT, repr(error)
