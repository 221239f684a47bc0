"""Other engines and former roots on the same filesystem: named with what is in them, and with whom to ask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collectors.causes import other_stores
from collectors.model.store import UnitKind
from tests.bench.explain import preflight
from tests.lab import Lab
from tests.lab.client import Client
from tests.lab.commands import run
from tests.lab.engine import Engine, Place
from tests.lab.messes._write import MIB, random_file
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine

pytestmark = pytest.mark.machine

FORMER, OTHER = UnitKind.FORMER_ROOT.value, UnitKind.OTHER_ENGINE.value
SNAPSHOTTERS = {"overlayfs": 2 * MIB, "native": 3 * MIB, "btrfs": 5 * MIB}
SIDE = 9 * MIB
CONTAINERD = """version = 2
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{socket}"
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A lab, and whom it shares its filesystem with."""

    lab: Lab
    second: Engine
    containerd: Path


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    require_machine()
    with Lab.up(driver="btrfs", mess="empty", size_mib=1024) as lab:
        lab.import_image("ours:1", {"ours": 3 * MIB})
        second = an_engine(lab, "second", lab.mount / "second")
        pods = a_containerd(lab)
        beside(lab, pods, *SNAPSHOTTERS)
        client = Client(f"unix://{second.place.socket}", second.place.base)
        client.import_image("theirs:1", {"theirs": 41 * MIB})
        client.docker("volume", "create", "ledger")
        random_file(second.place.data_root / "volumes/ledger/_data/dump", 12 * MIB)
        yield Crowd(lab, second, pods)
        second.stop()


def an_engine(lab: Lab, name: str, root: Path) -> Engine:
    base = lab.base / name
    base.mkdir()
    root.mkdir(exist_ok=True)
    engine = Engine(Place(base, root), lab._engine.record, lab.engine, lab.driver)
    engine.start()
    lab._engine.record = engine.record
    return engine


def a_containerd(lab: Lab) -> Path:
    """It keeps an image for Kubernetes; gives back its root."""
    base, root = lab.base / "containerd", lab.mount / "pods"
    base.mkdir()
    socket, config, image = base / "c.sock", base / "config.toml", base / "image.tar"
    config.write_text(CONTAINERD.format(root=root, state=base / "state", socket=socket))
    lab.spawn("containerd", "--config", str(config))
    lab.import_image("pause:1", {"pause": 23 * MIB})
    lab.docker("save", "--output", str(image), "pause:1")
    lab.docker("rmi", "pause:1")
    end = time.monotonic() + 30
    while not socket.exists() and time.monotonic() < end:
        time.sleep(0.05)
    run("ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", "--all-platforms", image)
    return root


def beside(lab: Lab, pods: Path, *snapshotters: str) -> None:
    """One client for each snapshotter: an image unpacked by it, and a container that wrote into its layer."""
    image = lab.base / "containerd/side.tar"
    lab.import_image("side:1", {"side": SIDE})
    lab.docker("save", "--output", str(image), "side:1")
    lab.docker("rmi", "side:1")
    for snapshotter in snapshotters:
        asked = ("ctr", "--address", lab.base / "containerd/c.sock", "--namespace", f"by-{snapshotter}")
        run(*asked, "images", "import", "--all-platforms", "--snapshotter", snapshotter, image)
        run(*asked, "containers", "create", "--snapshotter", snapshotter, "docker.io/library/side:1", "c1")
        folder = pods / f"io.containerd.snapshotter.v1.{snapshotter}"
        top = max(folder.glob("[as]*/[0-9]*"), key=lambda path: int(path.name))
        random_file(top / ("fs/own" if snapshotter == "overlayfs" else "own"), SNAPSHOTTERS[snapshotter])


def finding(document: dict[str, Any], rule: str) -> dict[str, Any]:
    (found,) = [one for one in document["findings"] if one["rule"] == rule]
    return dict(found)


def item(document: dict[str, Any], name: str, category: str) -> dict[str, Any]:
    (found,) = [one for one in document["items"][category] if name in one["name"] and one["state"] in (FORMER, OTHER)]
    return dict(found)


def about(size: int, mib: int) -> bool:
    return mib * MIB <= size <= (mib + 1) * MIB


def test_a_second_engine_and_a_containerd_are_named_with_whom_to_ask(crowd: Crowd) -> None:
    document = preflight(crowd.lab)
    found = finding(document, other_stores.ENGINE_ID)
    assert crowd.second.process is not None
    assert f"dockerd (pid {crowd.second.process.pid})" in found["title"]
    assert f"containerd {crowd.containerd}" in found["title"]
    assert f"docker -H unix://{crowd.second.place.socket} system df" in found["remedy"]
    assert "--namespace k8s.io images ls" in found["remedy"]
    assert "crictl rmi --prune" in found["remedy"]
    assert about(item(document, "image theirs:1", "other_files")["bytes"], 41)
    assert about(item(document, "volume ledger", "other_files")["bytes"], 12)
    assert item(document, "image k8s.io/docker.io/library/pause:1", "other_files")["bytes"] >= 23 * MIB
    assert found["bytes"] >= (41 + 12 + 23) * MIB
    unattributed = next(row["bytes"] for row in document["ledger"] if row["category"] == "unattributed")
    assert abs(unattributed) <= document["filesystem"]["used_bytes"] / 1000


@pytest.mark.parametrize("snapshotter", SNAPSHOTTERS)
def test_each_snapshotter_of_one_containerd_is_measured_with_whose_it_is(crowd: Crowd, snapshotter: str) -> None:
    """Of the one image compressed once, unpacked once by each."""
    document = preflight(crowd.lab)
    image = item(document, f"image by-{snapshotter}/docker.io/library/side:1", "other_files")
    assert 2 * SIDE <= image["bytes"] <= 2 * SIDE + MIB
    layer = item(document, f"container by-{snapshotter}/c1", "other_files")
    # One copies the whole image, one shares its bytes with it, one holds what was written alone.
    below = 0 if snapshotter == "overlayfs" else SIDE
    assert layer["bytes"] == pytest.approx(SNAPSHOTTERS[snapshotter] + below, abs=MIB // 4)


def test_a_root_that_no_engine_runs_on_is_a_former_one_and_is_never_removed(crowd: Crowd) -> None:
    crowd.second.stop()
    try:
        document = preflight(crowd.lab)
    finally:
        crowd.second.start()
    found = finding(document, other_stores.FORMER_ID)
    assert f"Docker root {crowd.second.place.data_root}, with 1 image and 1 volume" in found["title"]
    assert "for a person" in found["remedy"]
    assert about(item(document, "image theirs:1", "docker_other")["bytes"], 41)
    assert about(item(document, "volume ledger", "docker_other")["bytes"], 12)
    assert not any(str(crowd.second.place.data_root) in step["command"] for step in document["plan"])


def test_what_a_root_was_before_user_namespaces_is_a_former_one(crowd: Crowd) -> None:
    """With `--userns-remap` the engine's root becomes a folder of the old one; without it that folder stays."""
    lab = crowd.lab
    lab.stop_engine()
    inner = an_engine(lab, "inner", lab.docker_root / "100000.100000")
    try:
        Client(f"unix://{inner.place.socket}", inner.place.base).import_image("new:1", {"new": 2 * MIB})
        document = preflight(lab, f"unix://{inner.place.socket}")
    finally:
        inner.stop()
        lab.start_engine()
    assert f"Docker root {lab.docker_root}, with 1 image" in finding(document, other_stores.FORMER_ID)["title"]
    assert about(item(document, "image ours:1", "docker_other")["bytes"], 3)
    assert [one["name"] for one in document["items"]["images"]] == ["new:1"]
    back = preflight(lab)
    former = lab.docker_root / "100000.100000"
    assert f"Docker root {former}, with 1 image" in finding(back, other_stores.FORMER_ID)["title"]
    assert about(item(back, "image new:1", "docker_other")["bytes"], 2)


def test_the_items_hold_every_byte_of_each_row_whoevers_it_is(crowd: Crowd) -> None:
    assert of_engine(crowd.lab.host) == {}
