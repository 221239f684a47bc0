"""Docker's containerd store beside other clients of the same containerd: what is theirs is named as theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.causes import engine_leftovers, other_stores
from collectors.ledger.unlisted import ANOTHER_CLIENTS, NOT_KNOWN
from tests.bench.explain import preflight
from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.engines import NoSuchEngine
from tests.lab.messes._write import MIB, age, random_file
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine

pytestmark = pytest.mark.machine

FOREIGN = "registry.example/foreign:1"


@pytest.fixture(scope="module", params=["26.1", "28.5"])
def told(request: pytest.FixtureRequest) -> Iterator[tuple[Lab, dict[str, Any]]]:
    require_machine()
    try:
        lab = Lab.up(driver="containerd", engine=request.param, mess="empty", size_mib=1024)
    except NoSuchEngine as error:
        pytest.skip(str(error))
    with lab:
        lab.import_image("ours:1", {"ours": 3 * MIB})
        lab.import_image(FOREIGN, {"data": 40 * MIB})
        image = lab.base / "foreign.tar"
        lab.docker("save", "--output", str(image), FOREIGN)
        lab.docker("rmi", FOREIGN)
        ctr(lab, "default", "images", "import", "--all-platforms", str(image))
        a_snapshot(lab, "default", 11 * MIB)
        ctr(lab, "default", "containers", "create", "--snapshotter", "overlayfs", FOREIGN, "theirs")
        random_file(layers(lab)[-1] / "fs/own", 7 * MIB)
        a_snapshot(lab, "moby", 17 * MIB)
        an_ingest(lab, 9 * MIB)
        yield lab, preflight(lab)


def ctr(lab: Lab, namespace: str, *words: str) -> str:
    socket = lab.base / "exec/containerd/containerd.sock"
    return run("ctr", "--address", socket, "--namespace", namespace, *words)


def layers(lab: Lab) -> list[Path]:
    """The directories of all snapshots, the youngest last."""
    folder = lab.docker_root / "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots"
    return sorted(folder.iterdir(), key=lambda path: int(path.name))


def a_snapshot(lab: Lab, namespace: str, size_bytes: int) -> None:
    """Active, and no container stands behind it: as a builder that was ended leaves one."""
    ctr(lab, namespace, "snapshots", "--snapshotter", "overlayfs", "prepare", "--target", "/nowhere", "left")
    random_file(layers(lab)[-1] / "fs/big", size_bytes)


def an_ingest(lab: Lab, size_bytes: int) -> None:
    folder = lab.docker_root / "containerd/daemon/io.containerd.content.v1.content/ingest" / ("ab" * 32)
    random_file(folder / "data", size_bytes)
    age(folder)


def test_an_image_of_another_namespace_is_an_item_and_a_finding_by_its_name(told: tuple[Lab, dict[str, Any]]) -> None:
    _, document = told
    (found,) = [item for item in document["items"]["docker_other"] if item["state"] == ANOTHER_CLIENTS["image"]]
    assert found["name"] == f"default/{FOREIGN}"
    assert found["bytes"] >= 40 * MIB
    (finding,) = [one for one in document["findings"] if one["rule"] == other_stores.ENGINE_ID]
    assert "containerd namespace default" in finding["title"]
    assert "ctr --namespace default images ls" in finding["remedy"]


@pytest.mark.parametrize(("thing", "name", "mib"), [("container", "theirs", 7), ("snapshot", "left", 11)])
def test_what_else_another_client_has_is_called_so_and_is_not_an_unloaded_container_of_ours(
    told: tuple[Lab, dict[str, Any]], thing: str, name: str, mib: int
) -> None:
    _, document = told
    (found,) = [item for item in document["items"]["docker_other"] if item["state"] == ANOTHER_CLIENTS[thing]]
    assert found["name"] == f"default/{thing} {name}"
    assert mib * MIB <= found["bytes"] <= (mib + 1) * MIB
    (finding,) = [one for one in document["findings"] if one["rule"] == other_stores.ENGINE_ID]
    assert f"ctr --namespace default {thing}s ls" in finding["remedy"]
    row = next(row["bytes"] for row in document["ledger"] if row["category"] == "docker_other")
    assert sum(item["bytes"] for item in document["items"]["docker_other"]) == row


def test_an_active_snapshot_without_a_container_is_an_item_of_the_containers(told: tuple[Lab, dict[str, Any]]) -> None:
    _, document = told
    (found,) = [item for item in document["items"]["containers"] if item["state"] == NOT_KNOWN]
    assert found["name"].startswith("writable layer ")
    assert 17 * MIB <= found["bytes"] <= 18 * MIB
    assert sum(item["bytes"] for item in document["items"]["containers"]) == next(
        row["bytes"] for row in document["ledger"] if row["category"] == "containers"
    )


def test_a_write_that_was_not_finished_has_one_remedy(told: tuple[Lab, dict[str, Any]]) -> None:
    _, document = told
    (finding,) = [one for one in document["findings"] if one["rule"] == engine_leftovers.INTERRUPTED_ID]
    assert "its own collector" in finding["remedy"] or "engine's own collector" in finding["remedy"]
    assert not any("ingest" in step["command"] for step in document["plan"])


def test_all_is_explained_and_the_items_hold_every_byte_of_each_row(told: tuple[Lab, dict[str, Any]]) -> None:
    lab, document = told
    left = next(row["bytes"] for row in document["ledger"] if row["category"] == "unattributed")
    assert abs(left) <= document["filesystem"]["used_bytes"] / 1000
    assert of_engine(lab.host) == {}
