"""Between two scans: a child that looks every second, and when a new scan is due."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.engine.endpoint import endpoint
from collectors.model.filesystem import FsSpace
from collectors.model.reading import Exact, Unavailable, Why
from collectors.model.report import LiveFigures, Writer
from collectors.pipeline.live import LiveMachine, LiveTargets, LiveWatch, RescanPace, targets
from tests.pipeline.test_every_filesystem import a_disk, a_host
from tests.planning.build import HERE, container
from tests.system.walking import children
from tests.tui.build import an_engine

MIB = 1 << 20
SPACE = FsSpace(1, 4096, 10_000 * MIB, 5_000 * MIB, 5_000 * MIB, 0, 0, 0, False)


def with_used(mib: int) -> FsSpace:
    return replace(SPACE, free_bytes=SPACE.total_bytes - mib * MIB, available_bytes=SPACE.total_bytes - mib * MIB)


def test_the_child_looks_every_second_and_is_gone_when_it_is_stopped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"")
    watch = LiveWatch(LiveTargets("/d", str(tmp_path), "/proc", {"c" * 64: (str(log),)}, {"c" * 64: "web-1"}, True))
    seen: list[LiveFigures] = []
    before = children()
    thread = threading.Thread(target=watch.run, args=(seen.append,))
    began = time.monotonic()
    thread.start()
    while len(seen) < 4 and time.monotonic() - began < 20:
        with log.open("ab") as file:
            file.write(b"x" * MIB)
        time.sleep(0.25)
    watch.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert children() == before
    room = os.statvfs(tmp_path)
    assert seen[-1].space.total_bytes == room.f_blocks * room.f_frsize
    (written,) = [one for one in seen[-1].writers if one.kind == "log"]
    assert written.name == "web-1"
    assert written.bytes_per_s > MIB


_APPENDS = """
import sys, time
with open(sys.argv[1], "wb", buffering=0) as file:
    while True:
        file.write(bytes(1 << 20))
        time.sleep(0.1)
"""


def test_a_process_of_the_host_is_named_with_the_directory_that_it_fills(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", _APPENDS, str(folder / "big")]) as process:
        watch = LiveWatch(LiveTargets("/d", str(tmp_path), "/proc", {}, {}, True))
        found: list[tuple[Writer, Writer]] = []

        def look(figures: LiveFigures) -> None:
            mine = [one for one in figures.writers if one.pid == process.pid and one.where == str(folder)]
            its = [one for one in figures.writers if one.kind == "directory" and one.name == str(folder)]
            if mine and its:
                found.append((mine[0], its[0]))
                if len(found) == 4:
                    watch.stop()

        late = threading.Timer(30, watch.stop)
        late.start()
        watch.run(look)
        late.cancel()
        process.kill()
    assert len(found) == 4
    writer, directory = found[-1]
    assert directory.bytes_per_s == pytest.approx(writer.bytes_per_s, rel=0.2)


def test_where_the_filesystem_cannot_be_asked_it_ends(tmp_path: Path) -> None:
    LiveWatch(LiveTargets("/d", str(tmp_path / "none"), "/proc", {}, {}, True)).run(
        lambda figures: pytest.fail(str(figures))
    )


def test_of_several_filesystems_the_one_that_is_looked_at_is_asked(tmp_path: Path, in_memory: Path) -> None:
    """Two real ones. What a container of the engine's writes is taken to be here only where it was seen to be."""
    host = a_host(a_disk(str(tmp_path), 50, "work", 1), a_disk(str(in_memory), 50, "data", 2))
    ids = {"c" * 64: "c" * 64}
    host = replace(host, engine=replace(host.engine, containers=Exact((container("c" * 64, "web:1"),), HERE)))
    place = str(in_memory)
    assert targets(host, Path("/proc"), "") == targets(host, Path("/proc"), str(tmp_path))
    assert targets(host, Path("/proc"), place) == LiveTargets(place, place, "/proc", {}, ids, False)
    machine = LiveMachine(endpoint(f"unix://{tmp_path}/no.sock", {}, tmp_path))
    machine.scanned(host, Path("/proc"), 0.1)
    seen: list[LiveFigures] = []

    def look(figures: LiveFigures, due: bool) -> None:
        seen.append(figures)
        machine.look_at(place)

    threading.Thread(target=machine.run, args=(look,), daemon=True).start()
    until = time.monotonic() + 20
    while (not seen or seen[-1].mount != place) and time.monotonic() < until:
        time.sleep(0.1)
    for figures, where in ((seen[0], tmp_path), (seen[-1], in_memory)):
        room = os.statvfs(where)
        assert (figures.mount, figures.space.total_bytes) == (str(where), room.f_blocks * room.f_frsize)


