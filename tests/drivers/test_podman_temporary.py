"""What Podman and Buildah keep outside the root: cache mounts of builds, and what was ended half way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from collectors import drivers
from collectors.causes.engine_leftovers import remove as temporary
from collectors.drivers.inner import engine_processes, temporary_folders
from collectors.drivers.leftovers import TEMPORARY
from collectors.drivers.other_stores import Around, with_others
from collectors.model import Owner, OwnerKind
from collectors.model.reading import Exact, listed
from collectors.model.store import Orphanhood, Store, Unit, UnitKind
from collectors.system.deadline import Clock, Host
from tests.drivers.docker_root_trees import write
from tests.drivers.test_other_stores import a_host, a_process, a_root

HOUR_S = 3600.0


def a_storage(root: Path) -> Path:
    """The least that is taken for a store of Podman's."""
    for part in ("layers", "images", "containers"):
        write(root / f"overlay-{part}" / f"{part}.json", "[]")
    (root / "overlay").mkdir()
    return root


def of(root: Path, host: Host, *, away: str = "") -> dict[str, Unit]:
    """The units outside the root, by path; `away`: a folder on a filesystem that is not studied."""
    store = drivers.store(root, host, driver_hint=None, deadline_s=20.0)
    assert isinstance(store, Exact)

    def here(path: str) -> bool:
        return not away or not f"{path}/".startswith(f"{away}/")

    around = Around(str(root), host, here, Clock(20.0), engine_processes(host))
    found, why_not = with_others(store.value, around, time.time() - HOUR_S)
    assert why_not is None
    return {unit.path: unit for unit in listed(found.units) if not unit.path.startswith(f"{root}/overlay")}


def test_cache_mounts_are_build_cache_and_downloads_are_leftovers_once_they_are_old(tmp_path: Path) -> None:
    root, host = a_storage(tmp_path / "storage"), a_host(tmp_path)
    folder = tmp_path / "host/var/tmp"
    cache, old, young = (
        folder / name for name in ("buildah-cache-0", "container_images_storage1746582", "api.tar4123456")
    )
    write(cache / "d23ea00874c48053/go", "x")
    write(old / "1", "x")
    write(young, "")
    old.chmod(0o700)
    young.chmod(0o600)
    write(folder / "somebody-elses/storage1746582", "x")
    for path in (old / "1", old):
        os.utime(path, (0, time.time() - 2 * HOUR_S))
    found = of(root, host)
    assert {path: unit.kind for path, unit in found.items()} == {
        str(cache): UnitKind.CACHE_MOUNTS,
        str(old): UnitKind.TEMPORARY,
        str(young): UnitKind.TEMPORARY,
    }
    assert found[str(cache)].owners == {Owner(OwnerKind.BUILD, str(cache))}
    assert found[str(old)].owners == {Owner(OwnerKind.LEFTOVER, str(old))}
    assert found[str(young)].owners == frozenset()


def test_those_in_the_roots_own_folder_and_where_running_ones_were_told_are_found_too(tmp_path: Path) -> None:
    root, host = a_storage(tmp_path / "storage"), a_host(tmp_path)
    told, configured = tmp_path / "host/told", tmp_path / "host/configured"
    places = [folder / "buildah-cache-0" for folder in (root / "tmp", told, configured)]
    for place in places:
        write(place / "a/b", "x")
    a_process(host.proc, 7, "podman", "build", ".")
    write(host.proc / "7/environ", "HOME=/root\0TMPDIR=/told\0")
    a_process(host.proc, 8, "buildah", "bud")  # has ended and is not waited for: nobody reads its environment
    write(host.here("/etc/containers/containers.conf"), '[engine]\n  image_copy_tmp_dir = "/configured"\n')
    assert set(of(root, host)) >= {str(place) for place in places}


def test_what_is_on_another_filesystem_or_another_users_is_not(tmp_path: Path) -> None:
    root, host = a_storage(tmp_path / "storage"), a_host(tmp_path)
    away = tmp_path / "host/var/tmp/buildah-cache-0"
    theirs = tmp_path / "host/tmp/buildah-cache-1000"
    write(away / "a/b", "x")
    write(theirs / "a/b", "x")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.chown(theirs, 1000, 1000)
    assert of(root, host, away=str(away.parent)) == {}


