"""Does the engine run on this machine? Only a proof says yes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from collectors.engine import Endpoint, endpoint, view
from collectors.engine.locality import is_local, own_container
from collectors.model import ContainerId
from collectors.model.engine import Engine, Flavour, ImageStore
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import Declined, Host
from tests.fakes.engine import engine as fake_engine
from tests.fakes.recordings import recording

OWN = "a" * 64
ENGINE = Engine(
    id="UFJV:CB6U",
    name="vm",
    flavour=Flavour.DOCKER,
    version="26.1.5",
    api_version="1.45",
    driver="overlay2",
    driver_status=(),
    image_store=ImageStore.GRAPH_DRIVER,
    root="/var/lib/docker",
    logging_driver="json-file",
    warnings=(),
)
HOSTNAME_OF = {
    "docker": f"/var/lib/docker/containers/{OWN}/hostname",
    "docker on btrfs": f"/@docker/containers/{OWN}/hostname",
    "podman": f"/run/containers/overlay-containers/{OWN}/userdata/hostname",
}


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="ullage-") as name:
        yield Path(name)


@pytest.fixture
def host(folder: Path) -> Host:
    """A machine whose /var/lib/docker is there, with no process and no container around us."""
    (folder / "root/var/lib/docker").mkdir(parents=True)
    (folder / "proc/self").mkdir(parents=True)
    return Host("vm", folder / "root", folder / "proc", folder / "sys", folder / "dev", None, None)


@pytest.fixture
def local_socket(folder: Path) -> Iterator[Endpoint]:
    """A socket that this very process listens at."""
    path = folder / "engine.sock"
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(path))
        line.listen(8)
        yield at(f"unix://{path}")


def at(url: str) -> Endpoint:
    return endpoint(url, {}, Path("/nowhere"))


def nothing_listed() -> set[ContainerId]:
    return set()


def not_asked() -> set[ContainerId]:
    raise AssertionError("the list of containers was not needed")


def process(host: Host, engines_root: Path | None, *, numbers: str = "4711") -> None:
    """What /proc shows of the process behind the socket: this one."""
    here = host.proc / str(os.getpid())
    here.mkdir()
    (here / "status").write_text(f"Name:\tdockerd\nNSpid:\t{numbers}\n")
    if engines_root is not None:
        (here / "root").symlink_to(engines_root)


def inside(host: Host, source: str) -> None:
    """This process runs in a container whose /etc/hostname comes from `source`."""
    (host.proc / "self/mountinfo").write_text(
        "22 1 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/x\n"
        f"30 22 254:1 {source} /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n"
        "short line\n"
    )


def refusal(*arguments: Any) -> Declined:
    with pytest.raises(Declined) as caught:
        is_local(*arguments)
    return caught.value


@pytest.mark.parametrize("url", ["unix:///nowhere.sock", "tcp://127.0.0.1:2375"])
def test_the_same_engine_id_under_the_root_is_a_proof(host: Host, url: str) -> None:
    (host.root / "var/lib/docker/engine-id").write_text("UFJV:CB6U\n")
    assert is_local(at(url), host, ENGINE, not_asked) is True


def test_a_docker_root_given_by_hand_is_where_the_id_is_looked_for(host: Host, folder: Path) -> None:
    (folder / "bound").mkdir()
    (folder / "bound/engine-id").write_text("UFJV:CB6U")
    assert is_local(at("unix:///nowhere.sock"), replace(host, docker_root=folder / "bound"), ENGINE, not_asked) is True


def test_another_engine_id_is_another_engine_whatever_else_looks_alike(host: Host, local_socket: Endpoint) -> None:
    (host.root / "var/lib/docker/engine-id").write_text("another")
    process(host, host.root)
    inside(host, HOSTNAME_OF["docker"])
    refused = refusal(local_socket, host, ENGINE, lambda: {ContainerId(OWN)})
    assert (refused.why, "another engine" in refused.detail) == (Why.INCONSISTENT, True)


@pytest.mark.parametrize("url", ["tcp://10.0.0.1:2375", "ssh://me@far"])
def test_an_engine_across_the_network_is_not_here_even_if_a_copy_of_its_id_is(host: Host, url: str) -> None:
    (host.root / "var/lib/docker/engine-id").write_text("UFJV:CB6U")
    assert is_local(at(url), host, ENGINE, not_asked) is False


@pytest.mark.parametrize("content", ["", "\n", None])
def test_an_empty_id_equals_nothing(host: Host, content: str | None) -> None:
    if content is not None:
        (host.root / "var/lib/docker/engine-id").write_text(content)
    assert refusal(at("unix:///nowhere.sock"), host, replace(ENGINE, id=""), nothing_listed).why is Why.NOT_REACHABLE


def test_the_process_behind_the_socket_that_sees_our_directory_is_a_proof(host: Host, local_socket: Endpoint) -> None:
    process(host, host.root)
    assert is_local(local_socket, host, ENGINE, not_asked) is True


def test_an_engine_in_a_container_has_a_root_of_the_same_name_and_another_place(
    host: Host, local_socket: Endpoint, folder: Path
) -> None:
    (folder / "inner/var/lib/docker").mkdir(parents=True)
    process(host, folder / "inner", numbers="4711\t12")
    refused = refusal(local_socket, host, ENGINE, nothing_listed)
    assert (refused.why, "another directory" in refused.detail) == (Why.INCONSISTENT, True)


@pytest.mark.parametrize(("numbers", "local"), [("4711", True), ("4711\t12", False), ("", False)])
def test_without_a_look_into_the_process_its_namespace_must_be_ours(
    host: Host, local_socket: Endpoint, numbers: str, local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(host, host.root, numbers=numbers)
    look = Path.stat

    def closed(path: Path, **options: Any) -> os.stat_result:
        if str(os.getpid()) in path.parts:
            raise PermissionError(13, "Permission denied")
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", closed)
    if local:
        assert is_local(local_socket, host, ENGINE, not_asked) is True
    else:
        assert refusal(local_socket, host, ENGINE, nothing_listed).why is Why.NOT_REACHABLE


def test_a_socket_alone_is_no_proof(host: Host, local_socket: Endpoint) -> None:
    """It may be forwarded from anywhere: here the process behind it is not in sight."""
    refused = refusal(local_socket, host, ENGINE, nothing_listed)
    assert (refused.why, "nothing proves" in refused.detail) == (Why.NOT_REACHABLE, True)


def test_a_root_that_is_not_here_is_not_local(host: Host, local_socket: Endpoint) -> None:
    process(host, host.root)
    refused = refusal(local_socket, host, replace(ENGINE, root="/data/docker"), nothing_listed)
    assert refused.why is Why.NOT_REACHABLE


@pytest.mark.parametrize("source", HOSTNAME_OF.values())
def test_an_engine_that_lists_the_container_around_us_runs_on_this_machine(host: Host, source: str) -> None:
    inside(host, source)
    assert own_container(host) == OWN
    assert is_local(at("unix:///nowhere.sock"), host, ENGINE, lambda: {ContainerId(OWN)}) is True


def test_a_container_of_another_engine_proves_nothing(host: Host) -> None:
    inside(host, HOSTNAME_OF["docker"])
    refused = refusal(at("unix:///nowhere.sock"), host, ENGINE, lambda: {ContainerId("b" * 64)})
    assert OWN in refused.detail


@pytest.mark.parametrize("source", ["/etc/hostname", "/kubelet/pods/x/etc-hosts", f"/{OWN}/hosts"])
def test_a_hostname_file_of_something_else_names_no_container(host: Host, source: str) -> None:
    inside(host, source)
    assert own_container(host) is None


# In a view


def test_a_view_proves_it_with_the_id_that_info_gives(host: Host) -> None:
    (host.root / "var/lib/docker/engine-id").write_text(recording("26.1.5-overlay2")["info"]["ID"])
    with fake_engine("26.1.5-overlay2") as server:
        local = view(at(server.url), host, deadline_s=5).local
    assert isinstance(local, Exact)
    assert local.value is True


def test_a_view_proves_it_with_the_containers_that_are_listed(host: Host) -> None:
    own = recording("26.1.5-overlay2")["containers"][0]["Id"]
    inside(host, f"/containers/{own}/hostname")
    with fake_engine("26.1.5-overlay2") as server:
        local = view(at(server.url), host, deadline_s=5).local
    assert isinstance(local, Exact)
    assert local.value is True


def test_a_view_of_podman_needs_its_root_and_its_process(host: Host) -> None:
    with fake_engine("podman-4.3.1") as server:
        assert isinstance(view(at(server.url), host, deadline_s=5).local, Unavailable)
        process(host, host.root)
        (host.root / "var/lib/docker/root").mkdir()
        local = view(at(server.url), host, deadline_s=5).local
    assert isinstance(local, Exact)
    assert local.value is True
