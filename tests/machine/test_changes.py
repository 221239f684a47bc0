"""Known acts between two runs: `--changes` names each with its bytes, names nothing else, and sums to the disk."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, measure
from tests.lab.commands import run
from tests.lab.messes._write import MIB, random_file, until_asleep
from tests.lab.messes.leak import plant
from tests.lab.require import require_machine
from tests.machine.journaling import Supervisor

pytestmark = pytest.mark.machine

STORES = (("overlay2", "20.10"), ("btrfs", "20.10"), ("vfs", "20.10"), ("containerd", "28.5"), ("overlay2", "podman"))


@dataclass(frozen=True)
class Compared:
    """`acts`: (change, category, name) → bytes that the act made or took; `document`: what `--changes` said."""

    acts: dict[tuple[str, str, str], int]
    document: dict[str, Any]
    page: str


@pytest.fixture(scope="module", params=STORES, ids="-".join)
def compared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    require_machine()
    driver, engine = request.param
    mess = "podman" if engine == "podman" else "everyday"
    with Lab.up(driver=driver, engine=engine, mess=mess, size_mib=1024) as lab:
        _before(lab)
        supervisor = Supervisor(lab, tmp_path_factory.mktemp("memory"))
        supervisor.run()
        acts = _acts(lab)
        yield Compared(
            acts,
            json.loads(_changes(supervisor, "--format", "json")),
            _changes(supervisor),
        )


def _changes(supervisor: Supervisor, *words: str) -> str:
    folder = str(supervisor.folder / "journal")
    command = [sys.executable, "-m", "collectors", "--changes", "--since", "last", "--no-state", "--journal", folder]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "OPS_"))}
    ended = subprocess.run(
        [*command, "--host", supervisor.lab.host, *words],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean,
        check=True,
    )
    return str(ended.stdout)


def _before(lab: Lab) -> None:
    """What the acts will change."""
    lab.client.run("base:1", "ended", f"head -c {10 * MIB} /dev/urandom > /tmp/w", "--label", "act=ended")
    lab.docker("wait", "ended")
    lab.client.load_image("act/gone:1", [{"one": 5 * MIB}, {"two": 4 * MIB}])
    lab.docker("volume", "create", "dropped")
    random_file(_data(lab, "dropped") / "filled", 13 * MIB)
    random_file(lab.mount / "srv" / "kept" / "file", 6 * MIB)
    random_file(lab.mount / "srv" / "old" / "file", 8 * MIB)
    measure.flush(lab.mount)


def _acts(lab: Lab) -> dict[tuple[str, str, str], int]:
    """One act of every kind. Bytes are those of random files, in as many copies as the store makes of them."""
    acts: dict[tuple[str, str, str], int] = {}
    lab.client.load_image("act/pulled:1", [{"base": 24 * MIB}, {"top": 17 * MIB}])
    acts["appeared", "images", "act/pulled:1"] = _stored(lab, 24, 17)
    files: dict[str, bytes | str] = {"Dockerfile": "FROM act/pulled:1\nCOPY f /f\n", "f": os.urandom(12 * MIB)}
    lab.docker("rmi", "act/gone:1")
    acts["vanished", "images", "act/gone:1"] = -_stored(lab, 5, 4)
    lab.build("act/built:1", files, buildkit=lab.driver == "containerd")
    acts["appeared", "images", "act/built:1"] = _stored(lab, 24, 17, 12) - _stored(lab, 24, 17)
    if lab.driver == "containerd":  # BuildKit keeps what it was sent, and what its step made
        acts["appeared", "build_cache", "COPY f /f"] = acts["appeared", "build_cache", "for context"] = 12 * MIB
    chatter = f"head -c {9 * MIB} /dev/zero | tr '\\0' x | fold -w 119; exec sleep 100000"
    lab.client.run("base:1", "chatty", chatter.replace("tr", "busybox tr").replace("fold", "busybox fold"))
    lab.client.run("base:1", "writer", f"head -c {19 * MIB} /dev/urandom > /tmp/w; sync; exec sleep 100000")
    until_asleep(lab, "writer")
    acts["appeared", "containers", "writer"] = 19 * MIB + _copied(lab)
    acts["appeared", "containers", "chatty"] = _copied(lab)
    lab.docker("container", "prune", "-f", "--filter", "label=act=ended")
    acts["vanished", "containers", "ended"] = -10 * MIB - _copied(lab)
    random_file(_data(lab, "shop-data") / "more", 21 * MIB)
    acts["grew", "volumes", "shop-data"] = 21 * MIB
    lab.docker("volume", "rm", "dropped")
    acts["vanished", "volumes", "dropped"] = -13 * MIB
    random_file(lab.mount / "srv" / "new" / "file", 31 * MIB)
    acts["appeared", "other_files", f"{lab.mount}/srv/new"] = 31 * MIB
    shutil.rmtree(lab.mount / "srv" / "old")
    acts["vanished", "other_files", f"{lab.mount}/srv/old"] = -8 * MIB
    _settle(lab)
    acts["appeared", "logs", "chatty"] = _log_bytes(lab, "chatty")
    # At the end: the collector of containerd's store also takes folders that its database does not know.
    acts["appeared", "docker_other", _leak(lab, 11 * MIB)] = 11 * MIB
    measure.flush(lab.mount)
    return acts


def _stored(lab: Lab, *layers_mib: int) -> int:
    """What an image of these layers takes: vfs copies what lies below each, containerd keeps the packed ones too."""
    if lab.driver == "vfs":
        return sum(accumulate(layers_mib)) * MIB
    return (2 if lab.driver == "containerd" else 1) * sum(layers_mib) * MIB


def _copied(lab: Lab) -> int:
    """What a container of `base:1` begins with: its init layer and its own, whole copies in vfs, nothing elsewhere."""
    (base,) = json.loads(lab.docker("image", "inspect", "base:1"))
    return 2 * int(base["Size"]) if lab.driver == "vfs" else 0


def _leak(lab: Lab, size_bytes: int) -> str:
    """A layer that nobody owns, just come; its name."""
    if lab.driver != "containerd":
        plant(lab, leaked := secrets.token_hex(32), size_bytes)
        return leaked
    store = lab.docker_root / "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots"
    random_file(store / "7777" / "fs" / "old", size_bytes)
    return "7777"


def _settle(lab: Lab) -> None:
    """Wait until all that was said is in the log, and what was removed is gone from the disk too."""
    until_asleep(lab, "chatty")
    before, now = -1, _log_bytes(lab, "chatty")
    while before != now:
        time.sleep(0.5)
        measure.flush(lab.mount)
        before, now = now, _log_bytes(lab, "chatty")
    if lab.driver == "containerd":
        _collected(lab)
    if lab.fs == "btrfs":
        run("btrfs", "subvolume", "sync", lab.mount)


def _collected(lab: Lab) -> None:
    """Wait until the store's own collector has taken what no image leads to any more."""
    before, now = -1, measure.used_bytes(lab.mount)
    while before != now:
        time.sleep(1.5)
        measure.flush(lab.mount)
        before, now = now, measure.used_bytes(lab.mount)


