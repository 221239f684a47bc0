"""The walk against du and docker on a million files under a Docker root: `python -m tests.bench.walk` (root, 8 GB).

A real engine on an ext4 of its own holds them: six of ten in image layers, the rest in volumes that nobody writes to
while it is measured; beside them containers with something written. Warm: everything is in the kernel's caches, each
figure is the best of several. Cold: the filesystem was mounted anew and its disk dropped from the page cache. Prints a
table and writes it to walk.md, next to this file. Takes five minutes.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collectors import drivers
from collectors.model.filesystem import Occupancy
from collectors.model.reading import Exact
from collectors.model.store import Unit
from collectors.system.deadline import this_host
from tests.lab import Lab
from tests.lab.commands import CommandFailed, run
from tests.system.walking import walk

IMAGES, LAYERS, CONTAINERS, VOLUMES = 5, 4, 5, 30
FILES_PER_FOLDER = 12
IN_VOLUMES = 0.4
ENGINE = "28.5"  # one that measures by kind; before 23 a report has to wait for all that `system df` measures
DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds: on the clock, and of processors by the children of this process."""

    elapsed_s: float
    cpu_s: float


def timed(work: Callable[[], object], times: int = 1) -> Time:
    """The best of several."""
    best = Time(float("inf"), 0.0)
    for _ in range(times):
        before, began = _children_s(), time.perf_counter()
        work()
        elapsed_s = time.perf_counter() - began
        if elapsed_s < best.elapsed_s:
            best = Time(elapsed_s, _children_s() - before)
    return best


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fill(lab: Lab, files: int) -> None:
    """`files` files in layers and volumes."""
    in_volumes = int(files * IN_VOLUMES)
    for image in range(IMAGES):
        layers = [_layer(image, layer, (files - in_volumes) // IMAGES // LAYERS) for layer in range(LAYERS)]
        lab.client.load_image(f"bench:{image}", layers)
    note = lab.base / "note"
    note.write_text("written in the container\n")
    for number in range(CONTAINERS):
        name = f"bench-{number}"
        lab.docker("create", "--name", name, f"bench:{number % IMAGES}", "/bin/true")
        lab.docker("cp", str(note), f"{name}:/note")
    for number in range(VOLUMES):
        lab.docker("volume", "create", f"bench-{number}")
        data = lab.docker_root / "volumes" / f"bench-{number}" / "_data"
        for file in range(in_volumes // VOLUMES):
            folder = data / f"{file // FILES_PER_FOLDER % 97}" / f"{file // FILES_PER_FOLDER}"
            if file % FILES_PER_FOLDER == 0:
                folder.mkdir(parents=True)
            with open(folder / f"{file}", "wb", buffering=0) as out:
                out.write(b"x" * (3000, 700)[file % 2])
    run("sync", "-f", lab.mount)


def settle() -> None:
    """Until what was written lies on the disk: the machine would go on writing beside what is measured."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        os.sync()
        kept = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        if sum(int(kept[name].split()[0]) for name in ("Dirty", "Writeback")) < 4096:
            break
        time.sleep(0.5)
    time.sleep(5)


def _layer(image: int, layer: int, files: int) -> dict[str, bytes | int]:
    content = (b"", b"x" * 900, b"x" * 5000)
    return {
        f"usr/lib/package-{number // FILES_PER_FOLDER % 97}/part-{number // FILES_PER_FOLDER}/file-{number}": content[
            number % 3
        ]
        + (b"%d-%d-%d" % (image, layer, number) if number % 3 else b"")
        for number in range(files)
    }


def units_of(lab: Lab) -> tuple[Unit, ...]:
    """As the product finds them."""
    store = drivers.store(lab.docker_root, this_host(), driver_hint=lab.driver, deadline_s=120)
    assert isinstance(store, Exact), store
    assert isinstance(store.value.units, Exact), store.value.units
    return store.value.units.value


def walked(lab: Lab, units: tuple[Unit, ...], cache: Path | None) -> Occupancy:
    """A whole walk, or none."""
    reading = walk(lab.mount, units, deadline_s=DEADLINE_S, cache=cache)
    assert isinstance(reading, Exact), reading
    assert reading.value.unread == (), reading.value.unread
    return reading.value


def cold(lab: Lab) -> None:
    """Forget the filesystem: mount it anew, and drop its disk from the page cache, which others need for theirs."""
    lab.stop_engine()
    until = time.monotonic() + 60
    while True:
        try:
            run("umount", lab.mount)
            break
        except CommandFailed:  # what the engine started may take a moment to end, too
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
    image = lab.base / "disk0.img"
    with image.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    run("mount", lab.device, lab.mount)
    run("mount", "--make-shared", lab.mount)


def report(lab: Lab, state: Path) -> None:
    """A process of its own: the interpreter's start, the engine's answers, the books and the page besides the walk."""
    words = f"-m collectors --preflight --no-journal --host {lab.host} --state {state}".split()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert "Explained: 100.0%" in done.stdout, done.stdout + done.stderr


def du(lab: Lab) -> None:
    # As low as the walkers, so that whatever else this machine does slows both alike.
    words = ["nice", "-n", "10", "du", "-sx", str(lab.mount)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def measure(lab: Lab, with_cold: bool) -> list[tuple[str, Time]]:
    """Every row of the table."""
    with tempfile.TemporaryDirectory(prefix="ullage-bench-") as name:
        state = Path(name)
        units = units_of(lab)

        def first() -> None:
            shutil.rmtree(state, ignore_errors=True)
            walked(lab, units, state)

        rows = [
            ("du -sx, warm", timed(lambda: du(lab), 3)),
            ("first walk, warm", timed(first, 3)),
            ("second walk, warm", timed(lambda: walked(lab, units, state), 10)),
            ("docker system df -v, warm", timed(lambda: lab.docker("system", "df", "-v"), 3)),
            ("a whole report around the second walk, warm", timed(lambda: report(lab, state), 3)),
        ]
        check(lab, walked(lab, units, state))
        if with_cold:
            cold(lab)
            rows.append(("du -sx, cold", timed(lambda: du(lab))))
            cold(lab)
            rows.append(("first walk, cold", timed(first)))
            cold(lab)
            rows.append(("second walk, cold", timed(lambda: walked(lab, units, state))))
            cold(lab)
            lab.start_engine()
            rows.append(("docker system df -v, cold", timed(lambda: lab.docker("system", "df", "-v"))))
    return rows


def check(lab: Lab, found: Occupancy) -> None:
    """A quick answer that is wrong is worth nothing."""
    out = subprocess.run(["du", "-sx", "--block-size=1", str(lab.mount)], check=True, capture_output=True).stdout
    total = sum(share.bytes for share in found.shares)
    assert total == int(out.split()[0]), (total, out)


def table(lab: Lab, rows: list[tuple[str, Time]], entries: int) -> str:
    """Markdown. The ratios are to du and to docker at the same temperature."""
    by_name = dict(rows)
    lines = [
        f"# {entries:,} files under a Docker root",
        "",
        f"`python -m tests.bench.walk`, Linux {platform.release()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {lab.driver} on {lab.fs}, engine {lab.engine}.",
        "The walkers run at niceness 10, and so does du here; the engine does not.",
        "",
        "| | elapsed | processor time | × du | × docker system df -v |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, took in rows:
        temperature = name.rpartition(", ")[2]
        ratios = [_ratio(took, by_name.get(f"{other}, {temperature}")) for other in ("du -sx", "docker system df -v")]
        lines.append(f"| {name} | {took.elapsed_s:.3f} s | {took.cpu_s:.3f} s | {ratios[0]} | {ratios[1]} |")
    return "\n".join([*lines, ""])


def _ratio(took: Time, other: Time | None) -> str:
    return "" if other is None or other is took else f"{took.elapsed_s / other.elapsed_s:.3f}"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--files", type=int, default=1_000_000)
    words.add_argument("--no-cold", action="store_true", help="leave the runs after a fresh mount out")
    words.add_argument("--print", action="store_true", help="leave walk.md as it is")
    given = words.parse_args()
    size_mib = 1024 + given.files * 8 // 1024
    options = ("-N", str(given.files * 13 // 10))
    with Lab.up(driver="overlay2", engine=ENGINE, mess="empty", size_mib=size_mib, mkfs_options=options) as lab:
        fill(lab, given.files)
        settle()
        room = os.statvfs(lab.mount)
        text = table(lab, measure(lab, not given.no_cold), room.f_files - room.f_ffree)
    print(text)
    if not given.print:
        Path(__file__).with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
