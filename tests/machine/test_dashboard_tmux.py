"""The dashboard as a person drives it: in tmux, on a real engine, from a full disk to a freed one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from collectors.system.deadline import this_host
from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.messes.leak import plant
from tests.lab.require import require_machine
from tests.longrun.watch import children

pytestmark = pytest.mark.machine

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
_SIZE = "#{window_width}x#{window_height}"
AGES = ("build_cache", "cache_mount", "dangling", "image", "container")


class Tmux:
    """One window of 120x36 on a server of its own."""

    def __init__(self, base: Path, *words: str) -> None:
        self._server = ("tmux", "-u", "-S", str(base / "tmux"))
        environ = {**os.environ, "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
        for name in ("TMUX", "COLUMNS", "LINES"):
            environ.pop(name, None)
        shape = ("new-session", "-d", "-x", "120", "-y", "36", "-c", str(ROOT))
        subprocess.run((*self._server, "-f", "/dev/null", *shape, *words), check=True, env=environ)
        subprocess.run((*self._server, "resize-window", "-x", "120", "-y", "36"), check=True)

    def screen(self) -> str:
        """What is on it; "" once the program has ended."""
        shot = subprocess.run((*self._server, "capture-pane", "-p"), capture_output=True, text=True, check=False)
        return shot.stdout

    def press(self, *keys: str) -> None:
        subprocess.run((*self._server, "send-keys", *keys), check=True)

    def until(self, seen: str | Callable[[str], bool], seconds: float = 60.0) -> str:
        """The screen as soon as it holds `seen`."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            screen = self.screen()
            if seen in screen if isinstance(seen, str) else seen(screen):
                return screen
            time.sleep(0.1)
        size = subprocess.run((*self._server, "display", "-p", _SIZE), capture_output=True, text=True, check=False)
        raise AssertionError(f"not seen in {seconds:g} s: {seen}\n{size.stdout}{self.screen()}")

    def step_to(self, key: str, wanted: str, most: int = 20) -> str:
        """Press `key` until the screen holds `wanted`."""
        for _ in range(most):
            screen = self.screen()
            if wanted in screen:
                return screen
            self.press(key)
            time.sleep(0.3)
        raise AssertionError(f"{wanted} is not reached with {key}\n{self.screen()}")

    def resize(self, width: int, height: int) -> None:
        subprocess.run((*self._server, "resize-window", "-x", str(width), "-y", str(height)), check=True)

    @property
    def pid(self) -> int:
        """Of the program in the window."""
        shown = subprocess.run(
            (*self._server, "display", "-p", "#{pane_pid}"), capture_output=True, text=True, check=True
        )
        return int(shown.stdout)

    def close(self) -> None:
        subprocess.run((*self._server, "kill-server"), check=False, capture_output=True)


@pytest.fixture
def lab() -> Iterator[Lab]:
    require_machine()
    if shutil.which("tmux") is None:
        pytest.fail("package: tmux")
    with Lab.up(driver="btrfs", mess="everyday", size_mib=1024) as lab:
        yield lab


@pytest.fixture(scope="module")
def busy() -> Iterator[Lab]:
    """With a file of 300 MiB beside Docker, and 200 MiB deep in a volume."""
    require_machine()
    with Lab.up(driver="overlay2", mess="everyday", size_mib=1536) as lab:
        (lab.mount / "backup").write_bytes(os.urandom(300 * MIB))
        culprit = lab.docker_root / "volumes" / "shop-data" / "_data" / "var" / "lib" / "queue" / "stuck.bin"
        culprit.parent.mkdir(parents=True)
        culprit.write_bytes(os.urandom(330 * MIB))
        run("sync", "-f", lab.mount)
        yield lab


def used_bytes(lab: Lab) -> int:
    run("btrfs", "filesystem", "sync", lab.mount)
    room = os.statvfs(lab.mount)
    return (room.f_blocks - room.f_bfree) * room.f_frsize


def used_on_screen(screen: str) -> float:
    """MiB, as the category table sums them up; no number while that is not on screen."""
    found = re.search(r"used ([\d.]+) MiB", screen)
    return float("nan") if found is None else float(found[1])


