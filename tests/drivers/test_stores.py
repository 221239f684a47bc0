"""The other families of stores (containerd's, Podman's), and input of any shape in every document."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.drivers import store
from collectors.model import ImageId, OwnerKind
from collectors.model.reading import Exact, Reading, Unavailable, Why
from collectors.model.store import Orphanhood, Store, Unit, UnitKind
from tests.drivers.docker_root_trees import GraphRoot, bolt_file, hex64, host, write
from tests.owners import owners

CAPTURED = Path(__file__).parents[1] / "bytes" / "docker_root"
SNAPSHOTTER = "io.containerd.snapshotter.v1.overlayfs"
CONTENT = "io.containerd.content.v1.content"


def read(folder: Path, root: Path, *, hint: str | None = None, elsewhere: Path | None = None) -> Store:
    reading = store(root, host(folder), driver_hint=hint, containerd_root=elsewhere, grace_s=0.0, deadline_s=20)
    assert isinstance(reading, Exact), reading
    return reading.value


def units(found: Store) -> dict[str, Unit]:
    assert isinstance(found.units, Exact), found.units
    return {os.path.relpath(unit.path, found.root): unit for unit in found.units.value}


def verdicts(found: Store) -> dict[str, Orphanhood]:
    assert isinstance(found.orphans, Exact), found.orphans
    return {os.path.basename(proof.unit): proof.verdict for proof in found.orphans.value}


@pytest.fixture
def podman(tmp_path: Path) -> Path:
    """The captured store of a Podman, with the folders that it lists."""
    captured = CAPTURED / "podman-4.3.1"
    root = tmp_path / "storage"
    for room in ("layers", "images", "containers"):
        write(root / f"overlay-{room}" / f"{room}.json", (captured / f"{room}.json").read_bytes())
    for name in json.loads((captured / "listed.json").read_text())["directories"]:
        (root / "overlay" / name).mkdir(parents=True)
    for container in json.loads((captured / "containers.json").read_text()):
        write(root / "overlay-containers" / container["id"] / "userdata" / "ctr.log", b"x" * 100)
    return root


def test_podmans_layers_belong_to_its_images_and_containers(tmp_path: Path, podman: Path) -> None:
    found = read(tmp_path, podman)
    assert found.driver == "overlay"
    assert verdicts(found) == {}
    assert isinstance(found.images, Exact)
    by_tag = {image.tags: image for image in found.images.value}
    app, base = by_tag[("localhost/app:1",)], by_tag[("localhost/base:1",)]
    assert len(app.chain) == 3
    assert app.chain[0] == base.chain[0]
    bottom = units(found)[f"overlay/{base.chain[0]}"]
    assert bottom.kind is UnitKind.IMAGE_LAYER
    assert bottom.immutable
    assert owners(f"image:{app.id}", f"image:{base.id}") < bottom.owners
    assert sum(owner.kind is OwnerKind.CONTAINER for owner in bottom.owners) == 2
    assert [unit.kind for unit in units(found).values()].count(UnitKind.WRITABLE_LAYER) == 2
    assert isinstance(found.logs, Exact)
    assert [log.apparent_bytes for log in found.logs.value] == [100, 100]


def test_podmans_strays_are_orphans_and_its_work_folders_are_not(tmp_path: Path, podman: Path) -> None:
    for name in (hex64("stray"), "staging", "tempdirs", ".something"):
        (podman / "overlay" / name).mkdir()
    assert verdicts(read(tmp_path, podman)) == {hex64("stray"): Orphanhood.ORPHAN}


def test_podmans_unfinished_layer_is_an_interrupted_write(tmp_path: Path, podman: Path) -> None:
    write(podman / "overlay-layers/volatile-layers.json", [{"id": hex64("half"), "flags": {"incomplete": True}}])
    (podman / "overlay" / hex64("half")).mkdir()
    found = read(tmp_path, podman)
    assert verdicts(found) == {}
    assert units(found)[f"overlay/{hex64('half')}"].kind is UnitKind.INTERRUPTED_WRITE


def test_a_damaged_document_of_podman_gives_no_verdict(tmp_path: Path, podman: Path) -> None:
    (podman / "overlay" / hex64("stray")).mkdir()
    write(podman / "overlay-images/images.json", '[{"id": ')
    found = read(tmp_path, podman)
    assert isinstance(found.images, Unavailable)
    assert verdicts(found) == {hex64("stray"): Orphanhood.UNKNOWN}
    write(podman / "overlay-layers/layers.json", "[")
    assert isinstance(read(tmp_path, podman).orphans, Unavailable)


def unpack(daemon: Path) -> None:
    """containerd's databases, directories and blobs as captured; the configs are made up, only their names are real."""
    captured = CAPTURED / "28.5.2-containerd"
    listed = json.loads((captured / "listed.json").read_text())
    for name, path in (
        ("meta.db", "io.containerd.metadata.v1.bolt/meta.db"),
        ("snapshotter_metadata.db", f"{SNAPSHOTTER}/metadata.db"),
    ):
        write(daemon / path, gzip.decompress((captured / f"{name}.gz").read_bytes()))
    for number in listed["directories"]:
        (daemon / SNAPSHOTTER / "snapshots" / number / "fs").mkdir(parents=True)
    for name in listed["blobs"]:
        write(daemon / CONTENT / "blobs/sha256" / name, {"rootfs": {"diff_ids": [f"sha256:{hex64('diff')}"]}})


