"""The mount table: what is decoded from it, and which filesystem a path is on."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import Host, Malformed, this_host
from collectors.system.mount_table import filesystem_of, host_view_from_container, path_within
from collectors.system.mountinfo import mounts, parse
from tests.system.walking import a_mount

CONTAINER = "0123456789abcdef" * 4
IN_A_CONTAINER = f"""\
622 571 0:45 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/d/l/A:/d/l/B,upperdir=/d/overlay2/c/diff
623 622 0:49 / /proc rw,nosuid - proc proc rw
640 622 254:0 /var/lib/docker/containers/{CONTAINER}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw
641 622 254:0 /var/lib/docker/containers/{CONTAINER}/hostname /etc/hostname rw - ext4 /dev/vda rw
""".encode()


def a_host(proc: Path) -> Host:
    return Host("h", Path("/"), proc, Path("/sys"), Path("/dev"), None, None)


def test_optional_fields_may_be_none_or_many() -> None:
    none, many = parse(
        b"21 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
        b"22 21 0:5 /a /b ro shared:1 master:2 propagate_from:3 unbindable - tmpfs  rw,size=4k\n"
    )
    assert (none.mount_id, none.parent_id, none.device, none.fstype) == (21, 1, "254:0", "ext4")
    assert none.super_options == ("rw", "discard")
    assert (many.root, many.mountpoint, many.options, many.source) == ("/a", "/b", ("ro",), "")


def test_names_come_back_as_they_are_on_the_disk() -> None:
    (mount,) = parse(b"21 1 8:1 / /a\\040b\\011c\\012d\\134e\\043f\\303\\050 rw - ext4 /dev/x rw\n")
    assert mount.mountpoint == "/a b\tc\nd\\e#f\udcc3("


def test_a_carriage_return_in_a_name_ends_no_line() -> None:
    """The kernel escapes blank, tab, newline, backslash, hash; whoever may mount could else blind the whole table."""
    (mount,) = parse(b"21 1 8:1 / /a\rb\x0bc rw - ext4 /dev/x rw\n")
    assert mount.mountpoint == "/a\rb\x0bc"


def test_what_is_no_byte_is_no_escape() -> None:
    (mount,) = parse(b"21 1 8:1 / /a\\440 rw - ext4 /dev/x rw\n")
    assert mount.mountpoint == "/a\\440"


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\x00",
        b"21 1 8:1 / / rw",
        b"21 1 8:1 / / rw - ext4",
        b"x 1 8:1 / / rw - a b c",
        b"9" * 5000 + b" 1 8:1 / / rw - a b c",
    ],
)
def test_a_line_that_is_not_understood_is_malformed_and_not_skipped(line: bytes) -> None:
    with pytest.raises(Malformed):
        parse(b"21 1 254:0 / / rw - ext4 /dev/vda rw\n" + line)


def test_the_table_of_this_machine_is_read(tmp_path: Path) -> None:
    reading = mounts(this_host(), timeout_s=2)
    assert isinstance(reading, Exact)
    assert any(mount.mountpoint == "/" for mount in reading.value)
    unread = mounts(a_host(tmp_path), timeout_s=2)
    assert isinstance(unread, Unavailable)
    assert unread.why is Why.NOT_REACHABLE


def test_a_path_is_on_the_mount_that_the_kernel_would_cross_to_whatever_the_order_of_the_table() -> None:
    table = (
        a_mount(22, 27, "/proc", device="0:21", fstype="proc"),
        a_mount(27, 1, "/", device="8:1"),
        a_mount(30, 27, "/var/lib", device="8:2"),
        a_mount(31, 30, "/var/lib/docker", device="8:3"),
    )
    for order in (table, table[::-1]):
        assert [filesystem_of(Path(path), order) for path in ("/proc/1", "/var", "/var/lib/docker-old/x")] == [
            table[0],
            table[1],
            table[2],
        ]
        assert filesystem_of(Path("/var/lib/docker"), order) == table[3]


def test_a_later_mount_above_hides_an_earlier_one_below_it() -> None:
    root, deep, over = a_mount(1, 0, "/"), a_mount(2, 1, "/a/b", device="8:2"), a_mount(3, 1, "/a", device="8:3")
    assert filesystem_of(Path("/a/b/c"), (root, deep, over)) == over


def test_of_mounts_on_one_place_the_last_is_seen() -> None:
    root, first, second = a_mount(1, 1, "/"), a_mount(2, 1, "/a", device="8:2"), a_mount(3, 2, "/a", device="8:3")
    assert filesystem_of(Path("/a/x"), (root, first, second)) == second


def test_a_table_without_a_root_places_nothing() -> None:
    assert filesystem_of(Path("/a"), ()) is None


def test_a_path_within_the_filesystem_counts_from_its_own_root() -> None:
    bind = a_mount(3, 1, "/mnt", root="/data/x")
    assert path_within("/mnt", bind) == "/data/x"
    assert path_within("/mnt/a/b", bind) == "/data/x/a/b"
    assert path_within("/a", a_mount(1, 0, "/")) == "/a"


def test_in_a_container_the_hosts_filesystem_is_found_behind_etc_hostname() -> None:
    view = host_view_from_container(this_host(), parse(IN_A_CONTAINER))
    assert isinstance(view, Exact)
    assert view.value.path == "/etc/hostname"
    assert view.value.container_id == CONTAINER
    assert (view.value.device, view.value.source, view.value.docker_root) == ("254:0", "/dev/vda", "/var/lib/docker")


def test_podmans_containers_are_recognised_as_well() -> None:
    """Their hostname lies where Podman keeps what ends with the boot, on a disk that says nothing of the images'."""
    root = f"/containers/overlay-containers/{CONTAINER}/userdata/hostname"
    view = host_view_from_container(this_host(), (a_mount(5, 1, "/etc/hostname", root=root),))
    assert isinstance(view, Exact)
    assert (view.value.container_id, view.value.path) == (CONTAINER, "/")


def test_on_a_host_there_is_no_container_to_name() -> None:
    view = host_view_from_container(this_host(), (a_mount(1, 0, "/"), a_mount(2, 1, "/etc/hostname", root="/x")))
    assert isinstance(view, Unavailable)
    assert view.why is Why.NOT_APPLICABLE
