"""On real engines at rest: every directory has an owner or is an orphan that was planted, engine up or dead."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.drivers import store
from collectors.drivers.listing import times
from collectors.model.reading import Exact
from collectors.model.store import Orphanhood, OrphanProof, Store, Unit, UnitKind
from collectors.system.deadline import this_host
from tests.lab import Lab, graph_layout
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

MIB = 1024 * 1024
GRAPH = [("overlay2", "20.10"), ("btrfs", "20.10"), ("vfs", "20.10"), ("overlay2", "28.5")]
CONTAINERD = [("containerd", "26.1"), ("containerd", "28.5")]
# What a store keeps for itself belongs to nobody in particular.
UNOWNED = {
    UnitKind.ENGINE_FILES,
    UnitKind.LAYER_DATABASE,
    UnitKind.BUILD_DATABASE,
    UnitKind.TEMPORARY,
    UnitKind.INTERRUPTED_WRITE,
    UnitKind.PLUGIN,
}


@pytest.fixture(scope="module", params=GRAPH, ids="-".join)
def leaky(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """An everyday host with one layer leaked by a killed commit and three planted."""
    require_machine()
    driver, engine = request.param
    with Lab.up(driver=driver, engine=engine, mess="everyday+leak", size_mib=1536) as lab:
        time.sleep(1.1)  # older than the grace period of one second
        yield lab


@pytest.fixture(scope="module", params=CONTAINERD, ids="-".join)
def contained(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """An everyday host with the containerd image store."""
    require_machine()
    driver, engine = request.param
    with Lab.up(driver=driver, engine=engine, mess="everyday", size_mib=1024) as lab:
        yield lab


def read(lab: Lab, *, hint: str | None = None, grace_s: float = 1.0) -> Store:
    reading = store(lab.docker_root, this_host(), driver_hint=hint, grace_s=grace_s, deadline_s=30)
    assert isinstance(reading, Exact), reading
    return reading.value


def proofs(found: Store) -> dict[str, OrphanProof]:
    assert isinstance(found.orphans, Exact), found.orphans
    return {proof.unit: proof for proof in found.orphans.value}


def units(found: Store) -> tuple[Unit, ...]:
    assert isinstance(found.units, Exact), found.units
    return found.units.value


def ownerless(found: Store) -> set[str]:
    return {unit.path for unit in units(found) if not unit.owners and unit.kind not in UNOWNED}


def planted(lab: Lab) -> set[str]:
    return {item.path for item in lab.truth.of("orphans") if item.path is not None}


def disk_usage(lab: Lab) -> dict[str, set[str]]:
    """What the engine itself lists: ids of images, containers, volumes and build records."""
    return {
        "image": set(lab.docker("images", "-aq", "--no-trunc").split()),
        "container": set(lab.docker("ps", "-aq", "--no-trunc").split()),
        "volume": set(lab.docker("volume", "ls", "-q").split()),
    }


def test_the_orphans_are_exactly_the_planted_ones(leaky: Lab) -> None:
    found = read(leaky)
    assert {path for path, proof in proofs(found).items() if proof.verdict is Orphanhood.ORPHAN} == planted(leaky)
    assert set(proofs(found)) == planted(leaky)
    assert ownerless(found) == planted(leaky)
    assert found.notes == ()


def test_the_leaked_layer_is_the_one_that_was_being_committed(leaky: Lab) -> None:
    (leaked,) = (item.path for item in leaky.truth.of("orphans", "leaked layer"))
    assert leaked is not None
    proof = proofs(read(leaky))[leaked]
    assert proof.unread == ()
    assert {"layer database", "container layers", "BuildKit", "live mounts", "second listing"} <= set(proof.checked)
    (write,) = (unit for unit in units(read(leaky)) if unit.kind is UnitKind.INTERRUPTED_WRITE)
    assert proof.note == f"nothing refers to it; it was created during the interrupted write {write.name}"


def test_with_the_default_grace_period_nothing_is_an_orphan_yet(leaky: Lab) -> None:
    verdicts = {proof.verdict for proof in proofs(read(leaky, grace_s=3600)).values()}
    assert verdicts == {Orphanhood.YOUNG}


def test_owners_are_those_that_the_engine_lists(leaky: Lab) -> None:
    check_owners(leaky)


def test_owners_in_the_containerd_store_are_those_that_the_engine_lists(contained: Lab) -> None:
    check_owners(contained)


def check_owners(lab: Lab) -> None:
    owners: dict[str, set[str]] = {"image": set(), "container": set(), "volume": set(), "build": set()}
    for owner in {owner for unit in units(read(lab)) for owner in unit.owners}:
        owners.setdefault(owner.kind, set()).add(owner.id)
    assert {kind: owners[kind] for kind in ("image", "container", "volume")} == disk_usage(lab)
    listed = json.loads(lab.docker("system", "df", "-v", "--format", "{{json .BuildCache}}"))
    assert {record["ID"] for record in listed} == owners["build"]


def test_the_images_and_their_layers_are_those_that_the_engine_lists(leaky: Lab) -> None:
    found = read(leaky)
    assert isinstance(found.images, Exact)
    for image in found.images.value:
        (told,) = json.loads(leaky.docker("image", "inspect", image.id))
        assert sorted(told["RepoTags"]) == list(image.tags)
        assert len(told["RootFS"]["Layers"]) == len(image.chain)


def test_everything_is_the_same_with_the_engine_dead(leaky: Lab) -> None:
    before = read(leaky)
    leaky.kill_engine()
    try:
        after = read(leaky)
        assert {path: proof.verdict for path, proof in proofs(after).items()} == {
            path: proof.verdict for path, proof in proofs(before).items()
        }
        assert {unit.id: unit.owners for unit in units(after)} == {unit.id: unit.owners for unit in units(before)}
    finally:
        leaky.start_engine()


def test_logs_are_those_of_the_truth(leaky: Lab) -> None:
    found = read(leaky)
    assert isinstance(found.logs, Exact)
    truth = leaky.truth.of("logs")
    assert sum(log.apparent_bytes for log in found.logs.value) == sum(item.apparent_bytes for item in truth)
    names = {path for log in found.logs.value for path in log.paths}
    assert {item.path for item in truth} == names


def test_a_layer_is_as_old_as_its_making_not_as_the_layer_below(leaky: Lab) -> None:
    """A btrfs snapshot carries the birth time of what it was taken from in its root directory."""
    began = time.time()
    leaky.client.run("base:1", "newborn", "exec sleep 100000")
    try:
        (container,) = leaky.docker("ps", "-q", "--no-trunc", "--filter", "name=newborn").split()
        for folder in graph_layout.containers(leaky.docker_root, leaky.driver)[container]:
            born_s = times(str(folder)).born_s
            assert born_s is not None
            assert began - 1 <= born_s <= time.time()
    finally:
        leaky.docker("rm", "-f", "newborn")


def test_in_the_containerd_store_everything_has_an_owner(contained: Lab) -> None:
    found = read(contained)
    assert found.driver == "containerd:overlayfs"
    assert proofs(found) == {}
    assert ownerless(found) == set()
    assert found.notes == ()


def test_in_the_containerd_store_what_no_database_numbers_is_an_orphan(contained: Lab) -> None:
    daemon = contained.docker_root / "containerd" / "daemon"
    snapshot = daemon / "io.containerd.snapshotter.v1.overlayfs" / "snapshots" / "9999"
    blob = daemon / "io.containerd.content.v1.content" / "blobs" / "sha256" / ("ab" * 32)
    (snapshot / "fs").mkdir(parents=True)
    blob.write_bytes(b"x" * MIB)
    try:
        assert {proof.verdict for proof in proofs(read(contained)).values()} == {Orphanhood.YOUNG}
        time.sleep(1.1)
        found = proofs(read(contained))
        assert set(found) == {str(snapshot), str(blob)}
        assert {proof.verdict for proof in found.values()} == {Orphanhood.ORPHAN}
        assert {"containerd metadata", "snapshotter metadata", "live mounts"} <= set(found[str(snapshot)].checked)
    finally:
        (snapshot / "fs").rmdir()
        snapshot.rmdir()
        blob.unlink()


def test_a_hint_of_the_snapshotters_bare_name_is_understood(contained: Lab) -> None:
    assert contained.docker("info", "--format", "{{.Driver}}").strip() == "overlayfs"
    assert read(contained, hint="overlayfs").driver == "containerd:overlayfs"


def test_pruning_leaves_no_false_orphan_and_the_leak_stands_out() -> None:
    """The demonstration: after `docker system prune` everything is gone but the leak, and the engine shows nothing."""
    with Lab.up(driver="overlay2", mess="leak", size_mib=768) as lab:
        lab.docker("rm", "-f", "leaker")
        lab.docker("system", "prune", "-af", "--volumes")
        time.sleep(1.1)
        found = read(lab)
        assert {path for path, proof in proofs(found).items() if proof.verdict is Orphanhood.ORPHAN} == planted(lab)
        listed = {Path(path).name for path in planted(lab)} | {"l"}
        assert set(os.listdir(lab.docker_root / "overlay2")) == listed
