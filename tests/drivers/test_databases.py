"""BuildKit's and containerd's databases: captured from engines, held against what the same engine listed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.drivers import bolt_holders, containerd
from collectors.drivers.graph import build_snapshots
from collectors.model import Owner, OwnerKind
from collectors.system.deadline import Malformed
from tests.drivers.docker_root_trees import bolt_file
from tests.owners import owners

CAPTURED = Path(__file__).parents[1] / "bytes" / "docker_root"
GRAPH = ["20.10.24-overlay2", "28.5.2-overlay2"]
CONTAINERD = "28.5.2-containerd"


def unpacked(folder: str, name: str, into: Path) -> Path:
    path = into / name
    path.write_bytes(gzip.decompress((CAPTURED / folder / f"{name}.gz").read_bytes()))
    return path


def listed(folder: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((CAPTURED / folder / "listed.json").read_text())
    return found


@pytest.mark.parametrize("engine", [*GRAPH, CONTAINERD])
def test_the_records_are_those_that_the_api_lists(engine: str, tmp_path: Path) -> None:
    found = bolt_holders.records(unpacked(engine, "metadata_v2.db", tmp_path))
    assert sorted(record.id for record in found) == listed(engine)["build_cache"]


@pytest.mark.parametrize("engine", GRAPH)
def test_every_short_directory_is_named_by_snapshots_db(engine: str, tmp_path: Path) -> None:
    found = bolt_holders.snapshots(unpacked(engine, "snapshots.db", tmp_path))
    there = {name for name in listed(engine)["directories"] if len(name) == 25}
    assert {snapshot.directory for snapshot in found.values()} - {None} == there


@pytest.mark.parametrize("engine", GRAPH)
def test_a_committed_record_lies_in_a_directory_of_another_name(engine: str, tmp_path: Path) -> None:
    snapshots = bolt_holders.snapshots(unpacked(engine, "snapshots.db", tmp_path))
    records = bolt_holders.records(unpacked(engine, "metadata_v2.db", tmp_path))
    rows = {row.record_id: row for row in build_snapshots(records, snapshots)}
    elsewhere = [row for row in rows.values() if row.directory not in (None, row.record_id)]
    base = [row for row in rows.values() if row.directory is None]
    assert len(elsewhere) == 3  # COPY and two RUN
    assert all(row.chain_id is not None for row in elsewhere)
    assert len(base) == 1
    assert base[0].chain_id is not None


def test_a_mutable_record_is_not_committed(tmp_path: Path) -> None:
    snapshots = bolt_holders.snapshots(unpacked("28.5.2-overlay2", "snapshots.db", tmp_path))
    assert snapshots["tfrgzid4ynqstspj3o6ih2b71"].committed is False  # the cache mount
    assert snapshots["yrkt1ri9ocsmphk4o6zn9l4ye"].committed is True


def test_a_sealed_face_without_its_mutable_record_stands_for_the_mutable_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "metadata_v2.db"
    path.write_bytes(bolt_file({b"_main": {b"sealed": {b"cache.equalMutable": b'{"value":"gone"}'}}}))
    assert bolt_holders.records(path) == (bolt_holders.CacheRecord("sealed", "gone", ()),)


def test_the_parents_of_merged_and_diffed_records_are_its_parents(tmp_path: Path) -> None:
    row: dict[bytes, Any] = {b"cache.mergeParents": b'{"value":["a","b"]}', b"cache.lowerDiffParent": b'{"value":"c"}'}
    path = tmp_path / "metadata_v2.db"
    path.write_bytes(bolt_file({b"_main": {b"r": row}}))
    assert sorted(bolt_holders.records(path)[0].parents) == ["a", "b", "c"]


@pytest.fixture
def spaces(tmp_path: Path) -> dict[str, containerd.Namespace]:
    return {space.name: space for space in containerd.namespaces(unpacked(CONTAINERD, "meta.db", tmp_path))}


def test_the_namespaces_hold_the_images_that_the_api_lists(spaces: dict[str, containerd.Namespace]) -> None:
    digests = {image.digest for name, image in spaces["moby"].images.items() if not name.startswith("moby-dangling@")}
    assert sorted(digests) == listed(CONTAINERD)["images"]
    assert set(spaces) == {"moby", "moby_history"}


def test_the_snapshotter_numbers_exactly_the_directories_that_are_there(tmp_path: Path) -> None:
    rows = containerd.directories(unpacked(CONTAINERD, "snapshotter_metadata.db", tmp_path))
    assert sorted(str(row.number) for row in rows.values()) == listed(CONTAINERD)["directories"]


def test_every_snapshot_and_blob_has_a_holder(tmp_path: Path, spaces: dict[str, containerd.Namespace]) -> None:
    records = bolt_holders.records(unpacked(CONTAINERD, "metadata_v2.db", tmp_path))
    containers = listed(CONTAINERD)["containers"]
    held: set[str] = set()
    for space in spaces.values():
        found = bolt_holders.holders(space, containers, (record.id for record in records))
        assert set(space.snapshots) <= set(found.snapshots)
        assert set(space.content) <= set(found.content)
        held |= {digest.removeprefix("sha256:") for digest in found.content}
    assert held == set(listed(CONTAINERD)["blobs"])


def test_the_base_layer_belongs_to_all_who_stand_on_it(tmp_path: Path, spaces: dict[str, containerd.Namespace]) -> None:
    records = [record.id for record in bolt_holders.records(unpacked(CONTAINERD, "metadata_v2.db", tmp_path))]
    containers = listed(CONTAINERD)["containers"]
    found = bolt_holders.holders(spaces["moby"], containers, records)
    rows = containerd.directories(unpacked(CONTAINERD, "snapshotter_metadata.db", tmp_path))
    base = next(node for node, one in spaces["moby"].snapshots.items() if rows[one.stored_key].number == 1)
    held = found.snapshots[base]
    assert {Owner(OwnerKind.IMAGE, digest) for digest in listed(CONTAINERD)["images"]} <= held
    assert {Owner(OwnerKind.CONTAINER, container) for container in containers} <= held
    assert sum(owner.kind is OwnerKind.BUILD for owner in held) == 4


def test_a_lease_alone_is_an_owner() -> None:
    space = containerd.Namespace(
        name="moby",
        images={},
        content={"sha256:a": {"containerd.io/gc.ref.content.0": "sha256:b"}, "sha256:b": {}},
        snapshots={},
        leases={"pull": containerd.Lease({}, ("sha256:a",), ())},
        containers={},
    )
    assert bolt_holders.holders(space, [], []).content == {
        "sha256:a": owners("lease:moby/pull"),
        "sha256:b": owners("lease:moby/pull"),
    }


def test_a_flat_lease_holds_parents_but_not_what_labels_name() -> None:
    label = {"containerd.io/gc.ref.content.0": "sha256:b"}
    space = containerd.Namespace(
        name="moby",
        images={},
        content={"sha256:a": label, "sha256:b": {}},
        snapshots={
            ("overlayfs", "top"): containerd.NamedSnapshot("moby/2/top", "base", {}),
            ("overlayfs", "base"): containerd.NamedSnapshot("moby/1/base", None, {}),
        },
        leases={"flat": containerd.Lease({"containerd.io/gc.flat": "x"}, ("sha256:a",), (("overlayfs", "top"),))},
        containers={},
    )
    found = bolt_holders.holders(space, [], [])
    assert set(found.content) == {"sha256:a"}
    assert set(found.snapshots) == {("overlayfs", "top"), ("overlayfs", "base")}


def test_references_in_a_circle_end() -> None:
    space = containerd.Namespace(
        name="k8s.io",
        images={"docker.io/library/x:1": containerd.ImageName("sha256:a", {})},
        content={
            "sha256:a": {"containerd.io/gc.ref.content": "sha256:b"},
            "sha256:b": {"containerd.io/gc.ref.content": "sha256:a", "containerd.io/gc.ref.snapshot.overlayfs/1": "s"},
        },
        snapshots={("overlayfs", "s"): containerd.NamedSnapshot("k8s.io/1/s", "s", {})},
        leases={},
        containers={},
    )
    found = bolt_holders.holders(space, [], [])
    owner = owners("containerd:k8s.io/docker.io/library/x:1")
    assert found.content == {"sha256:a": owner, "sha256:b": owner}
    assert found.snapshots == {("overlayfs", "s"): owner}


@pytest.mark.parametrize("read", [containerd.namespaces, containerd.directories])
def test_a_database_of_another_schema_is_refused(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "meta.db"
    path.write_bytes(bolt_file({b"v9": {b"moby": {}}}))
    with pytest.raises(Malformed, match="schema"):
        read(path)
    path.write_bytes(bolt_file({}))
    assert not read(path)


_READERS: list[tuple[str, str, Callable[[Path], object]]] = [
    ("28.5.2-overlay2", "snapshots.db", bolt_holders.snapshots),
    ("28.5.2-overlay2", "metadata_v2.db", bolt_holders.records),
    (CONTAINERD, "meta.db", containerd.namespaces),
    (CONTAINERD, "snapshotter_metadata.db", containerd.directories),
]


@settings(max_examples=300, deadline=2000)
@given(data=st.data())
def test_a_damaged_database_gives_an_answer_or_malformed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    engine, name, read = data.draw(st.sampled_from(_READERS))
    content = bytearray(gzip.decompress((CAPTURED / engine / f"{name}.gz").read_bytes()))
    used = [at for at, byte in enumerate(content) if byte]
    for at in data.draw(st.lists(st.sampled_from(used), min_size=1, max_size=20)):
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.db"
    path.write_bytes(content)
    with suppress(Malformed):
        read(path)
