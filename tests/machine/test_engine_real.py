"""What is read from real engines is what their own client says, and a frozen one costs no more than the deadline."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.engine import endpoint, view
from collectors.model.engine import EngineView, ImageStore
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import this_host
from tests.lab import Lab, shared
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

ENGINES = [
    ("20.10", "overlay2"),
    ("20.10", "btrfs"),
    ("26.1", "overlay2"),
    ("28.5", "containerd"),
]
UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}


@pytest.fixture(scope="module", params=ENGINES, ids="-".join)
def lab(request: pytest.FixtureRequest) -> Lab:
    require_machine()
    version, driver = request.param
    return shared.everyday(driver, version)


def look(lab: Lab, deadline_s: float = 20) -> EngineView:
    return view(endpoint(lab.host, {}, Path("/nowhere")), this_host(), deadline_s=deadline_s)


def value(reading: Any) -> Any:
    assert isinstance(reading, Exact), reading
    return reading.value


def inspect(lab: Lab, kind: str, ids: list[str], *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lab.docker(kind, "inspect", *options, *ids))
    return found


def test_the_engine_is_the_one_that_was_started_and_is_here(lab: Lab) -> None:
    seen = look(lab)
    info = json.loads(lab.docker("info", "--format", "{{json .}}"))
    found = value(seen.engine)
    assert (found.id, found.root, found.driver) == (info["ID"], str(lab.docker_root), info["Driver"])
    assert found.version == info["ServerVersion"]
    assert (found.image_store is ImageStore.CONTAINERD) == (lab.driver == "containerd")
    assert value(seen.local) is True


def test_images_are_as_inspected(lab: Lab) -> None:
    found = {image.id: image for image in value(look(lab).images)}
    said = inspect(lab, "image", list(found))
    assert len(said) == len(found) >= 5
    for reply in said:
        image = found[reply["Id"]]
        assert sorted(image.tags) == sorted(tag for tag in reply["RepoTags"] or () if not tag.startswith("<none>"))
        assert list(value(image.diff_ids)) == reply["RootFS"]["Layers"]
        if lab.driver != "containerd":  # there, the two count differently
            assert value(image.size) == reply["Size"]
        assert 0 <= value(image.shared) <= value(image.size)


def test_containers_are_as_inspected(lab: Lab) -> None:
    found = {item.id: item for item in value(look(lab).containers)}
    said = inspect(lab, "container", list(found), "--size")
    assert len(said) == len(found) >= 4
    for reply in said:
        item = found[reply["Id"]]
        assert item.name == reply["Name"].removeprefix("/")
        assert item.state == reply["State"]["Status"]
        assert value(item.writable) == reply["SizeRw"]
        assert value(item.rootfs) == reply["SizeRootFs"]
        if reply["State"]["Running"]:
            assert value(item.pid) == reply["State"]["Pid"]
            assert Path(f"/proc/{value(item.pid)}").exists()
        if reply["LogPath"]:
            assert Path(value(item.log_path)).is_file()
        if lab.driver == "overlay2":
            assert Path(value(item.layer_path)).is_dir()
        assert {mount.volume for mount in item.attachments} == {mount.get("Name", "") for mount in reply["Mounts"]}


def test_volumes_are_as_large_as_their_files(lab: Lab) -> None:
    volumes = value(look(lab).volumes)
    assert len(volumes) >= 2
    for volume in volumes:
        files = [path for path in Path(volume.mountpoint).rglob("*") if path.is_file()]
        assert value(volume.size) == sum(path.stat().st_size for path in files)
    assert {volume.anonymous for volume in volumes} == {True, False}


def test_the_totals_are_those_of_the_engines_own_disk_usage(lab: Lab) -> None:
    """By the client's formulas; it prints four digits."""
    seen = look(lab)
    said = {
        row["Type"]: row for row in map(json.loads, lab.docker("system", "df", "--format", "{{json .}}").splitlines())
    }
    ours = {
        "Images": value(seen.layers_size),
        "Containers": sum(value(item.writable) for item in value(seen.containers)),
        "Local Volumes": sum(value(volume.size) for volume in value(seen.volumes)),
        "Build Cache": sum(value(item.size) for item in value(seen.build_cache) if not item.shared),
    }
    for kind, bytes_ in ours.items():
        assert bytes_ == pytest.approx(parsed(said[kind]["Size"]), rel=0.002), kind
    assert {kind: int(row["TotalCount"]) for kind, row in said.items()} == {
        "Images": len(value(seen.images)),
        "Containers": len(value(seen.containers)),
        "Local Volumes": len(value(seen.volumes)),
        "Build Cache": len(value(seen.build_cache)),
    }


def test_a_frozen_engine_costs_the_deadline_and_names_it(lab: Lab) -> None:
    lab.freeze_engine()
    try:
        began = time.monotonic()
        seen = look(lab, 2)
        assert time.monotonic() - began < 3
    finally:
        lab.thaw_engine()
    assert isinstance(seen.images, Unavailable)
    assert (seen.images.why, seen.images.detail) == (Why.TIMED_OUT, "no answer in 2 s")
    assert isinstance(look(lab).images, Exact)


def test_an_engine_that_freezes_while_it_answers_keeps_what_it_said(lab: Lab) -> None:
    came: list[str] = []

    def freeze_after_the_first(part: Any, _: Any) -> None:
        if not came:
            lab.freeze_engine()
        came.append(part.value)

    try:
        began = time.monotonic()
        where = endpoint(lab.host, {}, Path("/nowhere"))
        seen = view(where, this_host(), deadline_s=2, on_part=freeze_after_the_first)
        assert time.monotonic() - began < 3
    finally:
        lab.thaw_engine()
    assert isinstance(getattr(seen, came[0]), Exact)


def test_a_frozen_engine_is_not_made_to_remember_us(lab: Lab) -> None:
    """Twenty asks of a stopped engine: afterwards it is as it was, and so are we."""

    def held() -> int:
        return len(os.listdir("/proc/self/fd"))

    look(lab)
    before, engines_before = held(), len(os.listdir(f"/proc/{lab.pid}/fd"))
    lab.freeze_engine()
    try:
        for _ in range(20):
            look(lab, 0.1)
    finally:
        lab.thaw_engine()
    assert isinstance(look(lab).engine, Exact)
    assert held() == before
    assert settles(lambda: len(os.listdir(f"/proc/{lab.pid}/fd")) <= engines_before + 4)


def settles(true: Callable[[], bool]) -> bool:
    for _ in range(100):
        if true():
            return True
        time.sleep(0.05)
    return False


def parsed(size: str) -> float:
    found = re.fullmatch(r"([\d.]+)([A-Za-z]+)", size)
    assert found is not None, size
    return float(found[1]) * UNITS[found[2]]
