"""Each filesystem has its own past: alarms that several runs agree on, growth, a forecast, from one journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collectors.causes import btrfs_metadata, disk_full
from collectors.journal.reading import read
from collectors.model.plan import Finding, Severity
from collectors.model.reading import Exact
from collectors.model.report import Report
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.pipeline import FinishedRun
from collectors.report.document import encode
from collectors.report.text import render
from tests.pipeline.held import looked
from tests.pipeline.test_every_filesystem import a_disk, a_host
from tests.planning.build import GIB, HERE, MIB, btrfs

DISK = "/mnt/volumes"


def a_known_disk(mountpoint: str, percent: int, name: str, number: int) -> FilesystemStudy:
    """That can be told from others for good."""
    disk = a_disk(mountpoint, percent, name, number)
    assert isinstance(disk.filesystem.space, Exact)
    space = replace(disk.filesystem.space.value, fsid=number)
    return replace(disk, filesystem=replace(disk.filesystem, space=Exact(space, disk.filesystem.space.origin)))


def two_disks(root: int, other: int, at: datetime) -> Snapshot:
    host = a_host(a_known_disk("/d", root, "work", 1), a_known_disk(DISK, other, "data", 2))
    return replace(host, began_at=at, ended_at=at)


def runs(
    monkeypatch: pytest.MonkeyPatch, folder: Path, percents: list[tuple[int, int]], vault: Path | None = None
) -> list[FinishedRun]:
    """Of a host whose root and other disk were so full."""
    return looked(monkeypatch, [partial(two_disks, *both) for both in percents], folder, vault=vault)


def full(report: Report) -> Finding:
    """What is said of how full the other disk is."""
    (found,) = [one for one in report.findings if one.rule == disk_full.ID and one.mount == DISK]
    return found


def test_an_alarm_of_another_disk_rises_with_the_second_run_that_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm, first, second = (run.report for run in runs(monkeypatch, tmp_path, [(20, 60), (20, 85), (20, 85)]))
    assert calm.severity < Severity.P2
    assert ("waits", "P1 once the next run confirms it") in full(first).evidence
    assert full(first).severity is Severity.P3
    assert full(second).severity is second.severity is Severity.P1


def test_it_stays_until_the_disk_is_well_below_and_the_root_has_no_part_in_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [full(run.report) for run in runs(monkeypatch, tmp_path, [(20, 92), (20, 88), (20, 88), (20, 79), (20, 79)])]
    assert [one.severity for one in said] == [Severity.P0, Severity.P0, Severity.P0, Severity.P0, Severity.P1]
    assert said[2].claim.startswith(f"the disk is above 80% (on {DISK})")
    assert "it was worse" in said[2].claim


def test_a_disk_that_fell_below_its_threshold_a_moment_ago_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = runs(monkeypatch, tmp_path, [(20, 72), (20, 72), (20, 68)])[-1].report
    assert (full(last).severity, last.severity) == (Severity.P2, Severity.P2)
    assert full(last).claim.endswith(f"(on {DISK})")


def test_the_runs_of_another_host_in_the_same_folder_confirm_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_host(at: datetime) -> Snapshot:
        return replace(a_host(a_known_disk("/d", 85, "work", 9)), began_at=at, ended_at=at)

    looks: list[Callable[[datetime], Snapshot]] = [
        partial(two_disks, 20, 20),
        another_host,
        another_host,
        partial(two_disks, 85, 20),
    ]
    first, *_, last = (run.report for run in looked(monkeypatch, looks, tmp_path))
    assert first.trend.runs == 0
    (mine,) = [one for one in last.findings if one.rule == disk_full.ID]
    assert mine.severity is Severity.P3, "one run of this host alone says so"
    assert last.trend.runs == 1


def test_how_another_disk_grows_is_forecast_and_an_alarm_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two points every 20 minutes: 90 % in 3 hours, while the root stands still."""
    course = [(40, 34 + 2 * run) for run in range(20)]
    last = runs(monkeypatch, tmp_path, course)[-1].report
    (trend,) = last.other_trends
    assert trend.runs == 19
    assert trend.growth[0].bytes_per_day == pytest.approx(2 * 72 * (10 << 30) / 100, rel=0.02)
    assert {crossing.percent for crossing in trend.crossings} == {80, 90, 100}
    assert last.trend.crossings == ()
    (ahead,) = [one for one in last.findings if one.rule == disk_full.FORECAST_ID]
    assert (ahead.mount, ahead.severity, last.severity) == (DISK, Severity.P1, Severity.P1)
    assert f"- On {DISK}: 19 runs, +14.4 GiB/day" in render(last)
    document: dict[str, Any] = encode(last)
    (other,) = document["other_filesystems"]
    assert [crossing["percent"] for crossing in other["trend"]["crossings"]] == [80, 90, 100]
    assert document["trend"]["crossings"] == []


def test_another_disk_whose_metadata_fills_is_told_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes stand still; of 8 GiB that tree blocks have and may still get, 200 MiB go every 20 minutes."""

    def look(run: int, at: datetime) -> Snapshot:
        host = two_disks(40, 40, at)
        used = (2000 + 200 * run) * MIB
        facts = Exact(btrfs(data=[(GIB, GIB)] * 4, metadata=(6 * GIB, used), unallocated=GIB + MIB, copies=1), HERE)
        return replace(host, studies=(host.studies[0], replace(host.studies[1], filesystem_facts=facts)))

    last = looked(monkeypatch, [partial(look, run) for run in range(20)], tmp_path)[-1].report
    (trend,) = last.other_trends
    assert trend.trees_full is not None
    left_h = (trend.trees_full.at - last.taken_at).total_seconds() / 3600
    assert left_h == pytest.approx((7 * 1024 - 2000 - 200 * 19) / 600, rel=0.05)
    (ahead,) = [one for one in last.findings if one.rule == btrfs_metadata.FORECAST_ID]
    assert (ahead.mount, ahead.severity) == (DISK, Severity.P1)
    assert last.trend.trees_full is None
    assert "metadata is full at" in render(last)
    document: dict[str, Any] = encode(last)
    (other,) = document["other_filesystems"]
    assert other["trend"]["trees_full"]["percent"] == 100


def test_the_journal_keeps_how_full_each_was_and_its_alarms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = runs(monkeypatch, tmp_path, [(20, 85), (20, 85)])
    record = read(tmp_path, now=outcomes[-1].report.taken_at).records[-1]
    (other,) = record.others
    assert (other.filesystem, other.total_bytes) == (outcomes[-1].snapshot.studies[1].identity, 10 << 30)
    assert [(noted.rule, noted.severity, noted.raw) for noted in other.findings if noted.rule == disk_full.ID] == [
        (disk_full.ID, Severity.P1, Severity.P1)
    ]
    seen = record.seen_of(other.filesystem)
    assert seen is not None
    assert (record.used_percent, seen.used_percent) == (20, 85)
    assert record.seen_of("another") is None


def test_two_disks_with_one_alarm_are_one_task_that_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = tmp_path / "vault"
    runs(monkeypatch, tmp_path / "journal", [(82, 97)], vault)
    (task,) = vault.glob(f"*-{disk_full.ID}.md")
    text = task.read_text()
    assert text.index(f"above 90% (on {DISK})") < text.index("[P1] the disk is above 80%,")
