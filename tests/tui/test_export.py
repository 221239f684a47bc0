"""What leaves the dashboard."""

import os
from pathlib import Path

import pytest

from tests.tui import shapes
from tests.tui.incident import a_history, incident
from tui.export import markdown, write
from tui.view_models import NO_HISTORY


def test_the_page_tells_verdict_books_findings_plan_and_events() -> None:
    page = markdown(incident(), a_history())
    assert "# Docker storage on docker-prod-07, 2025-11-23T03:12:47Z" in page
    assert "- Disk: 99% used, 18.0 GiB left of 931.5 GiB" in page
    assert "| Orphaned layers | 312.0 GiB | 335,007,449,088 | 312.0 GiB |" in page
    assert "- [P0] 41 btrfs subvolumes Docker no longer knows, 312.0 GiB" in page
    assert "1. Delete 41 orphaned subvolumes: 312.0 GiB, safe" in page
    assert "90% crossed" in page
    assert "12 sources, all read" in page


def test_the_page_of_a_degraded_run_says_what_was_not_read() -> None:
    page = markdown(shapes.no_engine(), NO_HISTORY)
    assert "| Orphaned layers | ? not permitted |  | ? not permitted | needs root |" in page
    assert "engine: not reachable" in page
    assert "312.0" not in page


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    first = write(tmp_path, "x", "<svg/>", "a")
    second = write(tmp_path, "x", "<svg/>", "b")
    assert first[1].read_text() == "a"
    assert second[1].read_text() == "b"
    assert second[1].name == "x-1.md"


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    os.symlink(victim, tmp_path / "x.md")
    write(tmp_path, "x", "<svg/>", "theirs")
    assert victim.read_text() == "mine"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write(tmp_path / "no", "x", "", "")
