"""The Docker root as a whole: owners, kinds and logs of a small root that was made by hand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from collectors.drivers import store
from collectors.model import CacheId, ChainId, ContainerId
from collectors.model.reading import Exact, Reading, Unavailable, Why
from collectors.model.store import ContainerLayers, Store, Unit, UnitKind
from tests.drivers.docker_root_trees import GraphRoot, build_name, hex64, host, write
from tests.owners import owners


def read(folder: Path, root: Path, *, hint: str | None = "overlay2", mounts: tuple[str, ...] = ()) -> Store:
    reading = store(root, host(folder, *mounts), driver_hint=hint, grace_s=0.0, deadline_s=20)
    assert isinstance(reading, Exact), reading
    return reading.value


def units(found: Store) -> dict[str, Unit]:
    assert isinstance(found.units, Exact), found.units
    return {os.path.relpath(unit.path, found.root): unit for unit in found.units.value}


@pytest.fixture
def made(tmp_path: Path) -> GraphRoot:
    """base ← app ← app2; two images, one container on each, a build record on app."""
    root = GraphRoot(tmp_path / "docker")
    base = root.layer("base")
    app = root.layer("app", base)
    root.layer("app2", app)
    root.image("base", ["base"], ["base:1", "base:latest"])
    root.image("app2", ["base", "app", "app2"], ["app:2"])
    root.container("one", base)
    root.container("two", app)
    return root


def test_a_layer_belongs_to_every_image_and_container_that_stands_on_it(tmp_path: Path, made: GraphRoot) -> None:
    found = units(read(tmp_path, made.root))
    base = found[f"overlay2/{hex64('cache base')}"]
    assert base.kind is UnitKind.IMAGE_LAYER
    assert base.immutable
    assert base.owners == owners(
        f"image:sha256:{hex64('image base')}",
        f"image:sha256:{hex64('image app2')}",
        f"container:{hex64('container one')}",
        f"container:{hex64('container two')}",
    )
    assert found[f"overlay2/{hex64('cache app2')}"].owners == owners(f"image:sha256:{hex64('image app2')}")


def test_a_layer_of_a_removed_image_belongs_to_its_container(tmp_path: Path, made: GraphRoot) -> None:
    (made.database / "imagedb/content/sha256" / hex64("image app2")).unlink()
    found = units(read(tmp_path, made.root))
    assert found[f"overlay2/{hex64('cache app')}"].owners == owners(f"container:{hex64('container two')}")


def test_tags_and_chains_are_read(tmp_path: Path, made: GraphRoot) -> None:
    found = read(tmp_path, made.root)
    assert isinstance(found.images, Exact)
    assert isinstance(found.layers, Exact)
    by_tags = {image.tags: image for image in found.images.value}
    layers = {layer.chain_id: layer.cache_id for layer in found.layers.value}
    assert [layers[chain] for chain in by_tags[("app:2",)].chain] == [
        hex64(f"cache {x}") for x in ("base", "app", "app2")
    ]
    assert by_tags[("base:1", "base:latest")].chain == by_tags[("app:2",)].chain[:1]


def test_a_container_has_a_writable_and_an_init_layer(tmp_path: Path, made: GraphRoot) -> None:
    found = read(tmp_path, made.root)
    mount = hex64("mount one")
    assert isinstance(found.container_layers, Exact)
    rows = {row.container_id: row for row in found.container_layers.value}
    one = ContainerId(hex64("container one"))
    base = ChainId(f"sha256:{hex64('diff base')}")
    assert rows[one] == ContainerLayers(one, CacheId(mount), CacheId(f"{mount}-init"), base)
    assert units(found)[f"overlay2/{mount}"].kind is UnitKind.WRITABLE_LAYER
    assert units(found)[f"overlay2/{mount}-init"].kind is UnitKind.INIT_LAYER
    assert not units(found)[f"overlay2/{mount}"].immutable


def test_build_directories_belong_to_their_records_and_those_that_stand_on_them(
    tmp_path: Path, made: GraphRoot
) -> None:
    sealed, top = build_name("sealed"), build_name("top")
    for name in (sealed, top, build_name("source")):
        made.directory(name)
    chain = f"sha256:{hex64('diff base')}"
    lower = made.build_record("lower", {b"committed": sealed.encode()})
    made.snapshots[sealed.encode()] = {b"iscommitted": b"", b"parent": chain.encode()}
    made.snapshots[chain.encode()] = {}
    upper = made.build_record("upper", {b"committed": top.encode()}, parent=lower)
    made.snapshots[top.encode()] = {b"iscommitted": b"", b"parent": lower.encode()}
    source = made.build_record("source", {b"parent": b"", b"size": b"1"})
    made.save_build_cache()
    found = units(read(tmp_path, made.root))
    assert found[f"overlay2/{sealed}"].kind is UnitKind.BUILD_SNAPSHOT
    assert found[f"overlay2/{sealed}"].owners == owners(f"build:{lower}", f"build:{upper}")
    assert found[f"overlay2/{sealed}"].immutable
    assert found[f"overlay2/{top}"].owners == owners(f"build:{upper}")
    assert found[f"overlay2/{source}"].owners == owners(f"build:{source}")
    assert not found[f"overlay2/{source}"].immutable
    assert owners(f"build:{lower}", f"build:{upper}") <= found[f"overlay2/{hex64('cache base')}"].owners


def test_a_build_directory_without_a_record_is_still_the_builders(tmp_path: Path, made: GraphRoot) -> None:
    name = build_name("lone")
    made.directory(name)
    made.snapshots[name.encode()] = {b"parent": b""}
    made.save_build_cache()
    found = read(tmp_path, made.root)
    assert units(found)[f"overlay2/{name}"].owners == owners(f"build:{name}")
    assert isinstance(found.build_snapshots, Exact)
    assert [row.directory for row in found.build_snapshots.value] == [name]


def test_every_child_of_the_root_is_a_unit(tmp_path: Path, made: GraphRoot) -> None:
    for name in ("tmp", "plugins/abc/rootfs", "plugins/storage", "network/files", "volumes/data/_data", "buildkit"):
        (made.root / name).mkdir(parents=True)
    write(made.root / "engine-id", "x")
    write(made.root / "volumes" / "metadata.db", b"")
    found = units(read(tmp_path, made.root))
    kinds = {path: unit.kind for path, unit in found.items() if path.count("/") == 0}
    assert kinds == {
        "buildkit": UnitKind.BUILD_DATABASE,
        "containers": UnitKind.ENGINE_FILES,
        "engine-id": UnitKind.ENGINE_FILES,
        "image": UnitKind.ENGINE_FILES,
        "network": UnitKind.ENGINE_FILES,
        "overlay2": UnitKind.ENGINE_FILES,
        "plugins": UnitKind.PLUGIN,
        "tmp": UnitKind.TEMPORARY,
        "volumes": UnitKind.ENGINE_FILES,
    }
    assert found["volumes/data"].owners == owners("volume:data")
    assert found["plugins/abc"].owners == owners("plugin:abc")
    assert found["overlay2/l"].kind is UnitKind.LAYER_DATABASE
    assert found["image/overlay2"].kind is UnitKind.LAYER_DATABASE


def test_directories_of_another_driver_are_named_so(tmp_path: Path, made: GraphRoot) -> None:
    (made.root / "aufs" / "diff").mkdir(parents=True)
    (made.root / "image" / "btrfs" / "layerdb").mkdir(parents=True)
    (made.root / "btrfs" / "subvolumes").mkdir(parents=True)
    found = units(read(tmp_path, made.root))
    others = {path for path, unit in found.items() if unit.kind is UnitKind.OTHER_DRIVER}
    assert others == {"aufs", "btrfs", "image/btrfs"}


def test_without_a_hint_the_last_opened_store_counts_and_nothing_is_called_a_leftover(
    tmp_path: Path, made: GraphRoot
) -> None:
    old = made.root / "image" / "vfs" / "layerdb"
    old.mkdir(parents=True)
    os.utime(old, (1, 1))
    found = read(tmp_path, made.root, hint=None)
    assert found.driver == "overlay2"
    assert found.notes == ("overlay2, vfs have data here; taken to be in use: overlay2, the last one that was opened",)
    assert not [unit for unit in units(found).values() if unit.kind is UnitKind.OTHER_DRIVER]


def test_a_hint_that_is_not_there_is_refused(tmp_path: Path, made: GraphRoot) -> None:
    reading = store(made.root, host(tmp_path), driver_hint="btrfs", deadline_s=5)
    assert isinstance(reading, Unavailable)
    assert reading.why is Why.INCONSISTENT
    assert reading.detail == "the engine says btrfs, under its root there is overlay2"


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_what_is_no_docker_root_is_said_to_be_none(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "docker"
    if kind == "empty":
        root.mkdir()
    elif kind == "file":
        root.write_text("")
    reading = store(root, host(tmp_path), driver_hint=None, deadline_s=5)
    assert isinstance(reading, Unavailable)
    assert reading.why in (Why.NOT_REACHABLE, Why.NOT_APPLICABLE)


def test_no_time_left_is_a_reason_not_an_error(tmp_path: Path, made: GraphRoot) -> None:
    reading: Reading[Store] = store(made.root, host(tmp_path), driver_hint=None, deadline_s=0.0)
    assert isinstance(reading, Unavailable)
    assert reading.why is Why.TIMED_OUT


def test_one_damaged_image_is_named_and_the_others_are_there(tmp_path: Path, made: GraphRoot) -> None:
    path = write(made.database / "imagedb/content/sha256" / hex64("bad"), "{")
    found = read(tmp_path, made.root)
    assert isinstance(found.images, Exact)
    assert len(found.images.value) == 2
    assert any(str(path) in note for note in found.notes)


def test_unreadable_images_leave_the_units_and_a_note(tmp_path: Path, made: GraphRoot) -> None:
    write(made.database / "repositories.json", "[1]")
    found = read(tmp_path, made.root)
    assert isinstance(found.images, Unavailable)
    assert found.images.why is Why.MALFORMED
    assert "the images could not be read: owners of layers are incomplete" in found.notes
    assert owners(f"container:{hex64('container one')}") <= units(found)[f"overlay2/{hex64('cache base')}"].owners


def test_an_unreadable_layer_database_leaves_no_units(tmp_path: Path, made: GraphRoot) -> None:
    (made.database / "layerdb").rename(made.database / "lost")
    (made.database / "layerdb").write_text("not a folder")
    reading = store(made.root, host(tmp_path), driver_hint="overlay2", deadline_s=5)
    assert isinstance(reading, Unavailable)
    assert reading.detail == f"no image store under {made.root}"


def test_layers_that_nobody_uses_are_noted(tmp_path: Path, made: GraphRoot) -> None:
    made.layer("lost")
    found = read(tmp_path, made.root)
    assert units(found)[f"overlay2/{hex64('cache lost')}"].owners == frozenset()
    assert found.notes == ("layers in the database that no image, container or build record uses: 1",)
    assert isinstance(found.orphans, Exact)
    assert found.orphans.value == ()


def test_short_links_that_lead_nowhere_are_noted(tmp_path: Path, made: GraphRoot) -> None:
    (made.root / "overlay2" / "l" / "ABC").symlink_to("../gone/diff")
    assert read(tmp_path, made.root).notes == ("short links in l/ that lead to no layer: 1, ABC first",)


def test_a_parent_chain_in_a_circle_ends(tmp_path: Path, made: GraphRoot) -> None:
    row = made.database / "layerdb" / "sha256" / hex64("diff base")
    write(row / "parent", f"sha256:{hex64('diff base')}")
    assert units(read(tmp_path, made.root))


def test_names_of_invalid_utf8_are_carried(tmp_path: Path, made: GraphRoot) -> None:
    name = b"v\xff" + b"x" * 200
    os.makedirs(os.fsencode(made.root / "volumes") + b"/" + name)
    found = units(read(tmp_path, made.root))
    assert os.fsdecode(b"volumes/" + name) in found


def test_a_driver_without_directories_gives_no_verdict(tmp_path: Path) -> None:
    root = GraphRoot(tmp_path / "docker", driver="zfs", layers="zfs")
    found = read(tmp_path, root.root, hint="zfs")
    assert isinstance(found.orphans, Unavailable)
    assert found.orphans.why is Why.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("driver", "layers"),
    [("vfs", "vfs/dir"), ("btrfs", "btrfs/subvolumes"), ("fuse-overlayfs", "fuse-overlayfs"), ("aufs", "aufs/diff")],
)
def test_the_other_graph_drivers_differ_in_the_folder_alone(tmp_path: Path, driver: str, layers: str) -> None:
    root = GraphRoot(tmp_path / "docker", driver=driver, layers=layers)
    root.image("base", ["base"])
    root.layer("base")
    found = read(tmp_path, root.root, hint=driver)
    assert found.driver == driver
    assert units(found)[f"{layers}/{hex64('cache base')}"].kind is UnitKind.IMAGE_LAYER


def test_folders_on_another_disk_behind_links_are_followed(tmp_path: Path, made: GraphRoot) -> None:
    for name in ("overlay2", "image"):
        (tmp_path / "disk2").mkdir(exist_ok=True)
        shutil.move(made.root / name, tmp_path / "disk2" / name)
        (made.root / name).symlink_to(tmp_path / "disk2" / name)
    assert units(read(tmp_path, made.root))[f"../disk2/overlay2/{hex64('cache base')}"].kind is UnitKind.IMAGE_LAYER


def test_a_root_with_user_namespaces_says_where_to_look(tmp_path: Path, made: GraphRoot) -> None:
    (tmp_path / "outer").mkdir()
    made.root.rename(tmp_path / "outer" / "165536.165536")
    reading = store(tmp_path / "outer", host(tmp_path), driver_hint=None, deadline_s=5)
    assert isinstance(reading, Unavailable)
    assert reading.detail.endswith("; with user namespaces it is in 165536.165536")
