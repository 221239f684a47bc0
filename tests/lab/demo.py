"""Records the incident that `ullage --demo` replays: a real engine on a real btrfs, filling up over half a day.

`python -m tests.lab.demo OUT.jsonl.gz` plays it and records a report after each act. The bytes, the engine, the leak
and the reclaim are real. Only the clock is not: each run of ullage takes it for 20 minutes later, as a
supervisor would have run it, because nobody wants to wait half a day.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.messes import leak
from tests.lab.messes._write import MIB, hold, random_file

FRAMES = 40
STEP_MINUTES = 20
CONFIG = """\
[keep]
dangling_age_s = 3600
build_cache_age_s = 7200
container_age_s = 7200
image_age_s = 14400
log_bytes = 67108864
"""
AGES = ("build_cache", "cache_mount", "dangling", "image", "container")
_DOCKERFILE = "FROM base:1\nCOPY . /app\nRUN cat /app/version > /built && head -c {} /dev/urandom > /dependencies\n"


_HELD = f"exec 3>held; head -c {90 * MIB} /dev/urandom >&3; rm held; exec sleep 9999"


class Story:
    """What happens between two looks; each act is a real one on the lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def act(self, frame: int) -> None:
        lab = self.lab
        self._log(9 * MIB if frame < 26 else 14 * MIB)
        acts: dict[int, Callable[[], object]] = {
            8: lambda: self._snapshot("nightly-1"),
            14: self._crash,
            18: lambda: random_file(lab.mount / "srv/export.tar", 120 * MIB),
            20: lambda: self._snapshot("nightly-2"),
            21: lambda: (lab.mount / "srv/export.tar").unlink(),
            24: lambda: hold(lab, _HELD, lab.mount),
            30: lambda: leak.plant(lab, os.urandom(32).hex(), 160 * MIB),
        }
        if frame in acts:
            acts[frame]()
        if frame % 3 == 1 and frame >= 4:
            self._rebuild(frame)
        run("btrfs", "filesystem", "sync", lab.mount)

    def _crash(self) -> None:
        """The engine is killed in the middle of a commit; what was running is started again."""
        leak.make(self.lab)
        self.lab.docker("start", "api-1", "web-1")

    def _log(self, size_bytes: int) -> None:
        self.lab.docker("exec", "web-1", "sh", "-c", f"yes {'y' * 400} | head -c {size_bytes} > /proc/1/fd/1")

    def _rebuild(self, frame: int) -> None:
        files = {"Dockerfile": _DOCKERFILE.format(24 * MIB), "version": f"build {frame}"}
        self.lab.build("shop/app:latest", files)

    def _snapshot(self, name: str) -> None:
        shelf = self.lab.mount / ".snapshots"
        shelf.mkdir(exist_ok=True)
        run("btrfs", "subvolume", "snapshot", "-r", self.lab.mount, shelf / name)


def ullage(lab: Lab, frame: int, journal: Path, *arguments: str) -> None:
    """One run, at the time of its frame."""
    where = ("--host", lab.host, "--journal", str(journal), "--state", str(journal / "state"))
    command = [sys.executable, "-m", "tests.lab.later", str(STEP_MINUTES * frame), *where, *arguments]
    environ = {**os.environ, "ULLAGE_CONFIG": str(journal / "config.toml")}
    subprocess.run(command, env=environ, check=False, stdout=subprocess.DEVNULL)


def at_the_usual_socket(text: str, host: str) -> str:
    """A recording as of an engine that clients find by themselves, as most are: commands need not name it."""
    return text.replace(f"docker --host {host} ", "docker ").replace(f'"{host}"', '""')


def main(out: Path) -> int:
    with tempfile.TemporaryDirectory() as folder, Lab.up(driver="btrfs", mess="everyday", size_mib=1680) as lab:
        journal, recording = Path(folder), Path(folder) / "demo.jsonl"
        (journal / "config.toml").write_text(CONFIG)
        story = Story(lab)
        for frame in range(FRAMES):
            story.act(frame)
            ullage(lab, frame, journal, "--preflight", "--record", str(recording))
            print(f"frame {frame + 1} of {FRAMES}", file=sys.stderr)
        # The engine's own clock has not moved: what is to be old enough for it must not depend on age.
        (journal / "config.toml").write_text("[keep]\n" + "".join(f"{age}_age_s = 0\n" for age in AGES))
        host = os.uname().nodename
        ullage(lab, FRAMES, journal, "--reclaim", "--apply", "--tier", "destructive", "--yes-i-mean", host)
        run("btrfs", "filesystem", "sync", lab.mount)
        ullage(lab, FRAMES, journal, "--preflight", "--record", str(recording))
        with gzip.GzipFile(out, "wb", mtime=0) as packed:
            packed.write(at_the_usual_socket(recording.read_text(), lab.host).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
