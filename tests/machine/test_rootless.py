"""Engines of a user without privileges, beside the machine's own: Docker below RootlessKit, and Podman.

Seen by root, by that user, by that user within the engine's user namespace, and from a container with the socket.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collectors.causes import other_stores
from tests.bench.explain import preflight
from tests.lab import Lab
from tests.lab.client import Client
from tests.lab.engine import Engine, Place
from tests.lab.engines import NoSuchEngine
from tests.lab.measure import used_bytes
from tests.lab.messes._write import MIB, random_file
from tests.lab.require import require_machine
from tests.lab.user import USER, USER_IDS
from tests.ledger.coverage import of_engine
from tests.privileges import image, program

pytestmark = pytest.mark.machine

KINDS = ("rootless-docker", "rootless-podman")
ROOTS = {"rootless-docker": ".local/share/docker", "rootless-podman": ".local/share/containers/storage"}
OF_ENGINE = ("images", "containers", "logs", "volumes", "orphans", "docker_other")
IMAGE, LAYER, VOLUME = 60 * MIB, 7 * MIB, 11 * MIB
_BOUND = Path(program.__file__).with_name("bound.sh")


@dataclass(frozen=True, slots=True)
class Users:
    """A lab with its own engine, and those that the user started in it."""

    lab: Lab
    engines: Mapping[str, Engine]

    def host(self, kind: str) -> str:
        return f"unix://{self.engines[kind].place.socket}"

    def client(self, kind: str) -> Client:
        return Client(self.host(kind), self.engines[kind].place.base)

    def root(self, kind: str) -> Path:
        return self.engines[kind].place.data_root / ROOTS[kind]


@pytest.fixture(scope="module")
def users() -> Iterator[Users]:
    require_machine()
    with Lab.up(driver="overlay2", mess="empty", size_mib=1536) as lab:
        try:
            made = Users(lab, {kind: an_engine(lab, kind) for kind in KINDS})
        except NoSuchEngine as error:
            pytest.skip(str(error))
        for kind in KINDS:
            fill(made, kind)
        yield made


def an_engine(lab: Lab, kind: str) -> Engine:
    base, home = lab.base / kind, lab.mount / f"home-{kind}"
    base.mkdir()
    home.mkdir()
    engine = Engine(Place(base, home, lab.base), lab._engine.record, kind, "overlay2")
    engine.start()
    lab._engine.record = engine.record
    return engine


def fill(users: Users, kind: str) -> None:
    """An unused image, a container with bytes in its layer, and a volume whose mail only its owner inside may read."""
    client = users.client(kind)
    client.base_image()
    client.import_image("app:1", {"data": IMAGE})
    image.build(client)
    script = f"head -c {LAYER} /dev/urandom > /tmp/own; echo hello; exec sleep 100000"
    client.docker("run", "-d", "--name", "web", "--network", "none", "-v", "mail:/data", "base:1", "sh", "-c", script)
    box = random_file(users.root(kind) / "volumes/mail/_data/box/new", VOLUME).parent
    for path in (*box.iterdir(), box):
        os.chown(path, USER_IDS[32], USER_IDS[32])  # whom the container calls 33
        path.chmod(0o700)


def as_user(users: Users, kind: str, *, inside: bool = False) -> dict[str, Any]:
    """The report of the user; `inside`: from within the user namespace that the engine works in."""
    below = str(users.lab.base / "bound")
    pairs = [word for pair in program.binds(below).items() for word in pair]
    variables = [f"{name}={value}" for name, value in program.environment(below).items()]
    away = ("unshare", "--mount", "--propagation", "private", "/bin/sh", str(_BOUND), *pairs, "--")
    user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all")
    entered = ("nsenter", "--user", "--preserve-credentials", "--target", in_namespace(users, kind)) if inside else ()
    asked = (*program.command(below), "--format", "json", "--host", users.host(kind))
    words = (*away, *user, *entered, "env", "-i", *variables, *asked)
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def in_namespace(users: Users, kind: str) -> str:
    """A process of the engine's: dockerd by its own file, of Podman what watches over its namespace."""
    base = users.engines[kind].place.base
    file = base / "docker.pid" if kind == "rootless-docker" else base / "libpod/tmp/pause.pid"
    return file.read_text().strip()


def in_container(users: Users, kind: str, *more: str) -> dict[str, Any]:
    """The report from a container of the engine that was given its socket and nothing else."""
    socket = users.engines[kind].place.socket
    words = ("run", "--rm", "--network", "none", "-v", f"{socket}:/var/run/docker.sock", image.IMAGE)
    answer: dict[str, Any] = json.loads(
        users.client(kind).docker(*words, *program.ARGUMENTS, "--format", "json", *more)
    )
    return answer


