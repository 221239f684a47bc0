"""Inodes on real engines: books that sum to statfs's, an alarm that names who holds them, and where inside they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

INODES = 16_000
FULL = 0.92


EXT4, XFS = ("ext4", ("-N", str(INODES))), ("xfs", ())
# xfs makes inodes as long as there is room.
only_where_they_run_out = pytest.mark.parametrize("lab", [EXT4], indirect=True, ids=["ext4"])


@pytest.fixture(scope="module", params=[EXT4, XFS], ids=["ext4", "xfs"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    require_machine()
    fs, options = request.param
    with Lab.up(driver="overlay2", fs=fs, mess="everyday", size_mib=1024, mkfs_options=options) as made:
        yield made


def report(lab: Lab, *more: str) -> dict[str, Any]:
    words = ["--preflight", "--host", lab.host, "--no-journal", "--format", "json", *(more or ("--no-state",))]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    command = [sys.executable, "-m", "collectors", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean, check=False)
    assert "Traceback" not in ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def item(answer: dict[str, Any], category: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in answer["items"][category] if one["name"] == name]
    return dict(found)


def missing(lab: Lab) -> int:
    """How many more inodes make it as full as an alarm wants it."""
    room = os.statvfs(lab.mount)
    return int(room.f_files * FULL) - (room.f_files - room.f_ffree)


def test_the_inodes_of_all_rows_sum_to_those_in_use_and_none_is_left_over(lab: Lab) -> None:
    answer = report(lab)
    rows = {row["category"]: row["inodes"] for row in answer["ledger"]}
    room = os.statvfs(lab.mount)
    assert answer["filesystem"]["inodes_used"] == room.f_files - room.f_ffree
    assert sum(rows.values()) == answer["filesystem"]["inodes_used"]
    assert rows["unattributed"] == 0
    assert rows["metadata"] == {"ext4": 9, "xfs": 2}[lab.fs]
    layers = [Path(one.path) for one in lab.truth.planted if one.kind == "writable layer" and one.path is not None]
    assert rows["containers"] >= sum(len(list(layer.rglob("*"))) for layer in layers) > 0


def test_where_inside_a_container_its_bytes_are_is_told_again_by_the_run_that_does_not_walk(
    lab: Lab, tmp_path: Path
) -> None:
    lab.docker(
        "exec",
        "web-1",
        "sh",
        "-c",
        "mkdir -p /var/log/app && dd if=/dev/zero of=/var/log/app/access.log bs=1M count=40",
    )
    state = str(tmp_path / "state")
    first, second = (report(lab, "--state", state) for _ in range(2))
    inside = item(first, "containers", "web-1")["inside"]
    assert (inside[0]["path"], inside[0]["directory"]) == ("/var/log/app/access.log", False)
    assert inside[0]["bytes"] >= 40 << 20
    for category, listed in first["items"].items():
        if category != "other_files":  # the engine itself writes there
            again = {one["id"]: one["inside"] for one in second["items"][category]}
            assert {one["id"]: one["inside"] for one in listed} == again
    lab.docker("exec", "web-1", "rm", "/var/log/app/access.log")


def finding(answer: dict[str, Any]) -> dict[str, Any]:
    (found,) = [one for one in answer["findings"] if one["rule"] == "inodes-exhausted"]
    return dict(found)


@only_where_they_run_out
def test_a_volume_full_of_empty_files_is_named_by_its_inodes(lab: Lab) -> None:
    lab.docker("volume", "create", "spool")
    queue = lab.docker_root / "volumes" / "spool" / "_data" / "queue"
    queue.mkdir()
    count = missing(lab)
    for number in range(count):
        (queue / str(number)).touch()
    answer = report(lab)
    told = finding(answer)
    assert "the most by volume spool" in told["title"]
    assert told["severity"] in ("P1", "P0")
    assert (told["evidence"][1]["label"], told["evidence"][1]["value"]) == (
        "volume spool",
        f"{count + 3:,} inodes, of them {count + 1:,} in /queue",
    )
    assert item(answer, "volumes", "spool")["inodes"] == count + 3
    (step,) = [one for one in answer["plan_for_person"] if "spool" in one["title"]]
    assert step["frees_inodes"] == count + 3
    before = missing(lab)
    lab.docker("volume", "rm", "spool")
    assert missing(lab) - before == step["frees_inodes"]


@only_where_they_run_out
def test_a_running_container_full_of_empty_files_is_named_by_its_inodes(lab: Lab) -> None:
    count = missing(lab)
    lab.docker("exec", "web-1", "sh", "-c", f"mkdir /spool && cd /spool && seq 1 {count} | xargs touch")
    told = finding(report(lab))
    assert "the most by container web-1" in told["title"]
    assert told["evidence"][1]["label"] == "container web-1"
    assert told["evidence"][1]["value"].endswith(f"of them {count + 1:,} in /spool")
    assert "container web-1" in told["remedy"]
    lab.docker("exec", "web-1", "rm", "-rf", "/spool")
