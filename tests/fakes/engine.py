"""A Docker engine that answers from a recording, with faults where a test wants them."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.recordings import recording
from tests.fakes.server import Action, Reply, Request, Server

_VERSIONED = re.compile(r"/v(\d+\.\d+)(/.*)")
_NEW = {
    "image": ("Images", "ImageUsage"),
    "container": ("Containers", "ContainerUsage"),
    "volume": ("Volumes", "VolumeUsage"),
    "build-cache": ("BuildCache", "BuildCacheUsage"),
}

Fault = Action | Callable[[Request], Action]


def engine(
    name: str,
    faults: Mapping[str, Fault] | None = None,
    *,
    tcp: bool = False,
    tls: ssl.SSLContext | None = None,
    **changes: Any,
) -> Server:
    """A server that answers as the engine of the recording `name` did.

    `faults`: what to do instead, by the path without its version, or by path and type of disk usage
    ("/system/df?type=volume"); "*" is everything. `changes` replace whole replies by their key in the recording.
    """
    replies = {**recording(name), **changes}
    wanted = faults or {}

    def answer(request: Request) -> Action:
        versioned = _VERSIONED.match(request.path)
        path = versioned[2] if versioned else request.path
        kind = dict(request.query).get("type")
        for key in (f"{path}?type={kind}", path, "*"):
            if key in wanted:
                fault = wanted[key]
                return fault if not callable(fault) else fault(request)
        found = _reply(replies, path, dict(request.query))
        if found is None:
            return Reply(json.dumps({"message": f"page not found: {path}"}).encode(), status=404)
        return Reply(json.dumps(found).encode())

    return Server(answer, tcp=tcp, tls=tls)


def _reply(replies: Mapping[str, Any], path: str, query: Mapping[str, str]) -> Any:
    match path.strip("/").split("/"):
        case ["version" | "info" | "volumes" as key]:
            return replies[key]
        case ["images", "json"]:
            return replies["images"]
        case ["containers", "json"]:
            sizes = () if query.get("size") == "1" else ("SizeRw", "SizeRootFs")
            return [{key: value for key, value in item.items() if key not in sizes} for item in replies["containers"]]
        case ["system", "df"]:
            return usage_reply(replies, query)
        case ["containers", wanted, "json"]:
            return next((found for found in replies["inspect"].values() if found["Id"] == wanted), None)
        case ["images", wanted, "json"]:
            return replies.get("image_inspect", {}).get(wanted)
    return None


def usage_reply(replies: Mapping[str, Any], query: Mapping[str, str]) -> Any:
    """What the engine answered to /system/df, with `type` and `verbose` as it knew them."""
    kind = query.get("type")
    if kind is None:
        return replies["df_verbose" if query.get("verbose") == "1" else "df"]
    if query.get("verbose") == "1" and _NEW[kind][1] in replies["df_verbose"]:
        return {_NEW[kind][1]: replies["df_verbose"][_NEW[kind][1]]}
    return replies[f"df_type_{kind}"]
