"""One directory at a time, as it is on the disk: read by a child, never through a link."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from collectors.model import UnitId
from collectors.model.reading import Exact
from collectors.model.store import UnitKind
from collectors.pipeline.browse import Browse, DirectoryListing, FileEntry, places
from tests.ledger.build import HERE, occupancy, share, snapshot, study, unit
from tests.owners import owner

KIB = 1 << 10


def listed(path: Path, *inside: str) -> DirectoryListing:
    """What is known in the end."""
    told: list[DirectoryListing] = []
    Browse(str(path), inside).run(told.append)
    return told[-1]


def named(found: DirectoryListing) -> dict[str, FileEntry]:
    return {one.name: one for one in found.entries}


def used(path: Path) -> int:
    return path.lstat().st_blocks * 512


def test_files_have_their_own_sizes_and_directories_those_of_all_below(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep").write_bytes(b"x" * 100 * KIB)
    (tmp_path / "a" / "near").write_bytes(b"x" * 5000)
    (tmp_path / "file").write_bytes(b"x" * 20 * KIB)
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 30)
    found = listed(tmp_path)
    assert found.whole
    assert found.reason == ""
    entries = named(found)
    below = [tmp_path / "a", tmp_path / "a" / "near", tmp_path / "a" / "b", tmp_path / "a" / "b" / "deep"]
    assert entries["a"].allocated_bytes == sum(map(used, below))
    assert (entries["a"].apparent_bytes, entries["a"].entries_count) == (100 * KIB + 5000, 3)
    assert (entries["file"].kind, entries["file"].apparent_bytes) == ("file", 20 * KIB)
    assert entries["sparse"].apparent_bytes == 1 << 30
    assert entries["sparse"].allocated_bytes == used(tmp_path / "sparse")
    assert set(named(listed(tmp_path, "a", "b"))) == {"deep"}


def test_a_file_under_two_names_is_counted_once(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "one").write_bytes(b"x" * 64 * KIB)
    os.link(tmp_path / "a" / "one", tmp_path / "b" / "two")
    counted = sum(one.apparent_bytes or 0 for one in listed(tmp_path).entries)
    assert counted == 64 * KIB


def test_a_link_is_shown_and_not_followed_also_where_a_directory_was(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "secret").touch()
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "way").symlink_to(tmp_path / "real")
    assert named(listed(tmp_path / "thing"))["way"].kind == "link"
    refused = listed(tmp_path / "thing", "way")
    assert refused.entries == ()
    assert not refused.whole
    assert refused.reason


def test_a_name_that_is_no_text_is_listed_and_opened(tmp_path: Path) -> None:
    strange = os.fsdecode(b"\xff\x1b[31m")
    (tmp_path / strange).mkdir()
    (tmp_path / strange / "inside").touch()
    assert strange in named(listed(tmp_path))
    assert set(named(listed(tmp_path, strange))) == {"inside"}


def test_one_file_is_a_list_of_one(tmp_path: Path) -> None:
    (tmp_path / "x-json.log").write_bytes(b"x" * 999)
    (only,) = listed(tmp_path / "x-json.log").entries
    assert (only.name, only.apparent_bytes) == ("x-json.log", 999)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert "No such file" in listed(tmp_path / "gone").reason


def test_somebody_who_looks_away_is_not_kept_waiting(tmp_path: Path) -> None:
    browse = Browse(str(tmp_path), ())
    thread = threading.Thread(target=browse.run, args=(lambda _: None,))
    thread.start()
    browse.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_an_image_lies_in_its_layers_and_a_directory_where_it_is() -> None:
    units = (
        unit("base", UnitKind.IMAGE_LAYER, "image:a", "image:b"),
        unit("top", UnitKind.IMAGE_LAYER, "image:a"),
        unit("other", UnitKind.IMAGE_LAYER, "image:b"),
        unit("v", UnitKind.VOLUME, "volume:v"),
    )
    held = occupancy((share(10, "base"), share(90, "top"), share(5, "v")))
    seen = snapshot(study(units, Exact(held, HERE), used=105))
    assert [(one.name, one.allocated_bytes) for one in places(seen, owner("image:a"))] == [("top", 90), ("base", 10)]
    assert [one.path for one in places(seen, owner("volume:v"))] == ["/d/v/_data"]
    assert [one.path for one in places(seen, owner("path:/srv/x"))] == ["/srv/x"]
    assert [one.name for one in places(seen, owner(f"unit:{UnitId('other')}"))] == ["other"]
    assert places(seen, owner("image:unknown")) == ()
