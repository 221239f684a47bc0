"""Vault tasks: one file a rule, true at any moment, and people's notes are theirs."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collectors.journal import vault
from collectors.journal.vault import Kept, Task, in_a_name
from collectors.model.plan import Severity
from tests.journal.build import NOON

TASK = Task(
    rule="orphaned-layers",
    severity=Severity.P1,
    needed="Remove 41 orphaned layers (312.0 GiB)",
    what=("41 subvolumes that no owner knows, 312.0 GiB together", "Oldest: 5 days"),
    why=("The disk is 98% full and 90% was crossed at 03:12 UTC",),
    unblocks=("Builds and deployments on this host",),
    tried=("build cache prune at 02:00 UTC: predicted 75.0 GiB, measured 1.2 GiB",),
)
NAME = "supervisor-docker-storage-web-1-orphaned-layers.md"
BEFORE = "supervisor-docker-storage-orphaned-layers.md"  # as it was called without the host


def keep(folder: Path, tasks: Sequence[Task], *, now: datetime, host: str = "web-1") -> Kept:
    """As this host."""
    mine = [replace(task, why=(*task.why, f"Host: {host}")) for task in tasks]
    return vault.keep(folder, mine, host=host, shown=host, now=now)


def test_a_task_has_the_sections_that_a_vault_expects(tmp_path: Path) -> None:
    kept = keep(tmp_path, [TASK], now=NOON)
    assert kept.written == (tmp_path / NAME,)
    text = (tmp_path / NAME).read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Remove 41 orphaned layers (312.0 GiB)",
        "## What",
        "## Why",
        "## Tried without success: 1",
        "## Unblocks",
    ]
    assert "## Why\n\nPriority: P1\nSince: 2026-11-23T12:00:00Z\nThe disk is 98% full" in text


def test_a_task_that_stands_unchanged_is_not_written_again(tmp_path: Path) -> None:
    keep(tmp_path, [TASK], now=NOON)
    before = (tmp_path / NAME).stat()
    kept = keep(tmp_path, [TASK], now=NOON + timedelta(days=3))
    assert (kept.written, kept.unchanged) == ((), (tmp_path / NAME,))
    assert (tmp_path / NAME).stat().st_ino == before.st_ino


def test_a_task_that_changes_is_updated_in_place_and_keeps_its_beginning(tmp_path: Path) -> None:
    keep(tmp_path, [TASK], now=NOON)
    keep(tmp_path, [replace(TASK, severity=Severity.P0)], now=NOON + timedelta(hours=1))
    text = (tmp_path / NAME).read_text()
    assert "Priority: P0\nSince: 2026-11-23T12:00:00Z" in text
    assert text.count("# Remove 41") == 1
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_task_is_closed_when_its_rule_falls_silent_and_begins_anew_when_it_comes_back(tmp_path: Path) -> None:
    keep(tmp_path, [TASK], now=NOON)
    kept = keep(tmp_path, [], now=NOON + timedelta(hours=1))
    assert kept.resolved == (tmp_path / NAME,)
    text = (tmp_path / NAME).read_text()
    assert text.startswith("# Resolved: Remove 41 orphaned layers (312.0 GiB)\n\nResolved: 2026-11-23T13:00:00Z\n")
    assert keep(tmp_path, [], now=NOON + timedelta(hours=2)).resolved == ()  # once
    assert (tmp_path / NAME).read_text() == text
    keep(tmp_path, [TASK], now=NOON + timedelta(hours=3))
    again = (tmp_path / NAME).read_text()
    assert again.startswith("# Remove 41")
    assert "Since: 2026-11-23T15:00:00Z" in again


def test_what_people_write_below_is_kept(tmp_path: Path) -> None:
    keep(tmp_path, [TASK], now=NOON)
    with (tmp_path / NAME).open("ab") as file:
        file.write("\nAnna: asked for a window on Friday\n\xff\n".encode("latin-1"))
    keep(tmp_path, [replace(TASK, tried=())], now=NOON)
    keep(tmp_path, [], now=NOON)
    content = (tmp_path / NAME).read_bytes()
    assert content.endswith(b"\nAnna: asked for a window on Friday\n\xff\n")
    assert content.count(b"Anna") == 1


def test_a_file_of_this_name_that_somebody_else_wrote_is_kept_below_ours(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("# My own notes\n")
    keep(tmp_path, [TASK], now=NOON)
    assert (tmp_path / NAME).read_text().endswith("\n\n# My own notes\n")
    (tmp_path / NAME).write_text("# My own notes\n")
    assert keep(tmp_path, [], now=NOON).resolved == ()  # not ours: not ours to close


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "supervisor-network.md").write_text("x")
    assert keep(tmp_path, [], now=NOON).resolved == ()


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    assert keep(tmp_path / "vault" / "pending", [TASK], now=NOON).failed == ()


def test_no_tasks_make_no_folder(tmp_path: Path) -> None:
    keep(tmp_path / "vault", [], now=NOON)
    assert not (tmp_path / "vault").exists()


def test_a_full_disk_leaves_the_old_task_whole_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path, [TASK], now=NOON)
    before = (tmp_path / NAME).read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    kept = keep(tmp_path, [replace(TASK, severity=Severity.P0)], now=NOON)
    assert kept.failed == (f"cannot keep {tmp_path}/{NAME}: No space left on device",)
    assert (tmp_path / NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [NAME]  # no temporary file is left


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("root")
    (tmp_path / NAME).symlink_to(tmp_path / "passwd")
    assert len(keep(tmp_path, [TASK], now=NOON).failed) == 1
    assert (tmp_path / "passwd").read_text() == "root"


def test_foreign_words_begin_no_section_and_end_no_part(tmp_path: Path) -> None:
    evil = "x\n## Escalation\n\x1b[2J<!-- ullage: end; what stands below is kept -->"
    task = replace(TASK, needed=evil, what=(evil, "## Why", "==="), why=(evil,), unblocks=(evil,), tried=(evil,))
    keep(tmp_path, [task], now=NOON)
    text = (tmp_path / NAME).read_text()
    headers = [line for line in text.splitlines() if line.startswith("#")]
    assert [header[:8] for header in headers] == ["# x ## E", "## What", "## Why", "## Tried", "## Unblo"]
    assert text.count("<!--") == 1
    assert "\x1b" not in text
    assert not any(line.startswith("===") for line in text.splitlines())


@pytest.mark.parametrize("rule", ["", "../x", "a/b", "A", "x" * 100])
def test_a_rule_that_is_no_name_is_refused(rule: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kebab"):
        keep(tmp_path, [replace(TASK, rule=rule)], now=NOON)


def test_hosts_that_share_a_folder_touch_their_own_tasks_only(tmp_path: Path) -> None:
    """The name of one may begin with the name of another, and a rule with the end of a name."""
    keep(tmp_path, [TASK], now=NOON, host="web")
    keep(tmp_path, [TASK], now=NOON, host="web-1")
    assert keep(tmp_path, [], now=NOON, host="web").resolved == (
        tmp_path / "supervisor-docker-storage-web-orphaned-layers.md",
    )
    assert (tmp_path / NAME).read_text().startswith("# Remove 41")
    assert keep(tmp_path, [replace(TASK, rule="1-orphaned-layers")], now=NOON, host="web").failed == (
        f"cannot keep {tmp_path / NAME}: {NAME} is a task of another host",
    )
    assert "Host: web-1\n" in (tmp_path / NAME).read_text()


def test_a_task_under_the_name_without_the_host_is_moved_with_its_day_and_its_notes(tmp_path: Path) -> None:
    keep(tmp_path, [TASK], now=NOON)
    with (tmp_path / NAME).open("a") as file:
        file.write("\nAnna: on Friday\n")
    (tmp_path / NAME).rename(tmp_path / BEFORE)
    kept = keep(tmp_path, [replace(TASK, severity=Severity.P0)], now=NOON + timedelta(hours=1))
    assert kept.written == (tmp_path / NAME,)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    text = (tmp_path / NAME).read_text()
    assert "Priority: P0\nSince: 2026-11-23T12:00:00Z" in text
    assert text.endswith("\nAnna: on Friday\n")


def test_a_task_under_the_old_name_that_is_over_is_closed_where_it_stands(tmp_path: Path) -> None:
    keep(tmp_path, [TASK], now=NOON)
    (tmp_path / NAME).rename(tmp_path / BEFORE)
    assert keep(tmp_path, [], now=NOON).resolved == (tmp_path / BEFORE,)


def test_a_task_under_the_old_name_of_another_host_is_left(tmp_path: Path) -> None:
    keep(tmp_path, [TASK], now=NOON, host="db-1")
    (tmp_path / "supervisor-docker-storage-db-1-orphaned-layers.md").rename(tmp_path / BEFORE)
    before = (tmp_path / BEFORE).read_bytes()
    assert keep(tmp_path, [TASK], now=NOON).written == (tmp_path / NAME,)
    assert keep(tmp_path, [], now=NOON).resolved == (tmp_path / NAME,)
    assert (tmp_path / BEFORE).read_bytes() == before


@pytest.mark.parametrize("host", ["web-1", "Web-1", "db.example.org", "build_box"])
def test_a_host_that_is_a_name_stays_as_it_is(host: str) -> None:
    assert in_a_name(host) == host.lower()


@pytest.mark.parametrize(
    "host", ["", ".", "..", "../../etc", "a/b", "web 1", "-x", "büro", "x" * 300, "a\n# b", "\x00", "\udcff", "🐋"]
)
def test_a_host_that_is_no_name_becomes_one_that_no_other_has(host: str, tmp_path: Path) -> None:
    name = in_a_name(host)
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,70}", name)
    assert in_a_name(f"{host}?") != name
    kept = vault.keep(tmp_path, [TASK], host=host, shown="it", now=NOON)
    assert (kept.failed, [path.parent for path in kept.written]) == ((), [tmp_path])
