"""Through which mount a filesystem is studied."""

from __future__ import annotations

import pytest

from collectors.model.filesystem import Mount
from collectors.system.mount_table import Places


def mount(number: int, root: str, mountpoint: str, device: str = "8:1") -> Mount:
    """Mount 1 is the first of all, and the others lie on it."""
    return Mount(number, 0 if number == 1 else 1, device, root, mountpoint, ("rw",), "ext4", "/dev/sda1", ("rw",))


HOST = mount(1, "/", "/")
BOUND = mount(2, "/var/lib/docker", "/var/lib/docker")  # what dockerd does to its own root


def home(path: str, *mounts: Mount) -> str:
    found = Places(mounts).home_of(path)
    assert found is not None
    return found.mountpoint


def test_a_root_that_is_bound_over_itself_is_studied_with_all_that_is_around_it() -> None:
    assert home("/var/lib/docker", HOST, BOUND) == "/"


def test_where_only_the_bind_is_mounted_there_is_nothing_wider() -> None:
    container = mount(1, "/", "/", "0:50")
    assert home("/host/docker", container, mount(2, "/var/lib/docker", "/host/docker")) == "/host/docker"


@pytest.mark.parametrize(
    "other",
    [mount(3, "/srv", "/mnt/srv"), mount(3, "/", "/mnt/other", "8:2"), mount(3, "/var/lib/dock", "/mnt/dock")],
    ids=["beside it", "another filesystem", "a name that begins alike"],
)
def test_a_mount_that_does_not_show_the_root_is_not_taken(other: Mount) -> None:
    assert home("/var/lib/docker", mount(1, "/", "/", "0:50"), BOUND, other) == "/var/lib/docker"


def test_a_mount_that_another_one_covers_is_not_taken() -> None:
    first, seen = mount(3, "/", "/data"), Mount(4, 3, "8:9", "/", "/data", ("rw",), "ext4", "/dev/b", ("rw",))
    assert home("/var/lib/docker", mount(1, "/", "/", "0:50"), first, seen, BOUND) == "/var/lib/docker"


def test_of_two_whole_views_the_one_that_the_path_is_below_is_taken() -> None:
    views = mount(1, "/", "/", "0:50"), mount(5, "/", "/backup-view"), mount(6, "/", "/data")
    assert home("/data/docker", *views) == "/data"


def test_a_disk_below_a_root_that_was_bound_over_itself_later_is_covered() -> None:
    disk = mount(2, "/", "/var/lib/docker/volumes", "8:2")
    bound = mount(3, "/var/lib/docker", "/var/lib/docker")  # without what was mounted below
    places = Places((mount(1, "/", "/"), disk, bound))
    assert places.mount_of("/var/lib/docker/volumes/data") is bound
    assert places.covered(bound) == ()
    on_top = Places(
        (mount(1, "/", "/"), bound, Mount(4, 3, "8:2", "/", disk.mountpoint, ("rw",), "ext4", "/dev/b", ()))
    )
    assert on_top.covered(bound) == ("/var/lib/docker/volumes",)
    assert places.disks_below("/var/lib/docker") == []
    assert on_top.disks_below("/var/lib/docker") == ["/var/lib/docker/volumes"]
    assert on_top.disks_below("/srv") == []


@pytest.mark.parametrize("path", ["/srv/db", "/dev/sdb", "/srv/db/deeper"], ids=["its mountpoint", "its name", "below"])
def test_the_disk_of_a_volume_is_found_by_directory_and_by_name(path: str) -> None:
    disk = Mount(2, 1, "8:16", "/", "/srv/db", ("rw",), "ext4", "/dev/sdb", ("rw",))
    assert Places((HOST, disk)).disk_of(path) is disk


@pytest.mark.parametrize("path", ["/dev/sdc", "/srv/share"], ids=["not mounted", "another machine's"])
def test_what_is_on_no_disk_here_is_none(path: str) -> None:
    devices = Mount(2, 1, "0:5", "/", "/dev", ("rw",), "devtmpfs", "udev", ("rw",))
    share = Mount(3, 1, "0:60", "/", "/srv/share", ("rw",), "nfs4", "nas:/export", ("rw",))
    assert Places((HOST, devices, share)).disk_of(path) is None
