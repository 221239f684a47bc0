"""Bills on a real engine: what a project, a service, a label and a repository are billed for is what comes free."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.explain import preflight
from tests.lab import Lab
from tests.lab.measure import flush, used_bytes
from tests.lab.messes._write import MIB
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine

pytestmark = pytest.mark.machine

GATEWAY = "docker_gwbridge"  # of every node of a swarm
CONFIGURATIONS = 256 << 10  # folders of files that go along
WRITES = "head -c {} /dev/urandom > /tmp/own; seq 1 20000; exec sleep 100000"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    require_machine()
    with Lab.up(driver="overlay2", mess="empty", size_mib=512) as made:
        made.client.base_image()
        a_project(made)
        a_service(made)
        made.docker("run", "-d", "--name", "solo", "--label", "team=b", "base:1", "sh", "-c", WRITES.format(4 * MIB))
        an_image(made, 5 * MIB)
        settle(made)
        try:
            yield made
        finally:
            made.docker("swarm", "leave", "--force")
            made.docker("network", "rm", GATEWAY)


def an_image(lab: Lab, size_bytes: int) -> None:
    """Of one name, which the one before loses to it."""
    files: dict[str, bytes | str] = {"Dockerfile": "FROM base:1\nCOPY own /own\n", "own": os.urandom(size_bytes)}
    lab.build("shop/app:1", files, buildkit=False)


def a_project(lab: Lab) -> None:
    """As compose labels what is its own: two containers, and a volume that one of them fills."""
    label = "com.docker.compose.project=blog"
    lab.docker("volume", "create", "--label", label, "blog_db")
    fill = f"head -c {7 * MIB} /dev/urandom > /data/db; exec sleep 100000"
    lab.docker("run", "-d", "--name", "blog-db-1", "--label", label, "-v", "blog_db:/data", "base:1", "sh", "-c", fill)
    lab.docker("run", "-d", "--name", "blog-web-1", "--label", label, "base:1", "sh", "-c", WRITES.format(3 * MIB))


def a_service(lab: Lab) -> None:
    """Of a swarm of one, with two tasks; a third one ended, and stands in its place no more."""
    # Made by the engine otherwise, under a name on the machine that another engine's may have.
    lab.docker("network", "create", "--opt", f"com.docker.network.bridge.name=ullage-{lab.id}", GATEWAY)
    lab.docker("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:0")
    label = "com.docker.stack.namespace=shop"
    service = ("service", "create", "--detach", "--name", "shop_web", "--network", "host", "--replicas", "2")
    words = ("--no-resolve-image", "--restart-delay", "0s", "--label", label, "--container-label", label)
    lab.docker(*service, *words, "base:1", "sh", "-c", WRITES.format(2 * MIB))
    first, _ = tasks(lab, 2)
    settle(lab)
    lab.docker("kill", first)
    tasks(lab, 3)


def tasks(lab: Lab, count: int) -> list[str]:
    """The ids of the service's containers, ended ones included, as soon as there are so many."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        listed = lab.docker("ps", "-aq", "--filter", "label=com.docker.swarm.service.name=shop_web").split()
        if len(listed) == count:
            return listed
        time.sleep(0.1)
    raise TimeoutError(f"never were there {count} tasks")


def settle(lab: Lab) -> None:
    """Until every container has written what it writes."""
    before = -1
    while (now := used_bytes(lab.mount)) != before:
        before = now
        time.sleep(0.5)
        flush(lab.mount)


def bill(document: dict[str, Any], by: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in document["bills"] if (one["by"], one["name"]) == (by, name)]
    return dict(found)


def test_the_tasks_of_a_service_are_told_with_it_the_ended_ones_too(lab: Lab) -> None:
    document = preflight(lab)
    mine = [one for one in document["items"]["containers"] if one["owner"] == "service shop_web, base:1"]
    assert sorted(one["state"] for one in mine) == ["exited", "running", "running"]
    assert all(one["name"].startswith("shop_web.") and one["bytes"] >= 2 * MIB for one in mine)
    logs = [one for one in document["items"]["logs"] if one["owner"] == "service shop_web"]
    assert len(logs) == 3
    for by, name in (("service", "shop_web"), ("stack", "shop")):
        found = bill(document, by, name)
        assert found["exclusive_bytes"] == sum(one["bytes"] for one in (*mine, *logs))
        assert found["logs_bytes"] == sum(one["bytes"] for one in logs)
    assert of_engine(lab.host) == {}


def test_a_repository_is_billed_for_its_old_images_too(lab: Lab, tmp_path: Path) -> None:
    """Whose an image was that lost its name is known from the run before."""
    before = used_bytes(lab.mount)
    journaled(lab, tmp_path)
    an_image(lab, 6 * MIB)
    found = bill(journaled(lab, tmp_path), "repository", "shop/app")
    assert found["exclusive_bytes"] >= (5 + 6) * MIB
    lab.docker("rmi", "shop/app:1")
    lab.docker("image", "prune", "--force")
    settle(lab)
    freed = before + 6 * MIB - used_bytes(lab.mount)
    assert freed == pytest.approx(found["exclusive_bytes"], abs=CONFIGURATIONS)


def journaled(lab: Lab, journal: Path) -> dict[str, Any]:
    words = ("--preflight", "--format", "json", "--no-state", "--journal", journal, "--host", lab.host)
    ended = subprocess.run([sys.executable, "-m", "collectors", *words], capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


@pytest.mark.parametrize(
    ("by", "name", "remove"),
    [
        ("service", "shop_web", ("service rm shop_web",)),
        ("project", "blog", ("rm -f blog-db-1 blog-web-1", "volume rm blog_db")),
        ("label:team", "b", ("rm -f solo", "rmi base:1")),  # by now nothing else stands on it
    ],
)
def test_what_a_group_is_billed_for_alone_is_what_its_removal_frees(
    lab: Lab, by: str, name: str, remove: tuple[str, ...]
) -> None:
    billed = bill(preflight(lab, by=by), by, name)["exclusive_bytes"]
    before = used_bytes(lab.mount)
    for words in remove:
        lab.docker(*words.split())
    if by == "service":
        tasks(lab, 0)
    settle(lab)
    assert billed >= 4 * MIB
    assert before - used_bytes(lab.mount) == pytest.approx(billed, abs=CONFIGURATIONS)
