"""A host in trouble over several runs: the journal tells of each, the vault holds one task a rule until it is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.hostile import check_journal, check_task
from tests.lab import Lab
from tests.lab.require import require_machine
from tests.machine.journaling import Supervisor, task_of

pytestmark = pytest.mark.machine

DISK_FULL = task_of("disk-full")
NOTE = "\nNight shift: Ada looks into this.\n"


@dataclass(frozen=True)
class Story:
    """The vault after the first run, and after the second before which a person wrote below a task."""

    supervisor: Supervisor
    first: dict[str, str]
    second: dict[str, str]
    journal: str  # after the second


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A disk at 94 %, looked at twice."""
    require_machine()
    with Lab.up(driver="overlay2", mess="incident", size_mib=1024) as lab:
        supervisor = Supervisor(lab, tmp_path_factory.mktemp("memory"))
        assert supervisor.run().returncode == 2
        first = supervisor.tasks
        with (supervisor.folder / "vault" / DISK_FULL).open("a") as file:
            file.write(NOTE)
        supervisor.run()
        yield Story(supervisor, first, supervisor.tasks, supervisor.journal)


def test_the_full_disk_is_a_task_with_all_its_parts(story: Story) -> None:
    text = story.first[DISK_FULL]
    check_task(text)
    assert "Priority: P0" in text
    assert "[P0] the disk is above 90%" in text


def test_each_rule_has_one_file_and_the_second_run_adds_none_for_it(story: Story) -> None:
    assert len(story.first) >= 2
    assert story.first.keys() <= story.second.keys()
    assert all(name.startswith("supervisor-docker-storage-") for name in story.second)
    for text in story.second.values():
        check_task(text)


def test_the_task_keeps_the_day_it_was_opened_and_what_a_person_wrote(story: Story) -> None:
    def since(text: str) -> str:
        (line,) = [line for line in text.splitlines() if line.startswith("Since: ")]
        return line

    assert since(story.second[DISK_FULL]) == since(story.first[DISK_FULL])
    assert story.second[DISK_FULL].endswith(NOTE)
    assert story.second[DISK_FULL].count("## What") == 1


def test_the_journal_has_an_entry_for_each_run(story: Story) -> None:
    check_journal(story.journal, runs_count=2)


def test_once_the_finding_is_gone_its_task_is_resolved_and_it_opens_again_with_it(story: Story) -> None:
    supervisor = story.supervisor
    relaxed = supervisor.folder / "relaxed.toml"
    relaxed.write_text("[thresholds]\np0_percent = 100\np1_percent = 99\np2_percent = 98\nclear_points = 0\n")
    for _ in range(2):  # a level clears with the second run below it
        supervisor.run("--config", str(relaxed))
    resolved = supervisor.tasks[DISK_FULL]
    assert resolved.startswith("# Resolved: ")
    assert resolved.endswith(NOTE)
    assert "- Resolved: disk-full" in supervisor.journal
    supervisor.run()
    opened = supervisor.tasks[DISK_FULL]
    check_task(opened)
    assert "# Resolved: " not in opened