@pytest.fixture
def contained(tmp_path: Path) -> Path:
    """A Docker root with the captured containerd store inside."""
    root = tmp_path / "docker"
    captured = CAPTURED / "28.5.2-containerd"
    unpack(root / "containerd" / "daemon")
    metadata = gzip.decompress((captured / "metadata_v2.db.gz").read_bytes())
    write(root / "buildkit/containerd-overlayfs/metadata_v2.db", metadata)
    for container in json.loads((captured / "listed.json").read_text())["containers"]:
        write(root / "containers" / container / "hostconfig.json", {"LogConfig": {"Type": "json-file", "Config": {}}})
    return root


def test_the_containerd_store_is_recognised_and_owned_throughout(tmp_path: Path, contained: Path) -> None:
    found = read(tmp_path, contained)
    assert found.driver == "containerd:overlayfs"
    assert verdicts(found) == {}
    assert found.notes == ()
    kinds = [unit.kind for unit in units(found).values()]
    assert kinds.count(UnitKind.WRITABLE_LAYER) == 4
    assert kinds.count(UnitKind.INIT_LAYER) == 4
    assert kinds.count(UnitKind.CONTENT) == 22
    layered = (UnitKind.CONTENT, UnitKind.IMAGE_LAYER, UnitKind.BUILD_SNAPSHOT)
    assert all(unit.owners for unit in units(found).values() if unit.kind in layered)
    assert isinstance(found.container_layers, Exact)
    assert {row.init_id is not None for row in found.container_layers.value} == {True}
    assert isinstance(found.images, Exact)
    tags = {image.tags: image for image in found.images.value}
    assert set(tags) == {("app:1", "app:stable"), ("base:1",), ("committed:1",), ("legacy:1",), ()}
    assert tags[("legacy:1",)].parent == tags[()].id


def test_an_image_is_gone_from_the_owners_when_its_name_is(tmp_path: Path, contained: Path) -> None:
    """What only a lease holds stays with the lease."""
    held = {owner for unit in units(read(tmp_path, contained)).values() for owner in unit.owners}
    leases = {owner for owner in held if owner.kind is OwnerKind.LEASE}
    assert len(leases) == 2
    assert all(owner.id.startswith(("moby/", "moby_history/")) for owner in leases)


def test_half_made_directories_and_downloads_are_no_orphans(tmp_path: Path, contained: Path) -> None:
    daemon = contained / "containerd/daemon"
    (daemon / SNAPSHOTTER / "snapshots" / "new-123").mkdir()
    write(daemon / CONTENT / "ingest" / hex64("pull") / "data", b"x")
    reading = store(contained, host(tmp_path), driver_hint=None, grace_s=3600, deadline_s=20)
    assert isinstance(reading, Exact)
    fresh, old = reading.value, read(tmp_path, contained)
    for found, kind in ((fresh, UnitKind.TEMPORARY), (old, UnitKind.INTERRUPTED_WRITE)):
        assert verdicts(found) == {}
        assert units(found)[f"containerd/daemon/{SNAPSHOTTER}/snapshots/new-123"].kind is kind
        assert units(found)[f"containerd/daemon/{CONTENT}/ingest/{hex64('pull')}"].kind is kind


def test_a_containerd_outside_the_docker_root_is_followed(tmp_path: Path, contained: Path) -> None:
    elsewhere = tmp_path / "containerd"
    shutil.move(contained / "containerd" / "daemon", elsewhere)
    found = read(tmp_path, contained, hint="overlayfs", elsewhere=elsewhere)
    assert verdicts(found) == {}
    assert units(found)["../containerd"].kind is UnitKind.ENGINE_FILES
    assert units(found)[f"../containerd/{SNAPSHOTTER}/snapshots/1"].kind is UnitKind.IMAGE_LAYER