def _data(lab: Lab, volume: str) -> Path:
    return lab.docker_root / "volumes" / volume / "_data"


def _log_bytes(lab: Lab, container: str) -> int:
    path = Path(lab.docker("inspect", "--format", "{{.LogPath}}", container).strip())
    return sum(file.stat().st_blocks * 512 for file in path.parent.glob(f"{path.name}*"))


def _named(compared: Compared) -> dict[tuple[str, str, str], int]:
    return {
        (one["change"], row["category"], one["name"]): one["bytes"]
        for row in compared.document["categories"]
        for one in row["changes"]
    }


def _name_of(act: tuple[str, str, str], named: dict[tuple[str, str, str], int]) -> list[tuple[str, str, str]]:
    change, category, name = act
    return [one for one in named if one[:2] == (change, category) and (name in one[2] or one[2] in name)]


def test_every_act_is_named_with_its_bytes(compared: Compared) -> None:
    named = _named(compared)
    for act, count in compared.acts.items():
        if abs(count) < MIB:
            continue  # a container's empty layer, where the store copies nothing
        found = sum(named[one] for one in _name_of(act, named))
        assert abs(found - count) <= max(abs(count) // 100, MIB), (act, count, named)


def test_nothing_else_is_named(compared: Compared) -> None:
    named = _named(compared)
    expected = {one for act in compared.acts for one in _name_of(act, named)}
    strangers = {one: count for one, count in named.items() if one not in expected and abs(count) >= MIB}
    assert not strangers


def test_the_changes_sum_to_the_change_of_used(compared: Compared) -> None:
    found = compared.document
    assert sum(row["bytes"] for row in found["categories"]) == found["bytes"]
    assert found["bytes"] == found["to"]["used_bytes"] - found["from"]["used_bytes"]
    for row in found["categories"]:
        assert sum(one["bytes"] for one in row["changes"]) + row["rest_bytes"] == row["bytes"]
        assert abs(row["rest_bytes"]) < 2 * MIB or row["category"] == "metadata", row


def test_the_page_says_it_in_words(compared: Compared) -> None:
    assert "| grew |" in compared.page
    assert "shop-data" in compared.page
    assert "| sum |" in compared.page
