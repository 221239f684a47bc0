"""A Docker host of any size, made by hand: a Docker root on a filesystem of its own, and what its engine says of it.

Images share layers as real ones do: a few distributions at the bottom, a family of twenty above, three layers alone.
Every layer, writable layer, volume and cache record has a directory with a file. Nothing of it runs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.drivers.docker_root_trees import GraphRoot, Node, build_name, hex64, write
from tests.scale import engine
from tests.scale.bolt import bolt_file

_DISTRIBUTIONS, _DEPTH, _FAMILY = 10, 3, 20
_LOG_LINES = '{"log":"a line","stream":"stdout","time":"2026-10-01T00:00:00Z"}\n' * 20


@dataclass(frozen=True, slots=True)
class Shape:
    """How many there are of each."""

    containers: int = 0
    images: int = 0
    volumes: int = 0
    records: int = 0


class Root(GraphRoot):
    """Its driver's directories are subvolumes on btrfs, each a snapshot of its parent, as the driver makes them."""

    def directory(self, name: str, *, below: Sequence[str] = ()) -> Path:
        if self.driver != "btrfs":
            return super().directory(name, below=below)
        path = self.root / self.layers / name
        words = ["snapshot", str(self.root / self.layers / below[0])] if below else ["create"]
        subprocess.run(["btrfs", "-q", "subvolume", *words, str(path)], check=True)
        return path


@dataclass
class Maker:
    """Fills a root and notes what the engine will say."""

    made: Root
    diffs: dict[str, list[str]] = field(default_factory=dict)
    chains: dict[str, str] = field(default_factory=dict)  # image → the chain of its topmost layer
    images: list[dict[str, Any]] = field(default_factory=list)
    containers: list[dict[str, Any]] = field(default_factory=list)
    inspected: dict[str, Any] = field(default_factory=dict)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def image(self, number: int) -> None:
        family = f"family {number // _FAMILY}"
        words = [f"distribution {number % _DISTRIBUTIONS} {level}" for level in range(_DEPTH)]
        words += [f"{words[0]} {family} {level}" for level in range(_DEPTH)]
        words += [f"image {number} {level}" for level in range(_DEPTH)]
        chain: str | None = None
        below = ""
        for word in words:
            name = hex64("cache " + word)
            path = self.made.root / self.made.layers / name
            if not path.exists():
                self.made.directory(name, below=[below] if below else ())
                write(self._inside(path) / word.replace(" ", "-"), b"x" * 5000)
            chain, below = self.made.layer(word, chain, directory=name), name
        assert chain is not None
        image = self.made.image(f"{number}", words)
        tags = [f"registry.example.com/team/service-{number // 5}:v{number % 5}"] if number % 5 else []
        self.diffs[image], self.chains[image] = [f"sha256:{hex64('diff ' + word)}" for word in words], chain
        self.images.append(
            {
                "Containers": 0,
                "Created": int(engine.moment(number).timestamp()),
                "Id": image,
                "Labels": {"team": "a"},
                "ParentId": "",
                "RepoDigests": [],
                "RepoTags": tags,
                "SharedSize": 30_000,
                "Size": 45_000,
            }
        )

    def container(self, number: int) -> None:
        image = self.images[number % len(self.images)]["Id"]
        name = self.made.container(f"{number}", self.chains[image])
        driver = self.made.root / self.made.layers / hex64(f"mount {number}")
        write(self._inside(driver) / "written", b"x" * 9000)
        log = write(self.made.root / "containers" / name / f"{name}-json.log", _LOG_LINES)
        state = ("running", "exited", "exited")[number % 3]
        fields = {
            "Id": name,
            "Names": [f"/service-{number}"],
            "Image": "service",
            "ImageID": image,
            "Command": "serve",
            "Created": int(engine.moment(number).timestamp()),
            "SizeRw": 9000,
            "SizeRootFs": 54_000,
            "Labels": {"app": f"service-{number}"},
            "State": state,
            "Status": "",
            "HostConfig": {"NetworkMode": "none"},
            "Mounts": [],
        }
        self.containers.append(fields)
        finished = engine.text_of(engine.moment(number))
        self.inspected[name] = {
            "Id": name,
            "State": {"Status": state, "Pid": 0, "FinishedAt": finished if state == "exited" else ""},
            "Image": image,
            "LogPath": str(log),
            "Name": f"/service-{number}",
            "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}},
            "GraphDriver": {"Data": {"UpperDir": str(driver / "diff")}, "Name": self.made.driver},
            "Mounts": [],
            "Config": {"Image": "service", "Labels": fields["Labels"]},
        }

    def volume(self, number: int) -> None:
        name = f"volume-{number}"
        data = self.made.root / "volumes" / name / "_data"
        write(data / "file", b"x" * 7000)
        self.volumes.append(
            {
                "CreatedAt": engine.text_of(engine.moment(number)),
                "Driver": "local",
                "Labels": {},
                "Mountpoint": str(data),
                "Name": name,
                "Options": {},
                "Scope": "local",
                "UsageData": {"RefCount": 0, "Size": 7000},
            }
        )

    def record(self, number: int) -> None:
        """Chains of eight steps, as a build makes them."""
        parent = build_name(f"record {number - 1}") if number % 8 else ""
        name = build_name(f"record {number}")
        snapshot: dict[bytes, Node | bytes] = {b"parent": parent.encode()} if parent else {}
        assert self.made.build_record(f"record {number}", snapshot, **({"parent": parent} if parent else {})) == name
        path = self.made.directory(name, below=[parent] if parent else ())
        write(self._inside(path) / "layer", b"x" * 6000)
        self.records.append(
            {
                "ID": name,
                "Parents": [parent] if parent else [],
                "Type": "regular",
                "Description": f"[{number % 8 + 1}/8] RUN make step-{number}",
                "InUse": False,
                "Shared": False,
                "Size": 6000,
                "CreatedAt": engine.text_of(engine.moment(number)),
                "LastUsedAt": engine.text_of(engine.moment(number)),
                "UsageCount": 1,
            }
        )

    def _inside(self, directory: Path) -> Path:
        return directory / "diff" if self.made.layers == "overlay2" else directory


def make(place: Path, shape: Shape, driver: str = "overlay2") -> engine.Replies:
    """A Docker root at `place`, which must not exist yet."""
    place.mkdir()
    maker = Maker(Root(place, driver=driver, layers="btrfs/subvolumes" if driver == "btrfs" else driver))
    for number in range(max(shape.images, 1)):
        maker.image(number)
    tags = {tag: one["Id"] for one in maker.images for tag in one["RepoTags"]}
    repositories: dict[str, dict[str, str]] = {}
    for tag, image in tags.items():
        repositories.setdefault(tag.rpartition(":")[0], {})[tag] = image
    write(maker.made.database / "repositories.json", {"Repositories": repositories})
    for number in range(shape.containers):
        maker.container(number)
    for number in range(shape.volumes):
        maker.volume(number)
    for number in range(shape.records):
        maker.record(number)
    write(place / "buildkit" / "snapshots.db", bolt_file(maker.made.snapshots))
    write(place / "buildkit" / "metadata_v2.db", bolt_file({b"_main": maker.made.records}))
    write(place / "engine-id", engine.ENGINE_ID)
    return engine.replies(
        place,
        driver,
        images=maker.images,
        containers=maker.containers,
        volumes=maker.volumes,
        records=maker.records,
        layers=maker.diffs,
        inspected=maker.inspected,
    )
