"""A mount that never answers: the report comes in time with all the rest, and nothing grows from run to run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.mute_mount import mute_mount
from tests.faults.conftest import Told
from tests.faults.room import Room
from tests.faults.running import START_S, preflight, start
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

DEADLINE_S = 4.0


@contextlib.contextmanager
def mute(folder: Path, *, takes: bool) -> Iterator[Path]:
    """`takes`: whoever asks sits in D state and cannot even be killed."""
    require_machine()
    folder.mkdir(parents=True)
    with mute_mount(folder, takes=takes) as mount:
        yield mount


KINDS = pytest.mark.parametrize("takes", [False, True], ids=["not answered", "D state"])


@pytest.mark.fault(9)
@KINDS
def test_a_mute_mount_inside_the_docker_root_costs_nothing_else(takes: bool, room: Room, told: Told) -> None:
    with room.engine() as server, mute(room.root / "volumes" / "nfs" / "_data", takes=takes):
        ended = preflight("--host", server.url, deadline_s=DEADLINE_S)
    told(f"filesystem of the root: {ended.coverage('bytes by holder')['outcome']}", ended)
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.took_s < DEADLINE_S + START_S
    assert ended.coverage("bytes by holder")["outcome"] == "read"
    assert ended.document["filesystem"]["used_bytes"] is not None


@pytest.mark.fault(9)
@KINDS
def test_a_docker_root_on_a_mute_mount_is_unknown_within_the_deadline(takes: bool, room: Room, told: Told) -> None:
    with room.engine() as server, mute(room.folder / "mute", takes=takes) as mount:
        ended = preflight("--host", server.url, "--docker-root", mount / "docker", deadline_s=DEADLINE_S)
    reasons = [line["reason"] for line in ended.document["coverage"] if "timed out" in line["reason"]]
    told(reasons[0], ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert ended.took_s < DEADLINE_S + START_S
    assert ended.document["filesystem"]["used_bytes"] is None
    assert ended.coverage("engine: images")["outcome"] == "read"


@pytest.mark.fault(10)
def test_twenty_runs_on_a_mute_mount_hold_no_more_than_one(room: Room, told: Told) -> None:
    with mute(room.folder / "mute", takes=True) as mount:
        words = ("--preflight", "--no-state", "--no-journal", "--deadline", "0.5", "--host", room.absent)
        program = ("-m", "tests.faults.again", "20")
        ended = start(*words, "--docker-root", mount, program=program).end(20 * (1 + START_S))
    found = ended.document
    told(f"twenty runs; after the first {found['before']}, after the last {found['after']}", ended)
    assert ended.stderr == ""
    assert set(found["statuses"]) == {3}
    assert found["after"]["threads"] <= found["before"]["threads"]
    assert found["after"]["descriptors"] <= found["before"]["descriptors"]
    assert found["after"]["children"] <= max(1, found["before"]["children"])


@pytest.mark.fault(10)
def test_runs_that_met_a_mute_mount_leave_no_process_behind_once_it_is_gone(room: Room, told: Told) -> None:
    with mute(room.folder / "mute", takes=True) as mount:
        runs = [preflight("--host", room.absent, "--docker-root", mount, deadline_s=1) for _ in range(3)]
        assert [(ended.status, ended.stderr) for ended in runs] == [(3, "")] * 3
        stuck = str(mount)
    told("three runs; no process is left that names the mount", runs[-1])
    left = [path for path in Path("/proc").glob("[0-9]*") if stuck in _arguments(path)]
    assert left == []


def _arguments(process: Path) -> str:
    with contextlib.suppress(OSError):
        return os.fsdecode((process / "cmdline").read_bytes())
    return ""
