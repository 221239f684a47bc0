"""The small parts of a run: its log, what may not be disturbed, an emptied log file, commands, keep rules."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.causes import base
from collectors.causes.logs_unbounded import remove as log_truncate
from collectors.filesystems import freeing as btrfs_changes
from collectors.model import Owner, OwnerKind
from collectors.model.settings import Rules, from_table, has_label, image_names, matches
from collectors.reclaim.preconditions import ingests, moment, writers
from collectors.reclaim.run import earlier_run
from collectors.reclaim.run_log import NAME, RunLog, unfinished
from collectors.reclaim.tree import remove_tree


def test_a_run_that_ended_left_nothing_to_explain(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.begin([("s", "Remove it")], None)
    log.means("s", Owner(OwnerKind.IMAGE, "a"), ("app:1",))
    log.did("s", Owner(OwnerKind.IMAGE, "a"), True, "")
    assert "1 thing was removed" in earlier_run(tmp_path)
    log.end("all done")
    assert unfinished(tmp_path) is None
    assert earlier_run(tmp_path) == ""
    assert log.problem == ""


def test_a_log_cut_at_any_byte_still_tells_a_run_that_never_ended(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.begin([("s", "Remove it")], 70.0)
    begun = (tmp_path / NAME).stat().st_size
    log.means("s", Owner(OwnerKind.IMAGE, "a"), ("app:1", "app:2"))
    log.did("s", Owner(OwnerKind.IMAGE, "a"), True, "")
    log.means("s", Owner(OwnerKind.IMAGE, "b"))
    whole = (tmp_path / NAME).read_bytes()
    for cut in range(begun, len(whole) + 1):
        (tmp_path / NAME).write_bytes(whole[:cut])
        found = unfinished(tmp_path)
        assert found is not None
        assert found.removed_count in (0, 1)
        assert found.target in (Owner(OwnerKind.IMAGE, "a"), Owner(OwnerKind.IMAGE, "b"), None)
    assert earlier_run(tmp_path).count("image:b") == 1
    (tmp_path / NAME).write_bytes(whole[: begun - 5] + b"\n" + os.urandom(200) + b"\n[1]\n")
    assert unfinished(tmp_path) is None


def test_a_log_with_an_owner_that_another_version_knows_is_read_without_it(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.begin([("s", "x")], None)
    log.means("s", Owner(OwnerKind.VOLUME, "v"))
    path = tmp_path / NAME
    path.write_text(path.read_text().replace("volume:v", "planet:mars"))
    found = unfinished(tmp_path)
    assert found is not None
    assert (found.target, found.step_title) == (None, "x")


def test_a_log_after_a_torn_line_is_read_on(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b'{"v":1,"what":"beg')
    log = RunLog(tmp_path)
    log.begin([("s", "x")], None)
    log.means("s", Owner(OwnerKind.VOLUME, "v"))
    found = unfinished(tmp_path)
    assert found is not None
    assert found.target == Owner(OwnerKind.VOLUME, "v")


def test_a_log_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, where a folder is wanted")
    log = RunLog(tmp_path / "state")
    log.begin([("s", "x")], None)
    log.end("all done")
    assert "could not be written" in log.problem
    assert unfinished(tmp_path / "state") is None


def test_what_the_engine_is_writing_is_seen_until_it_rests_for_long(tmp_path: Path) -> None:
    root = tmp_path / "docker"
    root.mkdir()
    assert writers(root, 3600) == ""
    write = root / "image/overlay2/layerdb/tmp/write-set-1"
    write.mkdir(parents=True)
    assert writers(root, 3600) == "a layer is being written"
    hours_ago = time.time() - 7200
    os.utime(write, (hours_ago, hours_ago))
    assert writers(root, 3600) == ""
    (write / "diff").write_text("still at it")
    os.utime(write, (hours_ago, hours_ago))
    assert writers(root, 3600) == "a layer is being written"
    assert writers(tmp_path / "nowhere", 3600) is None


def test_a_content_store_that_cannot_be_read_is_not_an_idle_one(tmp_path: Path) -> None:
    assert ingests((tmp_path / "nowhere",)) is None
    store = tmp_path / "containerd"
    store.mkdir()
    assert ingests((tmp_path / "nowhere", store)) == ""
    ingest = store / "io.containerd.content.v1.content/ingest/1"
    ingest.mkdir(parents=True)
    assert ingests((store,)) == "an image is being pulled or loaded"
    hours_ago = time.time() - 7200
    os.utime(ingest, (hours_ago, hours_ago))
    assert ingests((store,)) == ""


def test_a_log_is_emptied_in_place_with_its_end_kept_and_its_siblings_gone(tmp_path: Path) -> None:
    home = tmp_path / "containers/abc"
    home.mkdir(parents=True)
    live = home / "abc-json.log"
    live.write_bytes(b"x" * 5000 + b"the end")
    for name in ("abc-json.log.1", "abc-json.log.2.gz", "abc-json.log.note"):
        (home / name).write_text("old")
    inode = live.stat().st_ino
    assert log_truncate.live_log(tmp_path, "abc") == live
    act = log_truncate.truncate(live, tmp_path / "state", "abc", 7)
    assert act.removed
    assert (live.stat().st_size, live.stat().st_ino) == (0, inode)
    (kept,) = (tmp_path / "state" / log_truncate.FOLDER).iterdir()
    assert kept.read_bytes() == b"the end"
    assert kept.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in home.iterdir()) == ["abc-json.log", "abc-json.log.note"]


def test_a_log_whose_end_cannot_be_kept_is_not_emptied(tmp_path: Path) -> None:
    live = tmp_path / "abc-json.log"
    live.write_bytes(b"evidence")
    (tmp_path / "state").write_text("a file, where a folder is wanted")
    act = log_truncate.truncate(live, tmp_path / "state", "abc", 100)
    assert act.failed
    assert live.read_bytes() == b"evidence"


def test_a_link_in_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    home = tmp_path / "containers/abc"
    home.mkdir(parents=True)
    (home / "abc-json.log").symlink_to(victim)
    assert log_truncate.live_log(tmp_path, "abc") is None
    assert not log_truncate.truncate(home / "abc-json.log", tmp_path / "state", "abc", 10).removed
    assert victim.read_bytes() == b"precious"


@given(st.lists(st.text(st.characters(exclude_characters="\x00", codec="utf-8")), min_size=1, max_size=4))
def test_a_command_is_one_line_and_a_shell_reads_its_words_back(words: list[str]) -> None:
    line = base.command(*words)
    assert line.isprintable()
    script = f"printf '%s\\0' {line}"
    read = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert read.split(b"\0")[:-1] == [word.encode() for word in words]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"lables": []}, "no such rule"),
        ({"labels": "a=b"}, "a list of strings"),
        ({"image_age_s": -1}, "a number from 0"),
        ({"image_age_s": True}, "a number from 0"),
        ({"images": [1]}, "a list of strings"),
    ],
)
def test_a_wrong_keep_rule_is_named(table: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        from_table(table)
    assert next(iter(table)) in str(error.value)


def test_keep_rules_come_from_the_configuration() -> None:
    rules = from_table({"labels": ["team=shop", "pinned"], "images": ["base:*"], "image_age_s": 60, "log_bytes": 5})
    assert rules == Rules(labels=("team=shop", "pinned"), images=("base:*",), image_age_s=60.0, log_bytes=5)
    assert has_label({"pinned": "whatever"}, rules) == "pinned"
    assert has_label({"team": "other"}, rules) == ""


def test_an_image_pattern_matches_tag_repository_digest_and_id() -> None:
    names = image_names(("localhost:5000/shop/app:1",), ("shop/app@sha256:d",), "sha256:abc")
    for pattern in ("localhost:5000/shop/app:1", "localhost:5000/shop/*", "shop/app", "abc", "sha256:a*", "*:1"):
        assert matches(names, (pattern,)) == pattern
    assert matches(names, ("app",)) == ""


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2025-03-01T10:00:00.123456789Z", 2025),
        ("2025-03-01T10:00:00+02:00", 2025),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        (None, None),
        (17, None),
    ],
)
def test_an_engine_s_never_is_no_moment(text: object, year: int | None) -> None:
    found = moment(text)
    assert (found.year if found else None) == year


def test_a_tree_of_any_depth_goes_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    top = tmp_path / "tree"
    top.mkdir()
    (top / "link").symlink_to(outside)
    (top / "wide").mkdir()
    for number in range(300):
        (top / "wide" / str(number)).mkdir()
        (top / "wide" / str(number) / "file").write_text("y")
    fd = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=fd)
        os.symlink("/", "root", dir_fd=fd)
        inner = os.open("deep", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    remove_tree(top)
    assert not top.exists()
    assert (outside / "precious").read_text() == "x"


def test_a_link_in_place_of_a_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        remove_tree(tmp_path / "link")
    assert (tmp_path / "real").is_dir()


def test_a_directory_of_another_filesystem_is_no_subvolume(tmp_path: Path) -> None:
    assert not btrfs_changes.is_subvolume(tmp_path)
    assert not btrfs_changes.is_subvolume(tmp_path / "nowhere")
    (tmp_path / "link").symlink_to(tmp_path)
    assert not btrfs_changes.is_subvolume(tmp_path / "link")


def test_a_run_log_line_is_json_whatever_the_names_are(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.begin([("s", 'a "title"\n## Escalation')], None)
    log.means("s", Owner(OwnerKind.VOLUME, "\x1b[31m\n"), ('x"\n',))
    lines = (tmp_path / NAME).read_text().split("\n")[1:-1]
    assert [json.loads(line)["what"] for line in lines] == ["begin", "means"]