def test_a_containerd_that_others_share_is_not_a_leftover(tmp_path: Path) -> None:
    root = GraphRoot(tmp_path / "docker")
    root.image("base", ["base"])
    root.layer("base")
    elsewhere = tmp_path / "containerd"
    target: dict[bytes, Any] = {b"target": {b"digest": b"sha256:1"}}
    shared: dict[bytes, Any] = {b"v1": {name: {b"images": {b"a:1": target}} for name in (b"moby", b"k8s.io")}}
    write(elsewhere / "io.containerd.metadata.v1.bolt/meta.db", bolt_file(shared))
    write(elsewhere / SNAPSHOTTER / "metadata.db", bolt_file({}))
    (elsewhere / CONTENT).mkdir()

    def leftovers() -> set[str]:
        found = units(read(tmp_path, root.root, hint="overlay2", elsewhere=elsewhere))
        return {path for path, unit in found.items() if unit.kind is UnitKind.OTHER_DRIVER}

    assert leftovers() == set()
    alone: dict[bytes, Any] = {b"v1": {b"moby": {b"images": {b"a:1": target}}}}
    write(elsewhere / "io.containerd.metadata.v1.bolt/meta.db", bolt_file(alone))
    assert leftovers() == {f"../containerd/{CONTENT}", f"../containerd/{SNAPSHOTTER}"}


def test_empty_databases_of_an_unused_snapshotter_are_no_store(tmp_path: Path) -> None:
    root = GraphRoot(tmp_path / "docker", driver="btrfs", layers="btrfs/subvolumes")
    root.layer("base")
    daemon = root.root / "containerd/daemon"
    write(daemon / "io.containerd.metadata.v1.bolt/meta.db", bolt_file({b"v1": {b"moby": {}}}))
    write(daemon / "io.containerd.snapshotter.v1.btrfs/metadata.db", bolt_file({}))
    for hint in ("btrfs", None):
        found = read(tmp_path, root.root, hint=hint)
        assert found.driver == "btrfs"
        assert not [unit for unit in units(found).values() if unit.kind is UnitKind.OTHER_DRIVER]


def test_what_is_left_of_a_graph_driver_after_the_switch_to_containerd_is_named(
    tmp_path: Path, contained: Path
) -> None:
    GraphRoot(contained / "old").layer("base")
    for name in ("overlay2", "image"):
        (contained / "old" / name).rename(contained / name)
    found = read(tmp_path, contained, hint="overlayfs")
    others = {path for path, unit in units(found).items() if unit.kind is UnitKind.OTHER_DRIVER}
    assert others == {"overlay2", "image/overlay2"}


_KEYS = [
    "Repositories",
    "rootfs",
    "diff_ids",
    "LogConfig",
    "Type",
    "Config",
    "max-size",
    "id",
    "parent",
    "layer",
    "value",
]
_KEYS += ["names", "flags", "incomplete", "diff-size", "diff-digest", "mapped-layers"]
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([[], {}, "sha256:", "../x", -1]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_DOCUMENTS = ["repositories.json", "config", "hostconfig.json", "layers.json", "images.json", "containers.json"]


@settings(max_examples=150, deadline=5000)
@given(name=st.sampled_from(_DOCUMENTS), document=_JSON | st.lists(_JSON, max_size=3))
def test_a_document_of_any_shape_is_a_reason_never_a_defect(
    tmp_path_factory: pytest.TempPathFactory, name: str, document: Any
) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        if name in ("layers.json", "images.json", "containers.json"):
            root, room = folder / "storage", name.removesuffix(".json")
            (root / "overlay").mkdir(parents=True)
            (root / "overlay-layers").mkdir()
            write(root / f"overlay-{room}" / name, document)
        else:
            made = GraphRoot(folder / "docker")
            root = made.root
            made.container("one", made.layer("base"))
            made.image("base", ["base"], ["base:1"])
            write(
                {
                    "repositories.json": made.database / name,
                    "config": made.database / "imagedb/content/sha256" / hex64("image base"),
                    "hostconfig.json": root / "containers" / hex64("container one") / name,
                }[name],
                document if not isinstance(document, str | bytes) else json.dumps(document),
            )
        found = read(folder, root)
        for part in (found.images, found.layers, found.container_layers, found.logs, found.units, found.orphans):
            assert not (isinstance(part, Unavailable) and part.why is Why.DEFECT), part
    finally:
        shutil.rmtree(folder)


_UNPRIVILEGED = """
import os, sys
from pathlib import Path
from collectors.drivers import store
from collectors.system.deadline import this_host
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(repr(store(Path(sys.argv[1]), this_host(), driver_hint=None, deadline_s=10)))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give it up")
def test_without_permission_the_reason_is_the_permission(tmp_path: Path) -> None:
    root = GraphRoot(tmp_path / "docker")
    root.layer("base")
    root.root.chmod(0o700)
    answer = subprocess.run(
        [sys.executable, "-c", _UNPRIVILEGED, root.root], capture_output=True, text=True, check=True
    )
    assert "NOT_PERMITTED" in answer.stdout


def test_an_image_without_layers_has_an_empty_chain(tmp_path: Path) -> None:
    made = GraphRoot(tmp_path / "docker")
    image = made.image("scratch", [])
    found: Reading[Any] = read(tmp_path, made.root).images
    assert isinstance(found, Exact)
    assert [(one.id, one.chain) for one in found.value] == [(ImageId(image), ())]