def rows(document: Mapping[str, Any]) -> dict[str, int | None]:
    return {row["category"]: row["bytes"] for row in document["ledger"]}


def item(document: Mapping[str, Any], category: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in document["items"][category] if one["name"].endswith(name)]
    return dict(found)


def coverage(document: Mapping[str, Any], source: str) -> dict[str, Any]:
    (line,) = [line for line in document["coverage"] if line["source"] == source]
    return dict(line)


def unexplained(document: Mapping[str, Any]) -> float:
    return abs(rows(document)["unattributed"] or 0) / float(document["filesystem"]["used_bytes"])


@pytest.mark.parametrize("kind", KINDS)
def test_root_sees_all_of_it_and_each_thing_with_its_owner(users: Users, kind: str) -> None:
    document = preflight(users.lab, users.host(kind))
    assert document["engine"]["root"] == str(users.root(kind))
    assert unexplained(document) <= 0.001
    assert of_engine(users.host(kind)) == {}
    assert IMAGE <= item(document, "images", "app:1")["bytes"] <= IMAGE + MIB
    web = item(document, "containers", "web")
    assert (web["state"], LAYER <= web["bytes"] <= LAYER + MIB) == ("running", True)
    mail = item(document, "volumes", "mail")
    assert (mail["state"], mail["owner"], VOLUME <= mail["bytes"] <= VOLUME + MIB) == ("in use", "web", True)


def test_podmans_build_cache_is_unknown_and_dockers_is_read(users: Users) -> None:
    found = {kind: rows(preflight(users.lab, users.host(kind)))["build_cache"] for kind in KINDS}
    assert found == {"rootless-docker": 0, "rootless-podman": None}


def test_to_the_machines_own_engine_they_are_other_engines_with_whom_to_ask(users: Users) -> None:
    document = preflight(users.lab)
    assert unexplained(document) <= 0.001
    (found,) = [one for one in document["findings"] if one["rule"] == other_stores.ENGINE_ID]
    assert f"docker -H {users.host('rootless-docker')} system df" in found["remedy"]
    assert f"sudo -iu '#{USER}' podman system df" in found["remedy"]
    theirs = [one for one in document["items"]["other_files"] if one["owner"] in {str(users.root(k)) for k in KINDS}]
    assert sum(one["bytes"] for one in theirs) >= 2 * (IMAGE + LAYER + VOLUME)
    assert sum(one["bytes"] for one in document["items"]["other_files"]) == rows(document)["other_files"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_user_sees_what_the_user_may_and_is_told_what_not(users: Users, kind: str) -> None:
    document, whole = as_user(users, kind), preflight(users.lab, users.host(kind))
    assert "not permitted" in coverage(document, "bytes by holder")["reason"]
    volumes = next(row for row in document["ledger"] if row["category"] == "volumes")
    assert volumes["low_bytes"] < VOLUME
    assert volumes["high_bytes"] is None
    assert item(document, "images", "app:1")["bytes"] == item(whole, "images", "app:1")["bytes"]
    assert item(document, "containers", "web")["state"] == "running"


@pytest.mark.parametrize("kind", KINDS)
def test_within_the_engines_user_namespace_nothing_of_the_engine_is_hidden(users: Users, kind: str) -> None:
    document, whole = rows(as_user(users, kind, inside=True)), rows(preflight(users.lab, users.host(kind)))
    assert {name: document[name] for name in OF_ENGINE} == {name: whole[name] for name in OF_ENGINE}


@pytest.mark.parametrize("kind", KINDS)
def test_a_container_with_the_socket_tells_the_right_disk_and_that_it_sees_no_more(users: Users, kind: str) -> None:
    document = in_container(users, kind)
    used = used_bytes(users.lab.mount)
    assert document["filesystem"]["used_bytes"] == pytest.approx(used, abs=4 * MIB)
    assert "not mounted in this container" in coverage(document, "docker root")["reason"]
    assert item(document, "images", "app:1")["bytes"] == pytest.approx(IMAGE, rel=0.01)
    assert rows(document)["docker_other"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_of_its_own_engine_sees_the_root(users: Users, kind: str) -> None:
    document, whole = in_container(users, kind, "--probe-container"), preflight(users.lab, users.host(kind))
    assert coverage(document, "probe container")["outcome"] == "read"
    assert {name: rows(document)[name] for name in ("volumes", "orphans")} == {
        name: rows(whole)[name] for name in ("volumes", "orphans")
    }
    assert item(document, "images", "app:1")["bytes"] == item(whole, "images", "app:1")["bytes"]
