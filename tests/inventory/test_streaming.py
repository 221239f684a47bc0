"""What is known is told as soon as it is known, and is not taken back while the rest is read."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.engine.endpoint import endpoint
from collectors.inventory import Request, assemble, roots
from collectors.model.filesystem import Mount
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.model.snapshot import Snapshot
from collectors.system.deadline import this_host
from tests.fakes.server import Mute
from tests.faults.room import Room
from tests.system.walking import counted_looks


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


def test_what_eats_the_deadline_does_not_take_the_fill_along(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Unavailable(Why.TIMED_OUT, "no answer in 0 s", Origin("statvfs", "made up", datetime.now(UTC), 0.0))
    monkeypatch.setattr(sys.modules["collectors.inventory.filesystem"], "statvfs", lambda *_, **__: late)
    with room.engine() as server:
        host = replace(this_host(), docker_root=room.root)
        last = assemble(Request(endpoint(server.url, {}, room.folder), host, deadline_s=6.0, grace_s=3600.0))
    assert filled(last)
    assert isinstance(last.studies[0].occupancy, Exact)


def test_processes_are_searched_once_for_all_filesystems(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = counted_looks(monkeypatch)
    monkeypatch.setattr(roots, "filesystems", twice(roots.filesystems))
    with room.engine() as server:
        host = replace(this_host(), docker_root=room.root)
        last = assemble(Request(endpoint(server.url, {}, room.folder), host, deadline_s=6.0, grace_s=3600.0))
    assert len(last.studies) == 2
    assert looks == ["descriptors", "mappings"], "this filesystem does not tell what it keeps for who has it open"


def twice(mounts: Callable[..., list[Mount]]) -> Callable[..., list[Mount]]:
    """As if Docker's data lay on two filesystems."""
    return lambda *arguments: 2 * mounts(*arguments)
