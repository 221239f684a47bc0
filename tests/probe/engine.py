"""An engine that runs one probe as it is told: what is created, attached to, started and removed, from a script."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.fakes.server import Action, Reply, Request, Server

ID = "c" * 64
IMAGE = "sha256:" + "d" * 64
DESCRIBED = {"Id": IMAGE, "Config": {"Entrypoint": ["/usr/bin/ullage"], "Volumes": {"/data": {}}}}


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(data)) + data


def ok(content: object, status: int = 200) -> Reply:
    return Reply(json.dumps(content).encode(), status=status)


@dataclass
class Scripted:
    """`attach` is what the container says; `faults` replace answers by `METHOD end-of-path`."""

    attach: Action
    faults: Mapping[str, Action] = field(default_factory=dict)
    status: int = 0
    removed: bool = False

    def server(self) -> Server:
        return Server(self.answer)

    def answer(self, request: Request) -> Action:
        for what, fault in self.faults.items():
            method, _, end = what.partition(" ")
            if request.method == method and request.path.endswith(end):
                return fault
        match request.method, request.path.split("/")[2:]:
            case "GET", ["images", _, "json"]:
                return ok(DESCRIBED)
            case "POST", ["containers", "create"]:
                return ok({"Id": ID, "Warnings": []}, 201)
            case "POST", ["containers", _, "attach"]:
                return self.attach
            case "POST", ["containers", _, "start"]:
                return Reply(b"", status=204)
            case "POST", ["containers", _, "wait"]:
                return ok({"StatusCode": self.status})
            case "DELETE", ["containers", _]:
                self.removed = True
                return Reply(b"", status=204)
        return ok({"message": "No such container"}, 404)
