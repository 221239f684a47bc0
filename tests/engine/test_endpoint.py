"""Which engine is meant: the order of the docker client, and addresses as people write them."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from collectors.engine import Endpoint, endpoint, view
from collectors.engine.endpoint import BadAddress, is_loopback, uniform
from collectors.model.reading import Unavailable, Why
from collectors.system.deadline import this_host


@pytest.fixture
def root() -> Iterator[Path]:
    # pytest's own folders are longer than a socket's address may be.
    with TemporaryDirectory(prefix="ullage-") as folder:
        yield Path(folder)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".docker").mkdir()
    return tmp_path


def store(config: Path, name: str, host: str, *, skip_verify: bool = False, tls: tuple[str, ...] = ()) -> None:
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = config / "contexts" / "meta" / key
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(
        json.dumps(
            {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": skip_verify}}}
        )
    )
    files = config / "contexts" / "tls" / key / "docker"
    files.mkdir(parents=True)
    for file in tls:
        (files / file).write_text("")


def listen(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(path))


def choose(
    home: Path, flag: str | None = None, environ: Mapping[str, str] | None = None, root: Path = Path("/nowhere")
) -> Endpoint:
    return endpoint(flag, environ or {}, home, root=root, uid=1000)


def test_the_order_is_that_of_the_docker_client(home: Path) -> None:
    """28.2 used DOCKER_HOST where both it and DOCKER_CONTEXT were set."""
    config = home / ".docker"
    store(config, "one", "tcp://one:2375")
    store(config, "two", "tcp://two:2375")
    (config / "config.json").write_text(json.dumps({"currentContext": "two"}))
    environ = {"DOCKER_HOST": "tcp://host:2375", "DOCKER_CONTEXT": "one"}

    assert choose(home, "tcp://flag:2375", environ=environ).url == "tcp://flag:2375"
    assert choose(home, environ=environ).url == "tcp://host:2375"
    assert choose(home, environ={"DOCKER_CONTEXT": "one"}).url == "tcp://one:2375"
    assert choose(home).url == "tcp://two:2375"
    assert choose(home, environ={"DOCKER_CONTEXT": "default"}).url.endswith("/var/run/docker.sock")


def test_each_choice_says_where_it_comes_from(home: Path) -> None:
    store(home / ".docker", "one", "ssh://root@one")
    assert choose(home, "unix:///x").source == "--host"
    assert choose(home, environ={"DOCKER_HOST": "unix:///x"}).source == "DOCKER_HOST"
    assert choose(home, environ={"DOCKER_CONTEXT": "one"}).source == "context “one” (DOCKER_CONTEXT)"
    assert choose(home).source == "the default socket"


def test_an_empty_variable_is_an_unset_one(home: Path) -> None:
    assert (
        choose(home, environ={"DOCKER_HOST": "", "DOCKER_CONTEXT": "", "DOCKER_CONFIG": ""}).source
        == "the default socket"
    )


def test_contexts_live_where_docker_config_says(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    store(other, "far", "ssh://far")
    (other / "config.json").write_text(json.dumps({"currentContext": "far"}))
    assert choose(home, environ={"DOCKER_CONFIG": str(other)}).url == "ssh://far"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"currentContext": 5}', "null"])
def test_a_broken_client_configuration_is_ignored_as_the_client_does(home: Path, content: str) -> None:
    (home / ".docker" / "config.json").write_text(content)
    assert choose(home).source == "the default socket"


def test_a_context_whose_name_nothing_can_write_is_a_problem_and_no_traceback(home: Path) -> None:
    (home / ".docker" / "config.json").write_text('{"currentContext": "\\ud800"}')
    chosen = choose(home)
    assert chosen.url == ""
    assert chosen.problem


@pytest.mark.parametrize("meta", [None, "", "{", "[]", '{"Endpoints": null}', '{"Endpoints": {"docker": []}}'])
def test_a_context_that_cannot_be_read_is_a_problem_and_not_another_engine(home: Path, meta: str | None) -> None:
    if meta is not None:
        store(home / ".docker", "gone", "unix:///x")
        for file in home.rglob("meta.json"):
            file.write_text(meta)
    chosen = choose(home, environ={"DOCKER_CONTEXT": "gone"})
    assert chosen.url == ""
    assert "“gone”" in chosen.problem


def test_a_context_without_a_host_means_the_default_socket(home: Path) -> None:
    store(home / ".docker", "plain", "")
    assert choose(home, environ={"DOCKER_CONTEXT": "plain"}).url == "unix:///var/run/docker.sock"


def test_a_context_brings_its_own_tls_and_the_environment_brings_none_to_it(home: Path) -> None:
    store(home / ".docker", "bare", "tcp://bare:2375")
    store(home / ".docker", "safe", "tcp://safe:2376", tls=("ca.pem", "cert.pem", "key.pem"))
    store(home / ".docker", "lax", "tcp://lax:2376", skip_verify=True)

    assert choose(home, environ={"DOCKER_CONTEXT": "bare", "DOCKER_TLS_VERIFY": "1"}).tls is None
    safe = choose(home, environ={"DOCKER_CONTEXT": "safe"}).tls
    assert safe is not None
    assert safe.verify
    assert [path is not None and path.is_file() for path in (safe.ca, safe.cert, safe.key)] == [True] * 3
    lax = choose(home, environ={"DOCKER_CONTEXT": "lax"}).tls
    assert lax is not None
    assert not lax.verify


def test_tls_variables_name_the_files_for_hosts_given_by_hand(home: Path, tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    (certificates / "ca.pem").write_text("")
    environ = {"DOCKER_CERT_PATH": str(certificates), "DOCKER_HOST": "tcp://far"}

    assert choose(home, environ=environ).tls is None
    assert choose(home, environ=environ).url == "tcp://far:2375"
    verified = choose(home, environ={"DOCKER_TLS_VERIFY": "1", **environ})
    assert verified.url == "tcp://far:2376"
    assert verified.tls is not None
    assert (verified.tls.ca, verified.tls.cert, verified.tls.verify) == (certificates / "ca.pem", None, True)
    unverified = choose(home, environ={"DOCKER_TLS": "1", **environ})
    assert unverified.tls is not None
    assert not unverified.tls.verify
    assert choose(home, "unix:///x", environ={"DOCKER_TLS_VERIFY": "1"}).tls is None


def test_the_first_default_socket_that_exists_is_taken(home: Path, root: Path) -> None:
    runtime = {"XDG_RUNTIME_DIR": "/run/user/1000"}
    assert choose(home, root=root).url == f"unix://{root}/var/run/docker.sock"
    for path, source in (
        ("run/podman/podman.sock", "Podman's socket"),
        ("run/user/1000/podman/podman.sock", "Podman's socket"),
        ("run/user/1000/docker.sock", "the rootless socket"),
        ("var/run/docker.sock", "the default socket"),
    ):
        listen(root / path)
        for environ in (runtime, {}):
            chosen = choose(home, root=root, environ=environ)
            assert (chosen.url, chosen.source, chosen.remote) == (f"unix://{root}/{path}", source, False)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
        ("/run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock"),
        (" tcp://10.0.0.1:2375 ", "tcp://10.0.0.1:2375"),
        ("10.0.0.1:4243", "tcp://10.0.0.1:4243"),
        ("docker.example", "tcp://docker.example:2375"),
        (":2375", "tcp://localhost:2375"),
        ("tcp://[fe80::1]:2375", "tcp://[fe80::1]:2375"),
        ("tcp://host", "tcp://host:2375"),
        ("https://host", "https://host:2376"),
        ("tcp://host:2375/prefix/", "tcp://host:2375/prefix"),
        ("ssh://me@host", "ssh://me@host"),
        ("ssh://me@host:2222", "ssh://me@host:2222"),
    ],
)
def test_addresses_are_understood_as_people_write_them(text: str, url: str) -> None:
    assert uniform(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "unix://",
        "unix://relative",
        "npipe:////./pipe/docker",
        "fd://",
        "tcp://",
        "tcp://h:port",
        "ssh://",
        "ssh://h/path",
        "tcp://[::1",
    ],
)
def test_what_is_no_address_is_said_to_be_none(text: str, home: Path) -> None:
    with pytest.raises(BadAddress):
        uniform(text)
    chosen = choose(home, text)
    assert chosen.url == ""
    assert text.strip() in chosen.problem
    assert "--host" in chosen.problem


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("unix:///x", False),
        ("tcp://127.0.0.1:2375", False),
        ("tcp://localhost:2375", False),
        ("tcp://[::1]:2375", False),
        ("tcp://10.0.0.1:2375", True),
        ("tcp://localhost.example:2375", True),
        ("ssh://localhost", False),
        ("ssh://me@far", True),
    ],
)
def test_an_address_that_leaves_this_machine_is_remote(text: str, remote: bool, home: Path) -> None:
    assert choose(home, text).remote is remote
    assert text.startswith("unix") or is_loopback(uniform(text)) is not remote


def test_an_endpoint_with_a_problem_is_a_view_with_its_reason(home: Path) -> None:
    seen = view(choose(home, "fd://"), this_host(), deadline_s=1)
    readings: list[Any] = [seen.engine, seen.local, seen.images, seen.containers, seen.volumes, seen.build_cache]
    for reading in readings:
        assert isinstance(reading, Unavailable)
        assert reading.why is Why.NOT_REACHABLE
        assert "fd://" in reading.detail
