"""What a walk is told: where in the tree each unit lies, however the filesystem is mounted."""

from __future__ import annotations

from pathlib import Path

from collectors.model.filesystem import Mount
from collectors.system.occupancy import targets
from tests.system.walking import a_mount, a_unit

ROOT = a_mount(1, 0, "/")


def placed(path: str, mountpoint: str, *mounts: Mount) -> tuple[str, str | None] | None:
    aims = targets(mountpoint, (a_unit(Path(path)),), mounts)
    assert aims is not None
    return aims.units[0]


def test_a_unit_on_the_mount_itself_lies_below_its_mountpoint() -> None:
    assert placed("/var/lib/docker/x", "/", ROOT) == ("/var/lib/docker/x", "var/lib/docker/x")
    assert placed("/", "/", ROOT) == ("/", "")


def test_a_unit_seen_through_a_bind_mount_lies_where_the_filesystem_has_it() -> None:
    bind = a_mount(2, 1, "/var/lib/docker", root="/data/docker")
    assert placed("/var/lib/docker/x", "/", ROOT, bind) == ("/var/lib/docker/x", "data/docker/x")


def test_a_unit_outside_the_part_that_is_mounted_is_looked_up_by_its_path() -> None:
    part = a_mount(2, 1, "/mnt", root="/data")
    assert placed("/srv/x", "/mnt", ROOT, part) == ("/srv/x", None)
    assert placed("/data/x", "/mnt", ROOT, part) == ("/data/x", "x")


def test_a_unit_on_another_local_filesystem_may_be_a_link_back_and_is_looked_up() -> None:
    assert placed("/srv/x", "/", ROOT, a_mount(2, 1, "/srv", device="8:2")) == ("/srv/x", None)


def test_a_unit_on_a_filesystem_that_may_not_answer_is_not_touched() -> None:
    for fstype in ("nfs4", "fuse.sshfs", "cifs", "9p"):
        assert placed("/srv/x", "/", ROOT, a_mount(2, 1, "/srv", device="0:50", fstype=fstype)) is None


def test_a_unit_without_a_path_is_not_looked_for() -> None:
    assert placed("", "/", ROOT) is None


def test_mounts_cover_directories_and_an_engines_mount_onto_itself_covers_none() -> None:
    aims = targets(
        "/",
        (),
        (
            ROOT,
            a_mount(2, 1, "/proc", device="0:4"),
            a_mount(3, 1, "/var/lib/docker/overlay2", root="/var/lib/docker/overlay2"),
            a_mount(4, 3, "/var/lib/docker/overlay2/x/merged", device="0:60"),
            a_mount(5, 1, "/mnt", root="/data"),
            a_mount(6, 5, "/mnt/deeper", device="8:2"),
        ),
    )
    assert aims is not None
    assert aims.covered == ("mnt", "proc", "var/lib/docker/overlay2/x/merged")


def test_a_mountpoint_that_no_mount_holds_is_no_target() -> None:
    assert targets("/", (), ()) is None


def test_only_units_that_hold_no_other_are_remembered() -> None:
    units = tuple(a_unit(Path(path), immutable=True) for path in ("/a", "/a-b", "/a/b", "/c"))
    aims = targets("/", units, (ROOT,))
    assert aims is not None
    assert aims.immutable == {1, 2, 3}
