"""Stores beside the engine's own: where they are looked for, who runs on them, and that ours is never taken for one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.drivers.files import followed
from collectors.drivers.inner import containerd_roots, engine_processes, root_behind
from collectors.drivers.other_stores import Around, other_stores
from collectors.model import OwnerKind
from collectors.model.store import OtherStore, Unit, UnitKind
from collectors.system.deadline import Clock, Host
from tests.drivers.docker_root_trees import GraphRoot, write


def a_host(folder: Path) -> Host:
    """Its own root prefix, so that none of this machine's usual places is looked into."""
    (folder / "proc").mkdir(exist_ok=True)
    return Host("h", folder / "host", folder / "proc", folder / "sys", folder / "dev", None, None)


def a_process(proc: Path, pid: int, comm: str, *words: str) -> None:
    write(proc / str(pid) / "comm", comm + "\n")
    write(proc / str(pid) / "cmdline", "\0".join((comm, *words, "")))


def beside(
    root: Path, folder: Path, *own: str, here: Callable[[str], bool] = lambda _: True
) -> tuple[tuple[OtherStore, ...], tuple[Unit, ...], tuple[str, ...]]:
    host = a_host(folder)
    return other_stores(Around(str(root), host, here, Clock(20.0), engine_processes(host)), own)


def found(folder: Path, root: Path, *own: str) -> dict[str, tuple[str, str]]:
    stores, _, _ = beside(root, folder, *own, here=lambda path: path.startswith(str(folder)))
    return {Path(one.path).name: (one.kind, one.runs) for one in stores}


def a_root(path: Path) -> GraphRoot:
    path.mkdir(parents=True)
    made = GraphRoot(path)
    made.save_build_cache()
    (path / "containers").mkdir(exist_ok=True)
    (path / "image/overlay2/layerdb/sha256").mkdir(parents=True, exist_ok=True)
    return made


def test_engines_say_where_their_root_and_socket_are(tmp_path: Path) -> None:
    host = a_host(tmp_path)
    a_process(host.proc, 7, "dockerd", "--data-root=/r/two", "-H", "unix:///run/two.sock")
    a_process(host.proc, 8, "dockerd")
    a_process(host.proc, 9, "containerd", "--config", "/c.toml")
    write(host.proc / "9/root/c.toml", 'root = "/r/pods"\n[grpc]\naddress = "/run/c.sock"\n')
    a_process(host.proc, 10, "bash", "--data-root=/no")
    a_process(host.proc, 11, "dockerd", "--config-file=/d.json")
    write(host.proc / "11/root/d.json", '{"data-root": "/r/three"}')
    a_process(host.proc, 12, "dockerd")
    write(host.proc / "12/environ", "HOME=/home/ann\0ROOTLESSKIT_STATE_DIR=/x\0XDG_RUNTIME_DIR=/run/user/7\0")
    a_process(host.proc, 13, "dockerd")
    write(
        host.proc / "13/environ", "ROOTLESSKIT_STATE_DIR=/x\0XDG_RUNTIME_DIR=/r\0XDG_DATA_HOME=/d\0XDG_CONFIG_HOME=/c"
    )
    write(host.proc / "13/root/c/docker/daemon.json", '{"data-root": "/r/four"}')
    a_process(host.proc, 14, "conmon", "-c", "ab", "-b", "/p/storage/overlay-containers/ab/userdata")
    a_process(host.proc, 15, "conmon", "-b", "/short")
    write(host.proc / "uptime", "1 1")
    told = {engine.pid: (engine.root, engine.socket) for engine in engine_processes(host)}
    assert told == {
        7: ("/r/two", "unix:///run/two.sock"),
        8: ("/var/lib/docker", "unix:///var/run/docker.sock"),
        9: ("/r/pods", "/run/c.sock"),
        11: ("/r/three", "unix:///var/run/docker.sock"),
        12: ("/home/ann/.local/share/docker", "unix:///run/user/7/docker.sock"),
        13: ("/r/four", "unix:///r/docker.sock"),
        14: ("/p/storage", ""),
        15: ("", ""),
    }


def test_a_containerd_is_looked_for_where_clients_find_it_and_where_it_usually_is(tmp_path: Path) -> None:
    host = a_host(tmp_path)
    a_process(host.proc, 8, "containerd", "--root", "/r/own", "--address", "/run/docker/containerd/containerd.sock")
    a_process(host.proc, 9, "containerd", "--root=/r/k3s", "-a", "/run/k3s/containerd/containerd.sock")
    assert tuple(containerd_roots(host))[:2] == ("/r/k3s", "/var/lib/containerd")
    assert root_behind("/run/docker/containerd/containerd.sock", engine_processes(host)) == "/r/own"
    assert root_behind("", engine_processes(host)) is None


