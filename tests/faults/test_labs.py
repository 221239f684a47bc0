"""Faults that need a real engine on a real filesystem."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Told
from tests.faults.room import Room
from tests.faults.running import NOBODY, START_S, Ended, nobody_can_run, preflight
from tests.lab import Lab
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

UNREAD = {"XDG_CONFIG_HOME": "/nonexistent", "HOME": "/nonexistent"}


@pytest.fixture(scope="module")
def overlay() -> Iterator[Lab]:
    require_machine()
    with Lab.up(driver="overlay2", mess="empty", size_mib=1024) as lab:
        lab.client.base_image()
        yield lab


@pytest.fixture(scope="module")
def full() -> Iterator[Lab]:
    require_machine()
    with Lab.up(driver="btrfs", mess="metadata_full", size_mib=1024) as lab:
        yield lab


@pytest.fixture
def no_grace(tmp_path: Path) -> Path:
    """A configuration in which nothing is too young to be an orphan: only the proof protects it."""
    path = tmp_path / "ullage.toml"
    path.write_text("[thresholds]\ngrace_s = 0\n")
    return path


def orphans(ended: Ended) -> list[str]:
    return [f"{item['id']} {item['state']}" for item in ended.document["items"]["orphans"]]


@pytest.mark.fault(4)
def test_a_stopped_dockerd_costs_its_own_figures_only(overlay: Lab, told: Told) -> None:
    deadline_s = 4.0
    overlay.freeze_engine()
    try:
        ended = preflight("--host", overlay.host, "--docker-root", overlay.docker_root, deadline_s=deadline_s)
    finally:
        overlay.thaw_engine()
    told(ended.document["engine"]["reason"], ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert ended.took_s < deadline_s + START_S
    assert "timed out" in ended.document["engine"]["reason"]
    assert ended.coverage("bytes by holder")["outcome"] == "read"
    assert ended.rows()["images"]["bytes"] > 0


@pytest.mark.fault(23)
def test_layers_that_only_buildkit_knows_are_never_orphans(overlay: Lab, no_grace: Path, told: Told) -> None:
    files: dict[str, bytes | str] = {
        "Dockerfile": "FROM base:1\nRUN echo a > /a\nCOPY data /data\nRUN echo b > /b\n",
        "data": b"x" * 300_000,
    }
    overlay.build("gone:1", files)
    overlay.docker("rmi", "gone:1")
    first, ended = (preflight("--host", overlay.host, "--config", no_grace) for _ in range(2))
    assert orphans(first) == orphans(ended) == []
    assert ended.rows()["build_cache"]["bytes"] > 300_000
    told(f"{len(ended.document['items']['build_cache'])} records of build cache, no orphan", ended)
    assert (ended.status, ended.stderr) == (0, "")


@pytest.mark.fault(23)
def test_where_no_references_are_left_nothing_is_called_an_orphan(room: Room, no_grace: Path, told: Told) -> None:
    """An empty listing means unknown: a layer store that lost its database does not make its layers garbage."""
    for number in range(4):
        (room.root / "overlay2" / f"{number:064x}" / "diff").mkdir(parents=True)
    for path in (room.root / "image" / "overlay2" / "layerdb").iterdir():
        path.rmdir()
    (room.root / "image" / "overlay2" / "layerdb").rmdir()
    with room.engine() as server:
        ended = [preflight("--host", server.url, "--config", no_grace) for _ in range(2)][-1]
    found = [item for item in ended.document["items"]["orphans"] if item["state"] == "orphan"]
    told(f"orphans: {len(found)}; docker root: {ended.coverage('docker root')['reason']}", ended)
    assert found == []
    assert ended.stderr == ""


@pytest.mark.fault(24)
def test_images_made_while_the_store_is_listed_are_no_orphans(overlay: Lab, no_grace: Path, told: Told) -> None:
    stop = threading.Event()
    made: list[float] = []

    def keep_on() -> None:
        while not stop.is_set():
            overlay.client.load_image(f"made:{len(made) % 5}", [{f"f{layer}": 100_000} for layer in range(4)])
            made.append(time.monotonic())

    maker = threading.Thread(target=keep_on)
    maker.start()
    try:
        runs = [preflight("--host", overlay.host, "--config", no_grace) for _ in range(4)]
    finally:
        stop.set()
        maker.join(60)
    told("four runs while images were made all the time: no orphan in two runs", runs[-1])
    assert made
    assert {(ended.status, ended.stderr) for ended in runs} <= {(0, ""), (3, "")}
    found = [{line for line in orphans(ended) if line.endswith(" orphan")} for ended in runs]
    assert [one & other for one, other in itertools.pairwise(found)] == [set()] * 3


@pytest.mark.fault(12)
def test_full_metadata_is_p0_though_df_shows_room(full: Lab, tmp_path: Path, told: Told) -> None:
    ended = preflight("--host", full.host)
    told(ended.document["verdict"] if "verdict" in ended.document else ended.document["findings"][0]["title"], ended)
    assert (ended.status, ended.stderr) == (2, "")
    assert ended.document["severity"] == "P0"
    assert ended.document["filesystem"]["used_percent"] < 90
    first = ended.document["findings"][0]
    assert "metadata" in first["title"].lower()


@pytest.mark.fault(12)
def test_a_journal_on_full_metadata_falls_back_and_the_status_is_kept(full: Lab, tmp_path: Path, told: Told) -> None:
    journal = full.mount / "journal"
    ended = preflight("--host", full.host, "--journal", journal, environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    told("the entry is in the fallback folder", ended)
    assert ended.status == 2
    assert "No space left on device" in ended.stderr
    assert len(list((tmp_path / "ullage" / "journal").glob("*.md"))) == 1


@pytest.mark.fault(21)
def test_a_known_critical_beats_not_knowing_also_without_root(full: Lab, told: Told) -> None:
    words = ("--host", full.host, "--docker-root", full.docker_root)
    ended = preflight(*words, user=NOBODY, environ=UNREAD)
    spaces = ended.document["btrfs"]
    told(f"from sysfs alone: {ended.document['findings'][0]['title']}", ended)
    assert (ended.status, ended.stderr) == (2, "")
    assert ended.document["engine"]["reachable"] is False
    assert spaces is not None
    assert spaces["unallocated_bytes"] is None or spaces["unallocated_bytes"] < 1 << 50
    assert ended.rows()["images"]["bytes"] is None
    assert ended.rows()["images"]["reason"]


@pytest.mark.skipif(not nobody_can_run(), reason="nobody may not enter the folder of the checkout or venv")
@pytest.mark.fault(21)
@pytest.mark.parametrize("reachable", [True, False], ids=["engine reachable", "no engine"])
def test_nobody_gets_nulls_with_reasons_and_3_only_where_it_matters(reachable: bool, room: Room, told: Told) -> None:
    require_machine()
    (room.root / "overlay2").chmod(0o700)
    with room.engine() as server:
        server.path.parent.chmod(0o755)
        server.path.chmod(0o666 if reachable else 0o600)
        ended = preflight("--host", server.url, "--docker-root", room.root, user=NOBODY, environ=UNREAD)
    nulls = [row["category"] for row in ended.document["ledger"] if row["bytes"] is None]
    told(f"not known: {', '.join(nulls) or 'nothing'}", ended)
    assert ended.stderr == ""
    assert ended.status == (0 if reachable else 3)
    assert all(row["reason"] for row in ended.document["ledger"] if row["bytes"] is None)


@pytest.mark.fault(21)
def test_a_home_that_may_not_be_searched_ends_no_run(room: Room, tmp_path: Path, told: Told) -> None:
    require_machine()
    home = room.folder / "home"
    home.mkdir(mode=0o700)
    ended = preflight("--host", room.absent, "--docker-root", room.root, user=NOBODY, environ={"HOME": str(home)})
    told("the configuration in it is passed over", ended)
    assert (ended.status, ended.stderr) == (3, "")


@pytest.mark.fault(22)
@pytest.mark.parametrize("binary", ["none", "another"])
def test_the_btrfs_command_is_never_asked_for(binary: str, full: Lab, tmp_path: Path, told: Told) -> None:
    called = tmp_path / "called"
    if binary == "another":
        fake = tmp_path / "btrfs"
        fake.write_text(f"#!/bin/sh\n: > {called}\necho btrfs-progs v0.1\nexit 1\n")
        fake.chmod(0o755)
    usual = preflight("--host", full.host)
    ended = preflight("--host", full.host, environ={"PATH": str(tmp_path)})
    told("the same figures as with it in PATH", ended)
    assert (ended.status, ended.stderr) == (usual.status, "")
    assert not called.exists()
    for key in ("unallocated_bytes", "spaces", "uuid"):
        if key in usual.document["btrfs"]:
            assert ended.document["btrfs"][key] == usual.document["btrfs"][key]
