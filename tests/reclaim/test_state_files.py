"""A state folder that others can write to: nothing that they put there is followed, trusted or written to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from collectors.causes.logs_unbounded import remove as log_truncate
from collectors.filesystems.btrfs import trees
from collectors.model import Owner, OwnerKind
from collectors.reclaim.run import earlier_run
from collectors.reclaim.run_log import NAME, RunLog, unfinished
from collectors.reclaim.tools import NoLock, ReclaimBusy, only_one
from collectors.system import folders, layer_cache
from collectors.system.layer_cache import LayerCache

KINDS = [
    "link",
    "hard link",
    "fifo",
    pytest.param("another's", marks=pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")),
]
FACT = json.dumps({"v": 1, "at": "2026-11-23T12:00:00+00:00", "what": "begin", "steps": ["s"]}) + "\n"


def put(kind: str, path: Path, content: bytes) -> Path:
    """What somebody else put at `path`, and the file that is to stay as it is."""
    victim = path.parent.parent / "victim"
    path.parent.mkdir(exist_ok=True)
    if kind == "another's":
        victim = path
    victim.write_bytes(content)
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "hard link":
        path.hardlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        os.chown(path, 12345, 12345)
    victim.chmod(0o644)
    return victim


def untouched(victim: Path, content: bytes) -> bool:
    return victim.read_bytes() == content and victim.stat().st_mode & 0o777 == 0o644


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_log_that_leads_elsewhere_is_neither_written_nor_believed(tmp_path: Path, kind: str) -> None:
    state = tmp_path / "state"
    victim = put(kind, state / NAME, FACT.encode())
    assert unfinished(state) is None
    assert earlier_run(state) == ""
    log = RunLog(state)
    log.begin([("s", "Remove it")], None)
    log.means("s", Owner(OwnerKind.IMAGE, "a"))
    assert "could not be written" in log.problem
    assert untouched(victim, FACT.encode())


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_that_leads_elsewhere_is_no_lock(tmp_path: Path, kind: str) -> None:
    state = tmp_path / "state"
    victim = put(kind, state / "reclaim.lock", b"precious")
    with only_one(str(tmp_path), state):  # by the filesystem's own folder
        pass
    with pytest.raises(NoLock), only_one(str(tmp_path / "nowhere"), state):
        pass
    assert untouched(victim, b"precious")


def test_either_lock_keeps_a_second_run_out(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    with only_one(str(one), tmp_path / "state"):
        for mountpoint, state in ((one, tmp_path / "state2"), (other, tmp_path / "state")):
            with pytest.raises(ReclaimBusy), only_one(str(mountpoint), state):
                pass
    with only_one(str(one), tmp_path / "state"):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_figures_that_may_be_another_s_are_not_believed(tmp_path: Path, kind: str) -> None:
    path = layer_cache.file_for(tmp_path / "state", "/")
    kept = LayerCache(7, {}, {1: 2}, (), (0, 0))
    assert layer_cache.save(path, kept)
    assert layer_cache.load(path) == kept
    content = path.read_bytes()
    path.unlink()
    victim = put(kind, path, content)
    assert layer_cache.load(path) == layer_cache.EMPTY
    assert untouched(victim, content)
    assert layer_cache.save(path, kept)  # in its place, not through it
    assert layer_cache.load(path) == kept
    assert kind == "another's" or untouched(victim, content)


def test_a_table_of_btrfs_behind_a_link_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    monkeypatch.setattr(trees, "_from_document", read.append)
    path = tmp_path / "btrfs-uuid.json"
    path.write_bytes(folders.sealed(b'"a table"'))
    trees.load(tmp_path, "uuid")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    trees.load(tmp_path, "uuid")
    assert read == ["a table"]


@pytest.mark.parametrize("kind", ["link", KINDS[-1]])
def test_the_end_of_a_log_is_not_laid_where_a_link_leads(tmp_path: Path, kind: str) -> None:
    state, elsewhere, live = tmp_path / "state", tmp_path / "elsewhere", tmp_path / "abc-json.log"
    live.write_bytes(b"secret")
    state.mkdir()
    elsewhere.mkdir()
    if kind == "link":
        (state / log_truncate.FOLDER).symlink_to(elsewhere)
    else:
        (state / log_truncate.FOLDER).mkdir()
        os.chown(state / log_truncate.FOLDER, 12345, 12345)
    act = log_truncate.truncate(live, state, "abc", 100)
    assert act.failed
    assert live.read_bytes() == b"secret"
    assert list(elsewhere.iterdir()) == []
    assert list((state / log_truncate.FOLDER).iterdir()) == []


def test_the_end_of_a_log_is_kept_whole_when_writes_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, live = os.write, tmp_path / "abc-json.log"
    live.write_bytes(b"0123456789")
    monkeypatch.setattr(os, "write", lambda fd, content: real(fd, content[:3]))
    assert log_truncate.truncate(live, tmp_path / "state", "abc", 100).removed
    (kept,) = (tmp_path / "state" / log_truncate.FOLDER).iterdir()
    assert kept.read_bytes() == b"0123456789"


def test_all_that_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    state, live = tmp_path / "state", tmp_path / "abc-json.log"
    live.write_bytes(b"the end")
    before = os.umask(0)
    try:
        with only_one(str(tmp_path), state):
            RunLog(state).begin([("s", "Remove it")], None)
        assert log_truncate.truncate(live, state, "abc", 100).removed
        assert layer_cache.save(layer_cache.file_for(state, "/"), layer_cache.EMPTY)
    finally:
        os.umask(before)
    files = [path for path in state.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert {mode(path) for path in files} == {0o600}
    assert {mode(path) for path in (state, state / log_truncate.FOLDER)} == {0o700}
    (state / NAME).chmod(0o644)  # as an earlier version may have left it
    RunLog(state).begin([("s", "Remove it")], None)
    assert mode(state / NAME) == 0o600
