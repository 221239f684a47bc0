"""What is known is told as soon as it is known, and is not taken back while the rest is read."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.engine.endpoint import endpoint
from collectors.inventory import Request, assemble
from collectors.model.reading import Exact
from collectors.model.snapshot import Snapshot
from collectors.system.host import this_host
from tests.fakes.server import Mute
from tests.faults.room import Room


@pytest.fixture
def room() -> Iterator[Room]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="ullage-") as folder:
        yield Room.at(Path(folder))


def filled(snapshot: Snapshot) -> bool:
    return bool(snapshot.studies) and isinstance(snapshot.studies[0].filesystem.space, Exact)


@pytest.mark.parametrize("mute", [False, True], ids=["the engine answers", "the engine is silent"])
def test_the_fill_comes_at_once_and_stays(room: Room, mute: bool) -> None:
    told: list[tuple[float, Snapshot]] = []
    began = time.monotonic()
    with room.engine({"*": Mute()} if mute else None) as server:
        host = replace(this_host(), docker_root=room.root)
        request = Request(endpoint(server.url, {}, room.folder), host, deadline_s=6.0, grace_s=3600.0)
        last = assemble(request, lambda snapshot, _: told.append((time.monotonic() - began, snapshot)))
    assert filled(last)
    first = next(number for number, (_, snapshot) in enumerate(told) if filled(snapshot))
    assert told[first][0] < 2.0
    assert all(filled(snapshot) for _, snapshot in told[first:])
    assert len(told) > first + 3


@pytest.mark.parametrize("reads", [True, False], ids=["we read all files", "permissions hide some"])
def test_the_engine_walks_through_volumes_only_where_we_cannot(room: Room, tmp_path: Path, reads: bool) -> None:
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "mountinfo").write_bytes(Path("/proc/self/mountinfo").read_bytes())
    (proc / "self" / "status").write_text(f"Name:\tullage\nCapEff:\t{4 if reads else 0:016x}\n")
    (proc / "self" / "uid_map").write_text("         0          0 4294967295\n")
    with room.engine() as server:
        host = replace(this_host(), docker_root=room.root, proc=proc)
        request = Request(endpoint(server.url, {}, room.folder), host, deadline_s=6.0, grace_s=3600.0)
        seen = assemble(request).engine
        kinds = {dict(asked.query).get("type") for asked in server.requests if asked.path.endswith("/system/df")}
    assert ("volume" in kinds) is not reads
    assert {"image", "build-cache"} <= kinds
    assert isinstance(seen.volumes, Exact)
    assert any(isinstance(volume.size, Exact) for volume in seen.volumes.value) is not reads
