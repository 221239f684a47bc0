"""How quick the dashboard is, in a real pseudo-terminal: `python -m tests.bench.tui [RUNS]`.

Prints each figure beside its limit and exits with 1 if one is missed. Latency is from writing the key to the first byte
of the answer; Pilot is not used, its own floor is above the limits.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.engine import engine

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"down": b"\x1b[B", "page down": b"\x1b[6~", "up": b"\x1b[A", "page up": b"\x1b[5~"}
LIMITS_MS = {
    "version": 50.0,
    "first frame": 300.0,
    "verdict": 600.0,
    "key p95": 50.0,
    "quit": 1000.0,
    "cancel": 250.0,
    "open": 1000.0,
}
# As the installed command begins; run elsewhere than here, so that what is installed is what is measured.
COMMAND = ("-c", "from tui.__main__ import program; program()")
FILES = 100_000


class Terminal:
    """A child in a pseudo-terminal of 120x36; `seen` is all it has written."""

    def __init__(self, *command: str, where: Path = ROOT, **environ: str) -> None:
        self.began = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(where)
            names = ("PATH", "HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
            kept = {name: os.environ[name] for name in names if name in os.environ}
            kept |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
            kept["XDG_STATE_HOME"] = "/dev/null/none"  # no run finds what another one chose
            os.execve(sys.executable, [sys.executable, *command], kept | environ)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.seen = b""

    def write(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def read(self, timeout_s: float) -> bytes:
        """What is written within `timeout_s`, as soon as there is anything; b"" for silence or the end."""
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if not ready:
            return b""
        try:
            chunk = os.read(self._fd, 1 << 16)
        except OSError:  # the child has closed its side
            return b""
        self.seen += chunk
        return chunk

    def until(self, text: bytes, timeout_s: float = 20.0) -> float:
        """Milliseconds until `text` is written from now on; TimeoutError."""
        began, start = time.perf_counter(), len(self.seen)
        while text not in self.seen[max(0, start - len(text)) :]:
            if time.perf_counter() - began > timeout_s:
                raise TimeoutError(f"{text!r} did not appear in {timeout_s:g} s")
            self.read(0.05)
        return 1000 * (time.perf_counter() - began)

    def since_exec(self, text: bytes, timeout_s: float = 60.0) -> float:
        """Milliseconds from exec until `text` was there; TimeoutError."""
        while text not in self.seen:
            if time.perf_counter() - self.began > timeout_s:
                raise TimeoutError(f"{text!r} did not appear in {timeout_s:g} s")
            self.read(0.05)
        return 1000 * (time.perf_counter() - self.began)

    def quiet(self, silence_s: float = 0.15) -> None:
        """Wait until nothing was written for `silence_s`."""
        while self.read(silence_s):
            pass

    def cpu_ms(self) -> float:
        """Processor time that the child has taken: tells a slow program from a busy machine."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, timeout_s: float = 10.0) -> tuple[float, int]:
        """Milliseconds until the child is gone, and its exit status."""
        began = time.perf_counter()
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self._fd)
                return 1000 * (time.perf_counter() - began), os.waitstatus_to_exitcode(status)
            if time.perf_counter() - began > timeout_s:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise TimeoutError(f"still running after {timeout_s:g} s")
            self.read(0.005)


@dataclass(frozen=True, slots=True)
class ManyFiles:
    """A directory of very many files: Enter until all are listed, key to repaint from then on; each also in processor
    time of the dashboard, which other processes do not lengthen."""

    opened: float
    opened_cpu: float
    keys: dict[str, tuple[float, ...]]
    key_cpu: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds; `loaded` are the slow modules that were imported when the first screen was drawn."""

    version: tuple[float, ...]
    frame: tuple[float, ...]
    verdict: tuple[float, ...]
    verdict_cpu: tuple[float, ...]
    keys: dict[str, tuple[float, ...]]
    quit: tuple[float, ...]
    cancel: tuple[float, ...]
    loaded: tuple[str, ...]
    files: ManyFiles


def child(mode: str, facts: Path) -> Terminal:
    return Terminal("-m", "tests.bench.tui_child", mode, str(facts))


def quit_while_it_hangs(facts: Path) -> float:
    """`q` to the end of the process while a scan hangs."""
    terminal = child("slow", facts)
    terminal.until(b"99%")
    terminal.quiet()
    terminal.write(b"q")
    gone, status = terminal.end()
    if status != 0:
        raise RuntimeError(f"exit status {status}")
    return gone


def version() -> float:
    """Exec to the end of `ullage --version`."""
    terminal = Terminal(*COMMAND, "--version", where=Path("/"))
    terminal.until(b"ullage ")
    while terminal.read(1.0):
        pass
    took = 1000 * (time.perf_counter() - terminal.began)
    terminal.end()
    return took


def start(root: Path, url: str) -> tuple[float, float, float]:
    """The dashboard of a host whose engine answers at `url`, with a Docker root in `root`: exec to the first frame, to
    how full the disk is, and the processor time until then."""
    words = ("--host", url, "--docker-root", str(root), "--no-journal", "--no-state")
    terminal = Terminal(*COMMAND, *words, where=Path("/"))
    frame = terminal.since_exec(b"Reading the filesystem")
    verdict = terminal.since_exec(b" full")
    cpu = terminal.cpu_ms()
    terminal.quiet()
    terminal.write(b"q")
    terminal.end()
    return frame, verdict, cpu


def starts(runs: int) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Of each run the figures of `start`, by figure."""
    with tempfile.TemporaryDirectory() as root, engine("26.1.5-overlay2") as server:
        found = [start(Path(root), server.url) for _ in range(runs)]
    frames, verdicts, cpus = zip(*found, strict=True)
    return frames, verdicts, cpus


