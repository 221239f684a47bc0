"""Labels, commands, build steps, directories and process names on a real engine that try to be more than names."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile import NAME, check_journal, check_page, check_task, hidden_in
from tests.lab import Lab
from tests.lab.messes._write import MIB, hold, random_file
from tests.lab.require import require_machine
from tests.machine.journaling import Supervisor, task_of

pytestmark = pytest.mark.machine

# Everything is worth a line, and every leak a task.
CONFIG = """\
[thresholds]
p0_percent = 3
p1_percent = 2
p2_percent = 1
notable_bytes = 1048576
leak_share = 0.0001
"""
ONE_LINE = NAME.replace("\n", " ")


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """A lab of hostile names that was looked at once."""
    require_machine()
    with Lab.up(mess="empty", size_mib=768) as lab:
        lab.client.base_image()
        for number in range(3):
            step = f"RUN : {number} '{ONE_LINE}' && head -c {4 * MIB} /dev/urandom > /made"
            dockerfile = f"FROM base:1\nLABEL note='{ONE_LINE}'\n{step}\n"
            lab.build("shop/app:latest", {"Dockerfile": dockerfile})
            lab.build("shop/old:latest", {"Dockerfile": dockerfile}, buildkit=False)
        labels = ("--label", f"{NAME}={NAME}", "--env", f"{NAME}={NAME}")
        lab.client.run("base:1", "quiet-1", f": '{NAME}'; exec sleep 100000", *labels)
        lab.docker("volume", "create", "--label", f"{NAME}={NAME}", "plain")
        folder = random_file(lab.mount / "srv" / NAME / NAME, 40 * MIB).parent
        script = f"exec 3>held; head -c {8 * MIB} /dev/urandom >&3; rm held; exec sleep 100000"
        hold(lab, script, folder)
        memory = tmp_path_factory.mktemp("memory")
        (memory / "config.toml").write_text(CONFIG)
        made = Supervisor(lab, memory)
        made.run(*config(made))
        yield made


def config(supervisor: Supervisor) -> tuple[str, str]:
    return "--config", str(supervisor.folder / "config.toml")


def test_the_page_shows_the_names_and_has_its_own_headers_only(supervisor: Supervisor) -> None:
    page = supervisor.page(*config(supervisor))
    check_page(page)
    places = [line for line in page.splitlines() if "␛" in line]
    assert any(line.startswith("- Churn: shop/old ") for line in places)
    assert any("srv/" in line for line in places)
    assert any("held" in line for line in places)


def test_a_supervisor_that_greps_for_the_disk_finds_what_df_says(supervisor: Supervisor) -> None:
    ended = subprocess.run(
        ["grep", "-oP", r"Disk:\s+\K[0-9]+"],
        input=supervisor.page(*config(supervisor)),
        capture_output=True,
        text=True,
        check=True,
    )
    df = subprocess.run(["df", "--output=pcent", supervisor.lab.mount], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == [df.stdout.split()[-1].rstrip("%")]


def test_the_document_gives_the_names_back_as_they_are(supervisor: Supervisor) -> None:
    written = supervisor.page("--format", "json", *config(supervisor))
    assert written.isascii()
    assert hidden_in(written) == set()
    document = json.loads(written)
    assert any(NAME in item["name"] for item in document["items"]["other_files"])
    assert any(NAME in item["name"] for item in document["items"]["deleted_open"])
    steps = {one["repository"]: one["busting_step"] for one in document["trend"]["churn"]}
    assert "\x1b]52;c;" in steps["shop/old"]


def test_journal_and_vault_keep_their_shape(supervisor: Supervisor, tmp_path: Path) -> None:
    alone = Supervisor(supervisor.lab, tmp_path)
    alone.run(*config(supervisor))
    alone.run(*config(supervisor))
    check_journal(alone.journal, runs_count=2)
    tasks = alone.tasks
    assert {task_of("disk-full"), task_of("deleted-open")} <= tasks.keys()
    assert "␛" in tasks[task_of("deleted-open")]
    for text in tasks.values():
        check_task(text)
