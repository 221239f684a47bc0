"""A containerd that no engine started: with none above it, as Kubernetes and nerdctl have it, and on another disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bench import explain
from tests.lab import Lab, disk
from tests.lab.commands import run
from tests.lab.engines import NoSuchEngine
from tests.lab.messes._write import MIB, age, random_file
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine
from tests.machine.test_other_engines import CONTAINERD, SIDE, SNAPSHOTTERS, a_containerd, beside

pytestmark = pytest.mark.machine

RULE = "containerd-images"


@dataclass(frozen=True, slots=True)
class Alone:
    """`ctr` without its arguments, and what is said of the host."""

    lab: Lab
    root: Path
    socket: Path
    document: dict[str, Any]

    def ctr(self, space: str, *words: str | Path) -> str:
        return run("ctr", "--address", self.socket, "--namespace", space, *words)


@pytest.fixture(scope="module")
def alone() -> Iterator[Alone]:
    require_machine()
    with Lab.up(driver="overlay2", mess="empty", size_mib=1024) as lab:
        for name, mib in (("web:1", 30), ("old:1", 20)):
            lab.import_image(name, {"data": mib * MIB})
        images = lab.base / "images.tar"
        lab.docker("save", "--output", str(images), "web:1", "old:1")
        root = a_containerd(lab)  # with an image `pause:1` in k8s.io
        beside(lab, root, "native")
        lab.stop_engine()
        run("rm", "-r", lab.docker_root)
        host = Alone(lab, root, lab.base / "containerd/c.sock", {})
        for space in ("k8s.io", "ci"):
            host.ctr(space, "images", "import", "--all-platforms", images)
        host.ctr("k8s.io", "containers", "create", "--label", "io.kubernetes.container.name=shop",
                 "docker.io/library/web:1", "c1")  # fmt: skip
        host.ctr("k8s.io", "images", "label", "docker.io/library/pause:1", "io.cri-containerd.pinned=pinned")
        ingest = root / "io.containerd.content.v1.content/ingest" / ("ab" * 32)
        random_file(ingest / "data", 9 * MIB)
        age(ingest)
        yield Alone(lab, root, host.socket, preflight(root))


def preflight(root: Path) -> dict[str, Any]:
    """With the root named: this machine may have a containerd of its own in the usual place."""
    command = [sys.executable, "-m", "collectors", "--preflight", "--format", "json", "--no-journal", "--no-state"]
    absent = ("--host", f"unix://{root}/no.sock")
    ended = subprocess.run([*command, *absent, "--docker-root", root], capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(ended.stdout)
    assert ended.returncode == answer["exit_status"]
    return answer


def used_bytes(lab: Lab) -> int:
    run("sync", "-f", lab.mount)
    return int(run("df", "--output=used", "-B1", lab.mount).split()[-1])


def test_each_image_is_named_with_its_namespace_and_with_who_uses_it(alone: Alone) -> None:
    found = {item["name"]: (item["state"], item["owner"]) for item in alone.document["items"]["images"]}
    assert found == {
        "k8s.io/docker.io/library/web:1": ("in use", "shop"),
        "k8s.io/docker.io/library/pause:1": ("in use", "pinned"),
        "k8s.io/docker.io/library/old:1": ("unused", ""),
        "ci/docker.io/library/web:1": ("unused", ""),
        "ci/docker.io/library/old:1": ("unused", ""),
        "by-native/docker.io/library/side:1": ("in use", "c1"),
    }


def test_every_byte_is_explained_and_held_by_an_item(alone: Alone) -> None:
    document = alone.document
    rows = {row["category"]: row["bytes"] for row in document["ledger"]}
    assert abs(rows["unattributed"]) <= document["filesystem"]["used_bytes"] / 1000
    (left,) = [item for item in document["items"]["docker_other"] if item["bytes"] >= 9 * MIB]
    assert left["state"] == "interrupted write"
    assert rows["images"] >= (30 + 20) * 2 * MIB


def test_a_second_snapshotter_is_read_as_the_first_one(alone: Alone) -> None:
    (layer,) = [one for one in alone.document["items"]["containers"] if one["name"] == "by-native/c1"]
    assert layer["bytes"] == pytest.approx(SNAPSHOTTERS["native"] + SIDE, abs=MIB // 4), "it copies the whole image"
    (image,) = [one for one in alone.document["items"]["images"] if one["name"].startswith("by-native/")]
    assert 2 * SIDE <= image["bytes"] <= 2 * SIDE + MIB
    for category in ("containers", "images"):
        held = sum(one["bytes"] for one in alone.document["items"][category])
        assert held >= next(row["bytes"] for row in alone.document["ledger"] if row["category"] == category)


def test_nobody_waits_for_an_engine_that_there_is_not(alone: Alone) -> None:
    document = alone.document
    assert "with no engine above it" in document["engine"]["reason"]
    assert document["exit_status"] != 3
    assert not any(one["rule"] == "engine-unreachable" for one in document["findings"])


def test_what_is_unused_comes_back_as_foretold_by_the_clients_own_command(alone: Alone) -> None:
    """crictl is no part of the lab; what it would remove is removed by name, as the other namespace's command does."""
    (found,) = [one for one in alone.document["findings"] if one["rule"] == RULE]
    assert f"ctr --address {alone.socket} --namespace ci images ls" in found["remedy"]
    steps = {step["title"]: step for step in alone.document["plan"]}
    kubernetes = steps["Remove the images of k8s.io that no container uses"]
    assert kubernetes["command"] == f"crictl --runtime-endpoint unix://{alone.socket} rmi --prune"
    ci = steps["Remove the images of ci that no container uses"]
    assert ci["command"].startswith(f"ctr --address {alone.socket} --namespace ci images rm docker.io/library/")
    before = used_bytes(alone.lab)
    run("sh", "-c", f"{ci['command']} --sync")
    alone.ctr("k8s.io", "images", "rm", "--sync", "docker.io/library/old:1")
    freed = before - used_bytes(alone.lab)
    assert freed == pytest.approx(ci["frees_bytes"] + kubernetes["frees_bytes"], rel=0.01)
    again = preflight(alone.root)
    assert not any(one["rule"] == RULE for one in again["findings"])


def test_the_disk_of_the_engines_containerd_is_judged_whatever_the_engines_own_root_is() -> None:
    """A new disk for the Docker root leaves the images where containerd keeps them."""
    require_machine()
    try:
        lab = Lab.up(driver="containerd", engine="28.5", mess="empty", size_mib=256)
    except NoSuchEngine as error:
        pytest.skip(str(error))
    with lab:
        lab.stop_engine()
        second, base = lab.base / "second", lab.base / "containerd"
        second.mkdir()
        base.mkdir()
        other, socket = disk.create(second, "ext4", size_mib=320), base / "c.sock"
        config = CONTAINERD.format(root=other.mount / "containerd", state=base / "state", socket=socket)
        (base / "config.toml").write_text(config)
        lab.spawn("containerd", "--config", str(base / "config.toml"))
        lab._engine._argv = (*lab._engine._argv, "--containerd", str(socket))
        lab.start_engine()
        lab.import_image("app:1", {"data": 100 * MIB})
        document = explain.preflight(lab)
        assert of_engine(lab.host) == {}
    assert document["severity"] in ("P2", "P1")
    assert document["plan_mount"] == str(other.mount)
    assert "image app:1" in document["verdict"]
    (elsewhere,) = document["other_filesystems"]
    (image,) = elsewhere["items"]["images"]
    assert image["bytes"] >= 200 * MIB  # compressed and unpacked
