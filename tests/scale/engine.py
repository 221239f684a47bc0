"""An engine's replies for a machine of any size, in the shape of API 1.45; and a server that gives them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.fakes.recordings import recording
from tests.fakes.server import Action, Reply, Request, Server

MADE = datetime(2026, 10, 1, tzinfo=UTC)
ENGINE_ID = "73aa4c69-8be9-4293-bec6-eb9a121dfbfc"
_VERSIONED = re.compile(r"/v\d+\.\d+(/.*)")

Replies = Mapping[tuple[str, str], bytes]


def moment(number: int) -> datetime:
    """Something is made every minute."""
    return MADE + timedelta(minutes=number % 40_000)


def text_of(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def replies(
    root: Path,
    driver: str,
    *,
    images: list[dict[str, Any]],
    containers: list[dict[str, Any]],
    volumes: list[dict[str, Any]],
    records: list[dict[str, Any]],
    layers: Mapping[str, list[str]],
    inspected: Mapping[str, Any],
) -> Replies:
    """By path without version, and kind of disk usage: bodies as they go over the wire."""
    known = recording("26.1.5-overlay2")
    info = {**known["info"], "ID": ENGINE_ID, "DockerRootDir": str(root), "Driver": driver, "Name": "scale"}
    empty = {"LayersSize": 0, "Images": None, "Containers": None, "Volumes": None, "BuildCache": None}
    sizes = ("SizeRw", "SizeRootFs")
    listed = [{key: value for key, value in one.items() if key not in sizes} for one in containers]
    plain = [{key: value for key, value in one.items() if key != "UsageData"} for one in volumes]
    found: dict[tuple[str, str], Any] = {
        ("/version", ""): known["version"],
        ("/info", ""): info,
        ("/images/json", ""): images,
        ("/containers/json", ""): listed,
        ("/volumes", ""): {"Volumes": plain, "Warnings": None},
        ("/system/df", "image"): {**empty, "LayersSize": sum(one["Size"] for one in images), "Images": images},
        ("/system/df", "container"): {**empty, "Containers": containers},
        ("/system/df", "volume"): {**empty, "Volumes": volumes},
        ("/system/df", "build-cache"): {**empty, "BuildCache": records},
        **{(f"/containers/{one}/json", ""): reply for one, reply in inspected.items()},
        **{
            (f"/images/{one}/json", ""): {"Id": one, "RootFS": {"Type": "layers", "Layers": diffs}}
            for one, diffs in layers.items()
        },
        **{(f"/images/{one}/history", ""): [] for one in layers},
    }
    return {key: json.dumps(value).encode() for key, value in found.items()}


def server(known: Replies) -> Server:
    """In a thread of this process: what it costs is not the program's."""

    def answer(request: Request) -> Action:
        versioned = _VERSIONED.match(request.path)
        path = versioned[1] if versioned else request.path
        if path == "/events":
            return Reply(b"")
        kind = dict(request.query).get("type", "") if path == "/system/df" else ""
        body = known.get((path, kind))
        return Reply(b'{"message": "no such thing"}', status=404) if body is None else Reply(body)

    return Server(answer)