def cancel(facts: Path) -> float:
    """`x` to the words that say so, while a scan hangs."""
    terminal = child("slow", facts)
    terminal.until(b"still reading")
    terminal.quiet()
    terminal.write(b"x")
    took = terminal.until(b"stopped")
    terminal.write(b"q")
    terminal.end()
    return took


def key_latency(facts: Path, count: int) -> dict[str, tuple[float, ...]]:
    """Key to first byte of the repaint, in a list of ten thousand images."""
    terminal = child("huge", facts)
    terminal.until(b"99%")
    terminal.quiet(0.5)
    for keys in (b"\x1b[B", b"2"):
        terminal.write(keys)
        terminal.quiet(0.5)
    if b"10,000" not in terminal.seen:
        raise RuntimeError("the long list is not on screen")
    found = repaints(terminal, count)
    terminal.write(b"q")
    terminal.end()
    return found


def many_files(folder: Path, count: int) -> ManyFiles:
    """Make them, open them, move in them."""
    (folder / "many").mkdir()
    for number in range(FILES):
        os.close(os.open(folder / "many" / f"{number:06}.dat", os.O_CREAT | os.O_WRONLY))
    (folder / "many" / "largest").write_bytes(b"x" * 100_000)
    terminal = child("files", folder / "facts.json")
    terminal.until(b"312.0")
    terminal.write(b"2")
    terminal.until(b"apparent")
    terminal.quiet(0.5)
    begun = terminal.cpu_ms()
    terminal.write(b"\r")
    opened = terminal.until(f"{FILES + 1:,} entries".encode(), 60)
    listed = terminal.cpu_ms()
    terminal.quiet(0.5)
    moved = terminal.cpu_ms()
    keys = repaints(terminal, count)
    key_cpu = (terminal.cpu_ms() - moved) / (count * len(KEYS))
    if b"largest" not in terminal.seen:
        raise RuntimeError("the largest file is not on screen")
    for end in (b"\x1b", b"q"):
        terminal.write(end)
        terminal.quiet(0.3)
    terminal.end()
    return ManyFiles(opened, listed - begun, keys, key_cpu)


def repaints(terminal: Terminal, count: int) -> dict[str, tuple[float, ...]]:
    """Milliseconds from each key to the first byte of what it draws."""
    found = {}
    for name, keys in KEYS.items():
        times = []
        for _ in range(count):
            began = time.perf_counter()
            terminal.write(keys)
            if not terminal.read(2.0):
                raise RuntimeError(f"no answer to {name}")
            times.append(1000 * (time.perf_counter() - began))
            terminal.quiet(0.03)
        found[name] = tuple(times)
    return found


def measure(runs: int = 7) -> Figures:
    """All of it, serially."""
    with tempfile.TemporaryDirectory() as folder:
        facts = Path(folder) / "facts.json"
        quits = tuple(quit_while_it_hangs(facts) for _ in range(runs))
        loaded = tuple(json.loads(facts.read_text()))
        cancels = tuple(cancel(facts) for _ in range(runs))
        keys = key_latency(facts, 40)
        files = many_files(Path(folder), 40)
    versions = tuple(version() for _ in range(runs))
    return Figures(versions, *starts(runs), keys, quits, cancels, loaded, files)


def p95(times: tuple[float, ...]) -> float:
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


def main(runs: int = 7) -> int:
    figures = measure(runs)
    every = tuple(time for times in figures.keys.values() for time in times)
    in_files = tuple(time for times in figures.files.keys.values() for time in times)
    rows = [
        (
            "ullage --version",
            statistics.median(figures.version),
            max(figures.version),
            LIMITS_MS["version"],
        ),
        ("exec to first frame", statistics.median(figures.frame), max(figures.frame), LIMITS_MS["first frame"]),
        ("exec to verdict", statistics.median(figures.verdict), max(figures.verdict), LIMITS_MS["verdict"]),
        ("quit while a scan hangs", statistics.median(figures.quit), max(figures.quit), LIMITS_MS["quit"]),
        ("cancel a scan that hangs", statistics.median(figures.cancel), max(figures.cancel), LIMITS_MS["cancel"]),
        (f"open a directory of {FILES:,}", figures.files.opened, figures.files.opened, LIMITS_MS["open"]),
        (f"key to repaint, {FILES:,} files (p95)", statistics.median(in_files), p95(in_files), LIMITS_MS["key p95"]),
        ("key to repaint, 10,000 rows (p95)", statistics.median(every), p95(every), LIMITS_MS["key p95"]),
    ]
    print(f"{'':<36}{'median':>10}{'worst':>10}{'limit':>10}")
    missed = bool({"docker", "numpy"} & set(figures.loaded))
    for name, middle, worst, limit in rows:
        missed |= worst >= limit
        print(f"{name:<36}{middle:>7.1f} ms{worst:>7.1f} ms{limit:>7.0f} ms{'  MISSED' if worst >= limit else ''}")
    for name, times in figures.keys.items():
        print(f"  {name:<34}{statistics.median(times):>7.1f} ms{p95(times):>7.1f} ms")
    print(f"  processor time until the verdict  {statistics.median(figures.verdict_cpu):>7.1f} ms")
    print(f"imported at the first screen: {', '.join(figures.loaded) or 'neither docker, numpy nor plotext'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
