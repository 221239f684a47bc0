"""Docker's containerd store beside other clients of the same containerd: what is theirs is named as theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from collectors.causes import engine_leftovers, other_stores
from collectors.ledger.unlisted import ANOTHER_CLIENT, NOT_KNOWN
from tests.bench.explain import preflight
from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.engines import NoSuchEngine
from tests.lab.messes._write import MIB, age, random_file
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine

pytestmark = pytest.mark.machine

FOREIGN = "registry.example/foreign:1"


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[Lab, dict[str, Any]]]:
    require_machine()
    try:
        lab = Lab.up(driver="containerd", engine="26.1", mess="empty", size_mib=1024)
    except NoSuchEngine as error:
        pytest.skip(str(error))
    with lab:
        lab.import_image("ours:1", {"ours": 3 * MIB})
        lab.import_image(FOREIGN, {"data": 40 * MIB})
        image = lab.base / "foreign.tar"
        lab.docker("save", "--output", str(image), FOREIGN)
        lab.docker("rmi", FOREIGN)
        ctr(lab, "default", "images", "import", "--all-platforms", str(image))
        an_active_snapshot(lab, 17 * MIB)
        an_ingest(lab, 9 * MIB)
        yield lab, preflight(lab)


def ctr(lab: Lab, namespace: str, *words: str) -> str:
    socket = lab.base / "exec/containerd/containerd.sock"
    return run("ctr", "--address", socket, "--namespace", namespace, *words)


def an_active_snapshot(lab: Lab, size_bytes: int) -> None:
    """No container stands behind it: as a builder that was ended leaves one."""
    mounted = ctr(lab, "moby", "snapshots", "--snapshotter", "overlayfs", "prepare", "--target", "/nowhere", "left")
    folder = next(word for word in mounted.replace(",", " ").split() if word.endswith("/fs"))
    random_file(lab.docker_root / folder.partition("/docker/")[2].removeprefix("upperdir=") / "big", size_bytes)


def an_ingest(lab: Lab, size_bytes: int) -> None:
    folder = lab.docker_root / "containerd/daemon/io.containerd.content.v1.content/ingest" / ("ab" * 32)
    random_file(folder / "data", size_bytes)
    age(folder)


def test_an_image_of_another_namespace_is_an_item_and_a_finding_by_its_name(told: tuple[Lab, dict[str, Any]]) -> None:
    _, document = told
    (found,) = [item for item in document["items"]["docker_other"] if item["state"] == ANOTHER_CLIENT]
    assert found["name"] == f"default/{FOREIGN}"
    assert found["bytes"] >= 40 * MIB
    (finding,) = [one for one in document["findings"] if one["rule"] == other_stores.ENGINE_ID]
    assert "containerd namespace default" in finding["title"]
    assert "ctr --namespace default images ls" in finding["remedy"]


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


def test_the_items_hold_every_byte_of_each_row(told: tuple[Lab, dict[str, Any]]) -> None:
    lab, _ = told
    assert of_engine(lab.host) == {}
