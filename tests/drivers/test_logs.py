"""Logs: which files are a container's, what they take, and whether they rotate."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collectors.drivers import leftovers
from collectors.drivers.files import Rows
from collectors.model.store import ContainerLog
from tests.drivers.docker_root_trees import hex64, write

ONE = hex64("one")


def container(root: Path, driver: str = "json-file", **options: str) -> Path:
    folder = root / "containers" / ONE
    write(folder / "hostconfig.json", {"LogConfig": {"Type": driver, "Config": options}})
    return folder


def only(found: Rows[ContainerLog]) -> ContainerLog:
    assert found.broken == ()
    assert len(found.good) == 1
    return found.good[0]


def test_rotated_and_compressed_siblings_are_counted_current_file_first(tmp_path: Path) -> None:
    folder = container(tmp_path)
    names = ["", ".1", ".2.gz", ".10.gz"]
    for name in names:
        write(folder / f"{ONE}-json.log{name}", b"x" * 5000)
    write(folder / f"{ONE}-json.logger", b"x" * 5000)  # not one of them
    log = only(leftovers.docker_logs(tmp_path))
    assert [Path(path).name for path in log.paths] == [f"{ONE}-json.log{name}" for name in names]
    assert log.apparent_bytes == 4 * 5000
    assert log.allocated_bytes == 4 * 8192


def test_a_truncated_log_is_measured_in_blocks(tmp_path: Path) -> None:
    path = write(container(tmp_path) / f"{ONE}-json.log", b"")
    os.truncate(path, 1 << 30)
    log = only(leftovers.docker_logs(tmp_path))
    assert log.apparent_bytes == 1 << 30
    assert log.allocated_bytes == 0


def test_the_local_driver_and_the_cache_of_remote_ones_keep_files_elsewhere(tmp_path: Path) -> None:
    folder = container(tmp_path, "local")
    for name in ("container.log", "container.log.1.gz"):
        write(folder / "local-logs" / name, b"x")
    write(folder / "container-cached.log", b"x")
    log = only(leftovers.docker_logs(tmp_path))
    assert [Path(path).name for path in log.paths] == ["container-cached.log", "container.log", "container.log.1.gz"]
    assert log.driver == "local"


@pytest.mark.parametrize(
    ("driver", "options", "rotates"),
    [
        ("json-file", {}, False),
        ("json-file", {"max-file": "3"}, False),
        ("json-file", {"max-size": "-1"}, False),
        ("json-file", {"max-size": "10m"}, True),
        ("", {"max-size": "10m"}, True),
        ("local", {}, True),
        ("local", {"max-size": "-1"}, False),
    ],
)
def test_rotation_is_a_maximum_size_in_force(
    tmp_path: Path, driver: str, options: dict[str, str], rotates: bool
) -> None:
    container(tmp_path, driver, **options)
    log = only(leftovers.docker_logs(tmp_path))
    assert log.rotates is rotates
    assert log.driver == (driver or "json-file")


@pytest.mark.parametrize("driver", ["none", "journald", "syslog"])
def test_a_driver_that_keeps_no_file_has_no_row(tmp_path: Path, driver: str) -> None:
    container(tmp_path, driver)
    assert leftovers.docker_logs(tmp_path) == Rows((), ())


def test_a_container_without_a_configuration_is_named_not_guessed(tmp_path: Path) -> None:
    folder = tmp_path / "containers" / ONE
    write(folder / f"{ONE}-json.log", b"x")
    found = leftovers.docker_logs(tmp_path)
    assert found.good == ()
    assert found.broken == (f"{folder}: has no hostconfig.json",)


def test_a_link_in_place_of_a_log_counts_nothing(tmp_path: Path) -> None:
    folder = container(tmp_path)
    write(tmp_path / "elsewhere", b"x" * 100000)
    (folder / f"{ONE}-json.log").symlink_to(tmp_path / "elsewhere")
    assert only(leftovers.docker_logs(tmp_path)).allocated_bytes == 0


def test_an_engine_without_containers_has_no_logs(tmp_path: Path) -> None:
    assert leftovers.docker_logs(tmp_path) == Rows((), ())


def test_podmans_log_does_not_say_whether_it_rotates(tmp_path: Path) -> None:
    write(tmp_path / ONE / "userdata" / "ctr.log", b"x" * 100)
    log = only(leftovers.podman_logs(tmp_path))
    assert log.rotates is None
    assert log.apparent_bytes == 100
    assert log.driver == "k8s-file"
