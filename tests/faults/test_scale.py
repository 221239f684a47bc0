"""More than the deadline allows: the report comes in time, says that it is partial, and its books close."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.fakes.recordings import recording
from tests.faults.conftest import Told
from tests.faults.room import Room
from tests.faults.running import START_S, preflight

pytestmark = pytest.mark.fault(25)

CONTAINERS = 5_000
NAME = "26.1.5-overlay2"


def many(count: int) -> list[dict[str, Any]]:
    """Containers as recorded, with ids and names of their own."""
    like = recording(NAME)["containers"][0]
    return [{**like, "Id": f"{number:064x}", "Names": [f"/shop-{number}"]} for number in range(count)]


def test_five_thousand_containers_are_read_within_the_deadline(room: Room, told: Told) -> None:
    deadline_s = 20.0
    with room.engine(containers=many(CONTAINERS)) as server:
        ended = preflight("--host", server.url, deadline_s=deadline_s)
    listed = len(ended.document["items"]["containers"])
    told(f"{listed} containers; engine: containers {ended.coverage('engine: containers')['outcome']}", ended)
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.took_s < deadline_s
    assert listed == CONTAINERS
    assert ended.peak_bytes < 600 << 20


def test_files_that_cannot_be_counted_in_time_make_a_partial_report(room: Room, told: Told) -> None:
    """A tree as of a million files: one folder of 2,000 names, linked under the eyes of a deadline of a second."""
    deadline_s = 1.0
    for number in range(60):
        folder = room.root / "volumes" / f"v{number}" / "_data"
        folder.mkdir(parents=True)
        handle = os.open(folder, os.O_RDONLY)
        os.close(os.open("0", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
        for name in range(1, 2_000):
            os.link("0", str(name), src_dir_fd=handle, dst_dir_fd=handle)
        os.close(handle)
    with room.engine(containers=many(CONTAINERS)) as server:
        ended = preflight("--host", server.url, deadline_s=deadline_s)
    rows = {line["source"]: line for line in ended.document["coverage"]}
    partial = [source for source, line in rows.items() if line["outcome"] != "read" and "timed out" in line["reason"]]
    told(f"in time; said to be partial: {', '.join(partial)}", ended)
    assert ended.took_s < deadline_s + START_S
    assert partial
    assert ended.stderr == ""
    assert ended.status == 3
    assert all(row["bytes"] is not None or row["reason"] for row in ended.document["ledger"])
