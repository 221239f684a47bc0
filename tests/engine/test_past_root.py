"""The root of an engine that does not answer: its process, its configuration, what it said before; never another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from collectors.engine.endpoint import Endpoint
from collectors.engine.locality import keep_root, last_known
from collectors.system.deadline import Host, this_host

DEFAULT = Endpoint("unix:///var/run/docker.sock", "the default socket", False, None, "")
OTHER = Endpoint("unix:///srv/docker.sock", "--host", False, None, "")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "proc").mkdir()
    return replace(this_host(), root=tmp_path, proc=tmp_path / "proc", state=tmp_path / "state")


def daemon(host: Host, pid: int, *words: str) -> None:
    folder = host.proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_text("dockerd\n")
    (folder / "cmdline").write_text("\0".join(("/usr/bin/dockerd", *words, "")))


def configured(host: Host, text: str, path: str = "etc/docker/daemon.json") -> None:
    (host.root / path).parent.mkdir(parents=True, exist_ok=True)
    (host.root / path).write_text(text)


def test_nobody_knows_where_nobody_said(host: Host) -> None:
    assert last_known(host, DEFAULT) is None
    configured(host, "{broken")
    assert last_known(host, DEFAULT) is None


@pytest.mark.parametrize(
    "words", [("--data-root", "/data/docker"), ("--data-root=/data/docker",), ("-g", "/data/docker")]
)
def test_a_frozen_daemons_command_line_says_it(host: Host, words: tuple[str, ...]) -> None:
    configured(host, '{"data-root": "/from/file"}')
    daemon(host, 7, "-H", "fd://", *words)
    assert last_known(host, DEFAULT) == ("/data/docker", "dockerd's command line")


def test_its_configuration_says_it_and_else_it_is_the_usual_place(host: Host) -> None:
    daemon(host, 7)
    assert last_known(host, DEFAULT) == ("/var/lib/docker", "dockerd's configuration")
    configured(host, '{"data-root": "/from/file"}')
    assert last_known(host, DEFAULT) == ("/from/file", "dockerd's configuration")


def test_another_daemon_or_its_file_says_nothing(host: Host) -> None:
    configured(host, '{"data-root": "/from/file"}')
    daemon(host, 7, "--data-root", "/first")
    daemon(host, 8, "-H", "unix:///srv/docker.sock", "--data-root", "/second")
    assert last_known(host, OTHER) == ("/second", "dockerd's command line")
    assert last_known(host, DEFAULT) == ("/first", "dockerd's command line")
    assert last_known(host, replace(OTHER, url="unix:///third.sock")) is None
    assert last_known(host, replace(OTHER, url="tcp://127.0.0.1:2375")) is None


def test_a_users_own_daemon_is_at_its_own_socket_and_says_nothing_of_the_machines(host: Host) -> None:
    daemon(host, 7)
    environ = "ROOTLESSKIT_STATE_DIR=/x\0HOME=/home/ann\0XDG_RUNTIME_DIR=/run/user/7"
    (host.proc / "7/environ").write_text(environ)
    assert last_known(host, DEFAULT) is None
    own = replace(OTHER, url="unix:///run/user/7/docker.sock")
    assert last_known(host, own) == ("/home/ann/.local/share/docker", "dockerd's configuration")
    configured(host, '{"data-root": "/mine"}', "home/ann/.config/docker/daemon.json")
    assert last_known(host, own) == ("/mine", "dockerd's configuration")


def test_what_it_said_before_is_kept_by_its_address(host: Host) -> None:
    keep_root(host, OTHER, "/kept")
    keep_root(host, DEFAULT, "/usual")
    assert last_known(host, OTHER) == ("/kept", "an earlier run")
    configured(host, '{"data-root": "/from/file"}')
    assert last_known(host, DEFAULT) == ("/from/file", "/etc/docker/daemon.json")
    assert host.state is not None
    (host.state / "docker-roots.json").write_text("torn")
    assert last_known(host, OTHER) is None
