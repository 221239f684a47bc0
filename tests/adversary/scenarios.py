"""What is being removed: for each action a victim that the plan takes for its own, made anew each time.

`EXEMPT` says why a cause that has a remover has no victim here; `scenarios` and it cover all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collectors.model import Owner, OwnerKind
from tests.adversary.api import archive_of
from tests.adversary.world import BASE, World
from tests.lab.commands import run

EXEMPT = {
    "btrfs-pending": "it waits, and removes nothing",
    "btrfs-metadata": "it moves data within the filesystem, and removes nothing",
    "btrfs-unallocated": "it moves data within the filesystem, and removes nothing",
}
_GRAPH = ("overlay2", "btrfs")
_EVERY = (*_GRAPH, "containerd")
_ON_DISK = frozenset({"logs-unbounded", "orphans", "engine-tmp", "interrupted-writes", "btrfs-snapshots"})
VICTIM_LAYER = b"victim" * 1500


@dataclass(frozen=True, slots=True)
class Victim:
    """`tags`: its names, if it is an image; `image`: what acts on images act on; `path`: where it lies, if on disk."""

    owner: Owner
    tags: tuple[str, ...] = ()
    image: str = BASE
    path: Path | None = None

    def about(self, facts: frozenset[str]) -> frozenset[str]:
        """Those of the facts that are on the victim."""
        key = f"{self.path}" if self.path else self.owner.id
        return frozenset(line for line in facts if key in line)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`rules` are the changed ones; `engine_down`: the engine seems stopped to the run."""

    name: str
    cause: str
    drivers: tuple[str, ...]
    make: Callable[[World], Victim]
    rules: dict[str, Any] = field(default_factory=dict)
    with_records: bool = False
    engine_down: bool = False

    @property
    def on_disk(self) -> bool:
        """Does its victim have a path?"""
        return self.cause in _ON_DISK


def _image(world: World, *tags: str) -> Victim:
    world.api.load(archive_of(tags, [VICTIM_LAYER], "victim"))
    listed = world.api.get("/images/json", all="1", filters='{"label":["made=victim"]}')
    (image,) = {one["Id"] for one in listed}
    return Victim(Owner(OwnerKind.IMAGE, image), tags, image)


def _one_tag(world: World) -> Victim:
    return _image(world, "victim/one:1")


def _two_tags(world: World) -> Victim:
    return _image(world, "victim/one:1", "victim/two:1")


def _dangling(world: World) -> Victim:
    return _image(world)


def _container(world: World) -> Victim:
    made = world.api.ask(
        "POST",
        "/containers/create",
        {"name": "victim"},
        {"Image": BASE, "Cmd": ["sh", "-c", "test -f /seen && exec sleep 100000; touch /seen"], "StopSignal": "KILL",
         "HostConfig": {"NetworkMode": "none"}},
    )  # fmt: skip
    name = str(made.json["Id"])
    world.api.start(name)
    world.api.ask("POST", f"/containers/{name}/wait")
    return Victim(Owner(OwnerKind.CONTAINER, name))


def _volume(world: World) -> Victim:
    world.api.ask("POST", "/volumes/create", content={"Name": "victim"})
    home = world.lab.docker_root / "volumes/victim"
    (home / "_data/file").write_bytes(b"whose is this?" * 5000)
    time.sleep(1.05)  # the engine dates it in whole seconds, and within the second of the plan it is kept
    return Victim(Owner(OwnerKind.VOLUME, "victim"))


def _record(world: World) -> Victim:
    world.forget_builds()
    world.lab.docker("rmi", world.lab.build("built:1", {"Dockerfile": f"FROM {BASE}\nCOPY f /f\n", "f": b"x" * 9999}))
    record = world.leaf_record()
    time.sleep(2.1)  # used less than a second ago it would be kept; a build's last use may be dated after its end
    return Victim(Owner(OwnerKind.BUILD, record))


def _log(world: World) -> Victim:
    return Victim(Owner(OwnerKind.LOG, world.talker), path=world.talker_log)


def _tree(path: Path) -> None:
    (path / "deep/er").mkdir(parents=True)
    (path / "file").write_bytes(b"f" * 5000)
    (path / "deep/file").write_bytes(b"d" * 5000)
    (path / "deep/er/file").write_bytes(b"e" * 5000)


def _old(path: Path) -> None:
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            os.utime(os.path.join(folder, name), (1e9, 1e9))
        os.utime(folder, (1e9, 1e9))
    time.sleep(0.1)  # what changes in the very moment of the plan is left alone


def _orphan(world: World) -> Victim:
    root, name = world.lab.docker_root, "0d" * 32
    path = root / ("btrfs/subvolumes" if world.lab.driver == "btrfs" else "overlay2") / name
    if world.lab.driver == "btrfs":
        run("btrfs", "subvolume", "create", path)
        _tree(path)
    else:
        _tree(path / "diff")
        (path / "link").write_text("VICTIM")
        (path.parent / "l/VICTIM").unlink(missing_ok=True)
        (path.parent / "l/VICTIM").symlink_to(f"../{name}/diff")
    _old(path)
    world.watched = (path,)
    return Victim(Owner(OwnerKind.ORPHAN, str(path)), path=path)


def _temporary(world: World) -> Victim:
    path = world.lab.docker_root / "tmp/docker-builder1234"
    _tree(path)
    _old(path)
    world.watched = (path,)
    return Victim(Owner(OwnerKind.LEFTOVER, str(path)), path=path)


def _interrupted(world: World) -> Victim:
    path = world.lab.docker_root / "image" / world.lab.driver / "layerdb/tmp/write-set-1234"
    _tree(path)
    _old(path)
    world.watched = (path,)
    return Victim(Owner(OwnerKind.LEFTOVER, str(path)), path=path)


def _snapshot(world: World) -> Victim:
    path = world.lab.mount / "precious-kept"
    run("btrfs", "subvolume", "snapshot", "-r", world.precious, path)
    world.watched = (path,)
    os.sync()
    return Victim(Owner(OwnerKind.SNAPSHOT, path.name), path=path)


SCENARIOS = (
    Scenario("image, one tag", "unused-images", _EVERY, _one_tag),
    Scenario("image, two tags", "unused-images", _EVERY, _two_tags),
    Scenario("image, no tag", "dangling-images", _EVERY, _dangling),
    Scenario("container", "stopped-containers", _EVERY, _container),
    Scenario("volume", "unused-volumes", _EVERY, _volume),
    Scenario("build cache", "build-cache", _EVERY, _record, {"build_cache_age_s": 1.0}, with_records=True),
    Scenario("log", "logs-unbounded", _EVERY, _log, {"log_bytes": 1}),
    Scenario("orphan", "orphans", _GRAPH, _orphan),
    Scenario("temporary", "engine-tmp", _GRAPH, _temporary),
    Scenario("interrupted", "interrupted-writes", _GRAPH, _interrupted, engine_down=True),
    Scenario("snapshot", "btrfs-snapshots", ("btrfs",), _snapshot),
)