@pytest.mark.parametrize(("grown_mib", "told"), [(0, False), (64, True)])
def test_another_filesystem_that_fills_while_one_is_looked_at_asks_for_a_scan(
    tmp_path: Path, in_memory: Path, grown_mib: int, told: bool
) -> None:
    room = os.statvfs(in_memory)
    total, free = room.f_blocks * room.f_frsize, room.f_bfree * room.f_frsize + grown_mib * MIB
    then = Exact(replace(SPACE, total_bytes=total, free_bytes=free, available_bytes=free), HERE)
    other = a_disk(str(in_memory), 50, "data", 2)
    other = replace(other, filesystem=replace(other.filesystem, space=then))
    machine = LiveMachine(endpoint(f"unix://{tmp_path}/no.sock", {}, tmp_path))
    machine.scanned(a_host(a_disk(str(tmp_path), 50, "work", 1), other), Path("/proc"), 0.1)
    assert machine.others_moved() is told


def test_an_engine_that_goes_or_comes_asks_for_a_scan(tmp_path: Path) -> None:
    there, gone = Exact(False, HERE), Unavailable(Why.NOT_REACHABLE, "nobody listens", HERE)
    slow = Unavailable(Why.TIMED_OUT, "no answer", HERE)
    host = a_host(a_disk(str(tmp_path), 50, "work", 1))
    for engine, answers in ((gone, (True, False, False)), (an_engine(), (False, True, False))):
        machine = LiveMachine(endpoint(f"unix://{tmp_path}/no.sock", {}, tmp_path))
        machine.scanned(replace(host, engine=replace(host.engine, engine=engine)), Path("/proc"), 0.1)
        assert tuple(machine.is_other_engine(answer) for answer in (there, gone, slow)) == answers


def test_a_fall_is_scanned_as_soon_as_it_has_settled() -> None:
    pace = RescanPace()
    pace.scanned(0.0, 1.0, 5_000 * MIB)
    assert not pace.due(10.0, with_used(5_000), told=False)
    assert not pace.due(11.0, with_used(4_850), told=False)  # it still falls
    assert not pace.due(12.0, with_used(4_700), told=False)
    assert pace.due(13.0, with_used(4_700), told=False)


def test_small_moves_are_no_reason_and_what_the_engine_tells_is() -> None:
    pace = RescanPace()
    pace.scanned(0.0, 1.0, 5_000 * MIB)
    assert not pace.due(10.0, with_used(5_003), told=False)
    assert pace.due(11.0, with_used(5_003), told=True)


def test_before_the_first_scan_nothing_is_due() -> None:
    assert not RescanPace().due(0.0, SPACE, told=True)


def test_a_disk_that_fills_for_hours_takes_two_percent_of_a_processor_at_most() -> None:
    pace = RescanPace()
    pace.scanned(0.0, 1.0, 1_000 * MIB)
    scans = 0
    for second in range(1, 7201):
        used = 1_000 + second
        if pace.due(float(second), with_used(used), told=second % 5 == 0):
            pace.scanned(float(second), 1.0, used * MIB)
            scans += 1
    assert scans * 1.0 / 7200 < 0.015
    assert scans > 50


def test_after_a_quiet_time_several_changes_are_looked_into_at_once() -> None:
    pace = RescanPace()
    pace.scanned(0.0, 1.0, 5_000 * MIB)
    for at, used in enumerate((4_800, 4_600, 4_400, 4_200), 1):
        assert not pace.due(10.0 * at, with_used(used), told=False)
        assert pace.due(10.0 * at + 1, with_used(used), told=False)
        pace.scanned(10.0 * at + 2, 1.0, used * MIB)
