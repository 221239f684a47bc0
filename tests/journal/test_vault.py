"""Vault tasks: one file a rule, true at any moment, and people's notes are theirs."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collectors.journal.vault import Task, keep
from collectors.model.finding import Severity
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
NAME = "supervisor-docker-storage-orphaned-layers.md"


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