def test_dockers_store_has_nothing_there(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    write(tmp_path / "host/var/tmp/buildah-cache-0/a/b", "x")
    assert not {path for path in of(tmp_path / "docker", a_host(tmp_path)) if "buildah" in path}


def test_beside_docker_they_are_the_other_stores(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    host = a_host(tmp_path)
    root = a_storage(host.here("/root/.local/share/containers/storage"))
    folder = tmp_path / "host/var/tmp"
    for name in ("buildah-cache-0/a/b", "api.tar4123456"):
        write(folder / name, "")
    (folder / "api.tar4123456").chmod(0o600)
    found = of(tmp_path / "docker", host)
    for name, what in (("buildah-cache-0", "build cache"), ("api.tar4123456", "temporary files")):
        its = found[f"{folder}/{name}"]
        assert its.kind is UnitKind.OTHER_ENGINE
        assert its.owners == {Owner(OwnerKind.STORE, f"{root}: {what}")}


def test_only_a_service_stands_for_a_store(tmp_path: Path) -> None:
    host = a_host(tmp_path)
    a_process(host.proc, 7, "podman", "--root", "/r", "system", "service", "-t", "0", "unix:///run/p.sock")
    a_process(host.proc, 8, "podman", "--root", "/r", "build", ".")
    write(host.proc / "8/environ", "TMPDIR=/t\0")
    engines = {engine.pid: engine for engine in engine_processes(host)}
    assert [(engines[pid].root, engines[pid].socket) for pid in (7, 8)] == [("/r", "unix:///run/p.sock"), ("", "")]
    assert temporary_folders(host, engines.values())[-1] == str(host.here("/t"))


@pytest.mark.parametrize(
    ("name", "its"),
    [
        ("container_images_storage3683159321", True),
        ("container_images_docker-tar1234567", True),
        ("container_images_7654321", True),
        ("storage8451320", True),
        ("libpod_builder9999999", True),
        ("api_load.tar1929830805", True),
        ("GetImageBlob11", True),
        ("storage", False),
        ("storage2024", False),
        ("my-storage8451320", False),
        ("buildah1173897146", False),
    ],
)
def test_the_names_of_temporary_files(name: str, its: bool) -> None:
    """A build's own folder is none of them: what is mounted in it is seen in the namespace of the build alone."""
    assert (TEMPORARY.fullmatch(name) is not None) is its


def a_tar(path: Path, mode: int) -> None:
    a_file(path, mode, "x" * 257 + "ustar")


def a_file(path: Path, mode: int, text: str) -> None:
    write(path, text)
    path.chmod(mode)


def a_folder(path: Path, mode: int, *names: str) -> None:
    for name in names:
        write(path / name, "x")
    path.chmod(mode)


OURS: Mapping[str, Callable[[Path], None]] = {
    "storage8451320": lambda path: a_folder(path, 0o700, "1", "2"),
    "container_images_oci8451320": lambda path: a_folder(path, 0o700, "ab.tar"),
    "libpod_builder8451320": lambda path: a_folder(path, 0o700, "build/Dockerfile"),
    "docker-tar8451320": lambda path: a_tar(path, 0o600),
    "api_load.tar8451320": lambda path: a_tar(path, 0o600),
}
ANYBODYS: Mapping[str, Callable[[Path], None]] = {
    "storage2024": lambda path: a_folder(path, 0o700, "1"),
    "storage20241231": lambda path: a_folder(path, 0o700, "1", "precious"),
    "storage20241230": lambda path: a_folder(path, 0o755, "1"),
    "storage20241229": lambda path: a_folder(path, 0o700, "1/deep"),
    "storage20241228": lambda path: a_tar(path, 0o600),
    "api.tar20241231": lambda path: a_tar(path, 0o644),
    "docker-tar20241231": lambda path: a_file(path, 0o600, "not one"),
    "buildah-cache-7": lambda path: a_file(path, 0o600, "no folder"),
}


@pytest.mark.parametrize("name", [*OURS, *ANYBODYS])
def test_what_may_be_anybodys_is_no_leftover_and_is_not_removed(name: str, tmp_path: Path) -> None:
    root, host = a_storage(tmp_path / "storage"), a_host(tmp_path)
    path = tmp_path / "host/var/tmp" / name
    path.parent.mkdir(parents=True)
    {**OURS, **ANYBODYS}[name](path)
    for each in (*path.rglob("*"), path):
        os.utime(each, (0, time.time() - 2 * HOUR_S))
    found = of(root, host)
    folders, soon_s = (f"{root}/tmp", str(path.parent)), time.time() + 60
    act = temporary.remove(path, folders, oldest_s=time.time() - HOUR_S, planned_s=soon_s)
    assert (str(path) in found, act.removed, path.exists()) == (name in OURS, name in OURS, name not in OURS)


def test_what_lies_apart_from_an_image_goes_with_it(tmp_path: Path) -> None:
    root, layer, image = a_storage(tmp_path / "storage"), "ab" * 32, "cd" * 32
    row = f'[{{"id": "{layer}", "diff-digest": "sha256:{layer}", "diff-size": 1}}]'
    write(root / "overlay-layers/layers.json", row)
    write(root / "overlay-images/images.json", f'[{{"id": "{image}", "layer": "{layer}"}}]')
    apart = (root / f"overlay-layers/{layer}.tar-split.gz", root / "overlay-images" / image)
    write(apart[0], "x")
    write(apart[1] / "manifest", "x")
    store = drivers.store(root, a_host(tmp_path), driver_hint=None, deadline_s=20.0)
    assert isinstance(store, Exact)
    assert owners_at(store.value, apart) == [{Owner(OwnerKind.IMAGE, f"sha256:{image}")}] * 2


def owners_at(store: Store, paths: tuple[Path, ...]) -> list[set[Owner]]:
    units = {unit.path: unit for unit in listed(store.units)}
    return [set(units[str(path)].owners) for path in paths]


def test_the_records_of_a_transient_store_are_read_in_its_run_root(tmp_path: Path) -> None:
    root, run = a_storage(tmp_path / "var/lib/containers/storage"), tmp_path / "run/containers/storage"
    mine, container, anothers = "ab" * 32, "cd" * 32, "ef" * 32
    write(root / "overlay" / mine / "diff/own", "x")
    write(root / "overlay-containers" / container / "userdata/shm", "")
    rows = ", ".join(f'{{"id": "{layer}", "created": "2026-01-01T00:00:00Z"}}' for layer in (mine, anothers))
    write(run / "overlay-layers/volatile-layers.json", f"[{rows}]")
    written = f'[{{"id": "{container}", "names": ["web"], "layer": "{mine}"}}, {{"id": "{anothers}", "layer": "x"}}]'
    write(run / "overlay-containers/volatile-containers.json", written)
    found = drivers.store(root, a_host(tmp_path), driver_hint=None, deadline_s=20.0, grace_s=0.0)
    assert isinstance(found, Exact)
    assert [one.name for one in listed(found.value.container_layers)] == ["web"]
    assert owners_at(found.value, (root / "overlay" / mine,)) == [{Owner(OwnerKind.CONTAINER, container)}]
    assert listed(found.value.orphans) == ()


def test_a_container_without_a_record_keeps_every_layer_from_being_called_an_orphan(tmp_path: Path) -> None:
    """Its run root may lie where only the engine was told: what its container wrote must not go."""
    root = a_storage(tmp_path / "storage")
    write(root / "overlay" / ("ab" * 32) / "diff/own", "x")
    assert verdicts(root, tmp_path) == [Orphanhood.ORPHAN]
    write(root / "overlay-containers" / ("cd" * 32) / "userdata/shm", "")
    assert verdicts(root, tmp_path) == [Orphanhood.UNKNOWN]


def verdicts(root: Path, folder: Path) -> list[Orphanhood]:
    host = replace(a_host(folder), proc=Path("/proc"))
    found = drivers.store(root, host, driver_hint=None, deadline_s=20.0, grace_s=0.0)
    assert isinstance(found, Exact)
    return [proof.verdict for proof in listed(found.value.orphans)]


def test_the_image_stores_that_podman_reads_beside_its_own_are_found_by_its_configuration(tmp_path: Path) -> None:
    root, host = a_storage(tmp_path / "storage"), a_host(tmp_path)
    shared, apart = (a_storage(host.here(f"/srv/{name}")) for name in ("shared", "apart"))
    told = """[storage]
driver = "overlay"
imagestore = "/srv/apart"
[storage.options]
additionalimagestores = [
  "/srv/shared",
]
"""
    write(host.here("/etc/containers/storage.conf"), told)
    store = drivers.store(root, host, driver_hint=None, deadline_s=20.0)
    assert isinstance(store, Exact)
    around = Around(str(root), host, lambda _: True, Clock(20.0), engine_processes(host))
    found, _ = with_others(store.value, around, time.time())
    assert {(one.kind, one.path) for one in found.others} == {("Podman storage", str(path)) for path in (shared, apart)}
