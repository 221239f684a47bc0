"""An engine whose every name, label, command and error is hostile: the page, the document, the journal, the vault."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.engine import engine
from tests.fakes.recordings import recording
from tests.fakes.server import Reply, Server
from tests.hostile import NAME, check_journal, check_page, check_task, hidden_in

RECORDING = "26.1.5-overlay2"
# What makes a record what it is; all other text is the engine's to say.
_KEPT = frozenset({"Id", "ID", "ImageID", "ApiVersion", "MinAPIVersion", "Created", "CreatedAt", "LastUsedAt", "State"})
GIB = 1 << 30


def spoiled(value: Any, key: str = "") -> Any:
    """The same reply with every text in it turned hostile, and everything made just now."""
    match value:
        case str() if key not in _KEPT:
            return NAME
        case list():
            return [spoiled(item, key) for item in value]
        case dict():
            return {name: spoiled(item, name) for name, item in value.items()}
        case int() if key == "Created" and not isinstance(value, bool):
            return int(time.time())
    return value


def named() -> Server:
    """Four builds of one hostile tag, the last three of which are dangling."""
    replies = {key: spoiled(recording(RECORDING)[key]) for key in ("images", "containers", "volumes", "inspect")}
    replies |= {key: spoiled(value) for key, value in recording(RECORDING).items() if key.startswith("df")}
    replies["info"] = recording(RECORDING)["info"] | dict.fromkeys(("Name", "Driver", "LoggingDriver"), NAME)
    replies["version"] = recording(RECORDING)["version"] | {"Version": NAME}
    builds = replies["images"]
    for image in builds[1:]:
        image["RepoTags"] = []
    for image in builds:
        image["Size"] = 10 * GIB
    layers = {"RootFS": {"Type": "layers", "Layers": ["sha256:" + "0" * 64]}}
    faults = {f"/images/{image['Id']}/json": Reply(json.dumps(layers).encode()) for image in builds}
    for number, image in enumerate(builds):
        layers["RootFS"]["Layers"] = [f"sha256:{number:064}"]
        faults[f"/images/{image['Id']}/json"] = Reply(json.dumps(layers).encode())
        steps = [{"CreatedBy": NAME, "Size": 10 * GIB}]
        faults[f"/images/{image['Id']}/history"] = Reply(json.dumps(steps).encode())
    faults["/events"] = Reply("\n".join(json.dumps(tagged(image["Id"])) for image in builds).encode())
    return engine(RECORDING, faults, **replies)


def tagged(image: str) -> Mapping[str, Any]:
    actor = {"ID": image, "Attributes": {"name": NAME, NAME: NAME}}
    return {"Type": "image", "Action": "tag", "Actor": actor, "time": int(time.time()) - 5}


def refusing() -> Server:
    return engine(RECORDING, {"*": Reply(json.dumps({"message": NAME}).encode(), status=500)})


@pytest.fixture(params=[named, refusing])
def hostile(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as server:
        yield server


def run(server: Server, folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "collectors", "--preflight", "--no-state", "--host", server.url]
    where = ["--docker-root", str(folder / NAME.replace("/", "∕")[:60]), "--deadline", "20"]
    memory = ["--journal", str(folder / "journal"), "--vault", str(folder / "vault")]
    ended = subprocess.run([*command, *where, *memory, *arguments], capture_output=True, check=False, timeout=60)
    assert b"Traceback" not in ended.stderr
    assert hidden_in(ended.stderr.decode()) == set()
    return ended.stdout.decode()


def test_nothing_that_a_hostile_engine_says_acts_anywhere(hostile: Server, tmp_path: Path) -> None:
    check_page(run(hostile, tmp_path), figures_count=0)
    document = run(hostile, tmp_path, "--format", "json")
    assert document.isascii()
    assert hidden_in(document) == set()
    json.loads(document)
    (journal,) = (tmp_path / "journal").iterdir()
    check_journal(journal.read_text(), runs_count=2)
    tasks = sorted((tmp_path / "vault").iterdir())
    assert tasks
    for task in tasks:
        check_task(task.read_text())


def test_the_document_says_the_names_as_they_are_and_the_page_says_them_visibly(tmp_path: Path) -> None:
    with named() as server:
        document = json.loads(run(server, tmp_path, "--format", "json"))
        page = run(server, tmp_path)
    (churned,) = document["trend"]["churn"]
    assert NAME.startswith(churned["repository"])
    assert churned["busting_step"]
    (line,) = [line for line in page.splitlines() if line.startswith("- Churn: ")]
    assert "␛[31m" in line.replace("\\", "")