def test_from_the_orphans_through_the_plan_to_a_disk_that_is_freed(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[thresholds]\ngrace_s = 1\n[keep]\n" + "".join(f"{age}_age_s = 0\n" for age in AGES))
    planted = [plant(lab, os.urandom(32).hex(), size) for size in (60 * MIB, 25 * MIB)]
    time.sleep(1.5)  # past the period of grace
    before = used_bytes(lab)
    words = (sys.executable, "-m", "tui", "--host", lab.host, "--config", str(config))
    own = ("--journal", str(tmp_path / "journal"), "--state", str(tmp_path / "state"))
    tmux = Tmux(tmp_path, *words, *own)
    try:
        # Open: the verdict, and what is used is what the filesystem says.
        tmux.until(lambda screen: "● LIVE" in screen and abs(used_on_screen(screen) - before / MIB) <= 0.2)

        # The orphans, and why they are some.
        tmux.step_to("Down", f"Orphaned layers: {len(planted)}")
        tmux.press("Enter")
        screen = tmux.until("none refers to it")
        assert planted[0].name[:12] in screen, screen

        # The plan: take the orphans in, look what would happen.
        tmux.press("p")
        tmux.until("Space include")
        tmux.step_to("Down", "─ Remove orphaned layers")
        tmux.press("Space")
        tmux.until(lambda screen: "[x] Remove orphaned layers" in screen)
        tmux.press("d")
        tmux.until("each checked again")
        assert used_bytes(lab) == before, "a dry run changes nothing"

        # Apply: a wrong name runs nothing, the right one does.
        tmux.press("a")
        tmux.until("Type the host's name")
        tmux.press("-l", "somewhere-else")
        tmux.press("Enter")
        time.sleep(1)
        assert "Type the host's name" in tmux.screen()
        tmux.press("C-u")
        tmux.press("-l", this_host().name)
        tmux.press("Enter")
        tmux.until("all done", 120)

        # The bar has fallen to what the filesystem says now.
        tmux.press("1")
        after = used_bytes(lab)
        tmux.until(lambda screen: "● LIVE" in screen and abs(used_on_screen(screen) - used_bytes(lab) / MIB) <= 0.2)
        assert before - after >= 85 * MIB
        assert not any(path.exists() for path in planted)

        # Leave.
        tmux.press("q")
        tmux.until(lambda screen: not screen.strip(), 10)
    finally:
        tmux.close()


_WRITES = "exec > /tmp/f; i=0; while [ $i -lt 200 ]; do head -c 2097152 /dev/zero; i=$((i+1)); sleep 0.097; done"


def within(seconds: float) -> float:
    """So long on a machine that has nothing else to do; longer where several compete for each processor."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def left_mib(screen: str) -> float:
    """What is left, as the first line under the tabs says; no number while it says none."""
    found = re.search(r"([\d.]+) (MiB|GiB) left", screen)
    return float("nan") if found is None else float(found[1]) * (1024 if found[2] == "GiB" else 1)


# Key, and what is on screen once it has done its work: every view, and all that lies over one.
VIEWS = (
    ("2", "by exclusive"),
    ("3", "Space plays"),
    ("4", "to be freed"),
    ("5", "What rebuilding costs"),
    ("6", "compared with"),
)
OVER = (("?", "keys and signs"), ("c", "─ Sources"), ("/", "any part of a name"), ("C-p", "Search for commands"))
FIRST = "Reclaim"  # at the head of its table


def walk(tmux: Tmux) -> None:
    """Open every view by its key, and leave it with Esc; the same with what lies over a view."""
    for key, seen in VIEWS:
        tmux.press(key)
        tmux.until(seen, within(5))
        tmux.press("Escape")
        tmux.until(_at_first, within(5))
    for key, seen in OVER:
        tmux.press(key)
        tmux.until(seen, within(5))
        tmux.press("Escape")
        tmux.until(partial(_is_closed, seen), within(5))


def _at_first(screen: str) -> bool:
    return FIRST in screen


def _is_closed(what: str, screen: str) -> bool:
    return what not in screen and _at_first(screen)


def open_files(tmux: Tmux) -> None:
    """Into the largest thing of the largest category, and out again, one at a time."""
    tmux.press("Enter")
    tmux.until("by exclusive", within(5))
    tmux.press("Enter")
    tmux.until(" entr", within(5))  # entry, entries
    tmux.press("Escape")
    tmux.until("by exclusive", within(5))
    tmux.press("Escape")
    tmux.until(_at_first, within(5))


def test_every_view_opens_by_its_key_and_esc_closes_one_thing_at_every_size(busy: Lab, tmp_path: Path) -> None:
    """And the culprit's file is on screen after one key, in its folder after three."""
    words = (sys.executable, "-m", "tui", "--host", busy.host, "--no-journal", "--no-state", "--read-only")
    tmux = Tmux(tmp_path, *words)
    try:
        tmux.until(lambda screen: "● LIVE" in screen and "shop-data" in screen)
        for width, height in ((80, 24), (200, 50), (120, 36)):
            tmux.resize(width, height)
            tmux.until(_at_first)
            walk(tmux)
            time.sleep(0.5)  # until the focus is back: faster than any hand, a key was lost on an idle machine
            tmux.press("Enter")
            tmux.until("var/lib/queue/stuck.bin", within(5))
            tmux.press("Escape")
            tmux.until(_at_first, within(5))
            open_files(tmux)
        held = _held(tmux.pid)
        for _ in range(6):
            walk(tmux)
            open_files(tmux)
            tmux.press("r")
            tmux.until("● LIVE", within(10))
        _settled(tmux.pid, held)
        began, spent = time.monotonic(), _cpu_s(tmux.pid)
        time.sleep(20)
        assert (_cpu_s(tmux.pid) - spent) / (time.monotonic() - began) < 0.02
        tmux.press("q")
        tmux.until(lambda screen: not screen.strip(), 10)
    finally:
        tmux.close()


def _held(pid: int) -> tuple[int, int, int]:
    """Threads, children, descriptors."""
    return (
        len(os.listdir(f"/proc/{pid}/task")),
        len(children(pid)),
        len(os.listdir(f"/proc/{pid}/fd")),
    )


def _settled(pid: int, before: tuple[int, int, int]) -> None:
    """No thread, child or descriptor more than before, once what is on its way out is gone."""
    ends, now = time.monotonic() + 15, _held(pid)
    while time.monotonic() < ends and any(more > had for more, had in zip(now, before, strict=True)):
        time.sleep(0.2)
        now = _held(pid)
    assert all(more <= had for more, had in zip(now, before, strict=True)), (before, now)


def _cpu_s(pid: int) -> float:
    """Of the program and of its children, those that are gone too."""
    spent = 0
    for one in (pid, *children(pid)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        spent += sum(int(field) for field in fields[11:15])
    return spent / os.sysconf("SC_CLK_TCK")


def test_what_goes_on_between_scans_is_seen_as_it_happens(busy: Lab, tmp_path: Path) -> None:
    """Who writes within 3 s and how fast; a disk that somebody frees within 3 s, and what was freed within 10 s."""
    words = (sys.executable, "-m", "tui", "--host", busy.host, "--journal", str(tmp_path / "j"), "--no-state")
    tmux = Tmux(tmp_path, *words)
    try:
        tmux.until(lambda screen: "● LIVE" in screen and "backup" not in screen.split("\n")[0])
        time.sleep(4)
        busy.docker("exec", "-d", "web-1", "sh", "-c", _WRITES)
        screen = tmux.until("web-1 writes", within(3.5))
        pace = re.search(r"web-1 writes ([\d.]+) MiB/s", tmux.until(_has_pace, within(2.0)))
        assert pace is not None, screen
        assert 16 <= float(pace[1]) <= 24
        tmux.press("6")
        tmux.until("web-1:/tmp", within(5))
        tmux.press("1")
        tmux.until(lambda screen: "writes" not in screen, within(40))

        (busy.mount / "backup").unlink()
        room = os.statvfs(busy.mount)
        free_mib = room.f_bavail * room.f_frsize / MIB
        tmux.until(lambda screen: abs(left_mib(screen) - free_mib) < 4, within(3.5))
        used_mib = (room.f_blocks - room.f_bfree) * room.f_frsize / MIB
        tmux.until(lambda screen: abs(used_on_screen(screen) - used_mib) < 4, within(10))
        assert len(list((tmp_path / "j").iterdir())) == 1, "its own scans are in the journal"
    finally:
        tmux.close()


def _has_pace(screen: str) -> bool:
    found = re.search(r"web-1 writes ([\d.]+) MiB/s", screen)
    return found is not None and 16 <= float(found[1]) <= 24