def test_a_buildkit_beside_ours_is_a_store_of_cache_with_its_own_client(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    write(tmp_path / "buildkit/buildkitd.lock", "")
    stores, units, _ = beside(tmp_path / "docker", tmp_path)
    assert [(one.kind, one.ask) for one in stores] == [("BuildKit", "buildctl du && buildctl prune")]
    assert [(unit.kind, unit.path) for unit in units] == [(UnitKind.OTHER_ENGINE, str(tmp_path / "buildkit"))]


def test_a_root_beside_ours_is_found_and_ours_is_not(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    a_root(tmp_path / "docker.old")
    assert found(tmp_path, tmp_path / "docker") == {"docker.old": ("Docker root", "")}


def test_the_root_that_ours_lies_in_since_user_namespaces_holds_nothing_of_ours(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    inner = tmp_path / "docker/100000.100000"
    a_root(inner)
    stores, units, _ = beside(inner, tmp_path)
    assert [one.path for one in stores] == [str(tmp_path / "docker")]
    assert {unit.kind for unit in units} == {UnitKind.FORMER_ROOT}
    assert not any(unit.path.startswith(str(inner)) for unit in units)
    assert {owner.kind for unit in units for owner in unit.owners} == {OwnerKind.STORE}


def test_the_engine_that_works_below_the_former_root_does_not_make_it_another_engines(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    inner = tmp_path / "docker/100000.100000"
    a_root(inner)
    host = a_host(tmp_path)
    a_process(host.proc, 7, "dockerd", f"--data-root={tmp_path}/docker", "--userns-remap=default")
    (host.proc / "7/root").symlink_to("/")
    assert found(tmp_path, inner)["docker"] == ("Docker root", "")


def test_podmans_and_rootless_stores_of_users_are_found_in_their_homes(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    homes = tmp_path / "host/home"
    a_root(homes / "ann/.local/share/docker")
    for home in (homes / "bob", tmp_path / "host/root"):
        store = home / ".local/share/containers/storage"
        write(store / "overlay-layers/layers.json", "[]")
        write(store / "overlay/keep", "")
        write(store / "volumes/mail/_data/box", "x")
    stores, units, _ = beside(tmp_path / "docker", tmp_path)
    told = {str(Path(one.path).relative_to(tmp_path)): (one.kind, one.volumes, one.ask) for one in stores}
    bobs, roots = (f"host/{home}/.local/share/containers/storage" for home in ("home/bob", "root"))
    assert told == {
        "host/home/ann/.local/share/docker": ("Docker root", (), ""),
        bobs: ("Podman storage", ("mail",), f"podman --root {tmp_path}/{bobs} system df"),
        roots: ("Podman storage", ("mail",), f"podman --root {tmp_path}/{roots} system df"),
    }
    kinds = {unit.kind for unit in units if "/containers/storage" in unit.path}
    assert kinds == {UnitKind.OTHER_ENGINE}, "Podman runs without a daemon: nothing of its is a former root"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_users_own_engine_that_is_not_running_is_no_former_root_and_is_asked_as_that_user(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    ann = tmp_path / "host/home/ann/.local/share"
    a_root(ann / "docker")
    write(ann / "containers/storage/overlay-layers/layers.json", "[]")
    write(ann / "containers/storage/overlay/keep", "")
    for path in (ann / "docker", ann / "containers/storage"):
        os.chown(path, 64980, 64980)
    stores, units, _ = beside(tmp_path / "docker", tmp_path)
    assert {one.kind: one.ask for one in stores} == {
        "rootless Docker root": "sudo -iu '#64980' systemctl --user start docker",
        "Podman storage": "sudo -iu '#64980' podman system df",
    }
    assert {unit.kind for unit in units} == {UnitKind.OTHER_ENGINE}


def test_what_our_own_store_uses_elsewhere_is_no_other_store(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    a_root(tmp_path / "disk2")
    assert found(tmp_path, tmp_path / "docker", str(tmp_path / "disk2")) == {}


def test_nothing_is_opened_of_a_path_that_is_of_no_interest(tmp_path: Path) -> None:
    a_root(tmp_path / "docker")
    a_root(tmp_path / "docker.old")
    stores, units, _ = beside(tmp_path / "docker", tmp_path, here=lambda _: False)
    assert (stores, units) == ((), ())


def test_a_link_is_followed_to_its_end_and_what_is_none_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("real")
    assert followed(tmp_path / "one") == tmp_path / "real"
    assert followed(tmp_path / "real") == tmp_path / "real"
