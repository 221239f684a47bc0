"""An engine of a few dictionaries: it removes what it is told to, refuses as Docker does, remembers every request."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.fakes.server import Action, Reply, Request, Server

_VERSIONED = re.compile(r"/v\d+\.\d+(/.*)")


@dataclass
class FakeEngine:
    """Images by id with `RepoTags`; containers by id as inspected; volumes by name; ids of build-cache records."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=lambda: {"Driver": "overlay2", "DriverStatus": []})
    fault: Callable[[Request], Action | None] = lambda request: None
    seen: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def server(self) -> Server:
        return Server(self.answer)

    def asked(self, method: str) -> list[str]:
        """The requests of one method, without their version."""
        return [line.partition(" ")[2] for line in self.seen if line.startswith(f"{method} ")]

    def answer(self, request: Request) -> Action:
        versioned = _VERSIONED.match(request.path)
        path = unquote(versioned[1] if versioned else request.path)
        query = dict(request.query)
        self.seen.append(f"{request.method} {path}" + (f" {query}" if request.method != "GET" else ""))
        wanted = self.fault(request)
        if wanted is not None:
            return wanted
        body = self._load(request.body) if path == "/images/load" else self._body(request.method, path, query)
        return body if isinstance(body, Reply) else Reply(json.dumps(body).encode())

    def _body(self, method: str, path: str, query: dict[str, str]) -> Any:
        match method, path.strip("/").split("/"):
            case "GET", ["_ping"]:
                return Reply(b"OK", content_type="text/plain")
            case "GET", ["version"]:
                return {"ApiVersion": "1.45", "MinAPIVersion": "1.24"}
            case "GET", ["info"]:
                return self.info
            case "GET", ["containers", "json"]:
                return [self._listed(one) for one in self.containers.values()]
            case "GET", ["containers", name, "json"]:
                return self.containers.get(name) or refusal(404, "No such container")
            case "GET", ["images", *name, "json"] if name:
                return self._image("/".join(name)) or refusal(404, "No such image")
            case "GET", ["volumes", name]:
                return self.volumes.get(name) or refusal(404, "no such volume")
            case "GET", ["system", "df"]:
                return {"BuildCache": [{"ID": name, "InUse": False} for name in self.records]}
            case "DELETE", ["containers", name]:
                return self._drop(self.containers, name)
            case "DELETE", ["volumes", name]:
                return self._drop(self.volumes, name)
            case "DELETE", ["images", *name]:
                return self._delete_image("/".join(name))
            case "POST", ["images", *name, "tag"]:
                return self._tag("/".join(name), f"{query['repo']}:{query['tag']}")
            case "GET", ["images", "json"]:
                return list(self.images.values())
            case "GET", ["events"]:
                since = float(query["since"])
                told = [json.dumps(event) for event in self.events if event["timeNano"] >= since * 1e9]
                return Reply("\n".join(told).encode())
            case "POST", ["build", "prune"]:
                (wanted,) = json.loads(query["filters"])["id"]
                size = self.records.pop(wanted, None)
                return {"CachesDeleted": None if size is None else [wanted], "SpaceReclaimed": size or 0}
        return refusal(404, f"page not found: {method} {path}")

    def _load(self, archive: bytes) -> Reply:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            file = tar.extractfile("config.json")
            assert file is not None
            config = file.read()
        name = hashlib.sha256(config).hexdigest()
        made = image(name, labels=json.loads(config)["config"]["Labels"])
        self.images[made["Id"]] = {**made, "Labels": made["Config"]["Labels"]}  # as inspected and as listed
        return Reply(json.dumps({"stream": f"Loaded image ID: sha256:{name}\n"}).encode())

    def _listed(self, container: dict[str, Any]) -> dict[str, Any]:
        return {
            "Id": container["Id"],
            "Names": [container["Name"]],
            "ImageID": container["Image"],
            "Image": container["Config"].get("Image", container["Image"]),
            "State": container["State"]["Status"],
            "Mounts": container.get("Mounts", []),
        }

    def _image(self, name: str) -> dict[str, Any] | None:
        if name in self.images:
            return self.images[name]
        found = (i for i in self.images.values() if name in i["RepoTags"] or name in i.get("RepoDigests", ()))
        return next(found, None)

    def _delete_image(self, name: str) -> Any:
        image = self._image(name)
        if image is None:
            return refusal(404, "No such image")
        users = [one for one in self.containers.values() if one["Image"] == image["Id"]]
        if name == image["Id"]:
            if users:
                return refusal(409, "conflict: image is being used by stopped container")
            if len(image["RepoTags"]) > 1:
                return refusal(409, "conflict: image is referenced in multiple repositories")
            del self.images[image["Id"]]
            names = [{"Untagged": one} for one in (*image["RepoTags"], *image["RepoDigests"])]
            return [*names, {"Deleted": image["Id"]}]
        if len(image["RepoTags"]) == 1 and users:
            return refusal(409, "conflict: unable to remove repository reference (must force)")
        for names in (image["RepoTags"], image["RepoDigests"]):
            if name in names:
                names.remove(name)
        if image["RepoTags"] or image["RepoDigests"]:
            return [{"Untagged": name}]
        del self.images[image["Id"]]
        return [{"Untagged": name}, {"Deleted": image["Id"]}]

    def _tag(self, name: str, tag: str) -> Reply:
        image = self._image(name)
        if image is None:
            return refusal(404, "No such image")
        self.gives(image["Id"], tag)
        return Reply(b"", status=201)

    def gives(self, image_id: str, tag: str) -> None:
        """Somebody gives this tag to this image, whatever it named before."""
        for held in self.images.values():
            held["RepoTags"] = [one for one in held["RepoTags"] if one != tag]
        self.images[image_id]["RepoTags"].append(tag)
        at = time.time_ns()
        actor = {"ID": image_id, "Attributes": {"name": tag}}
        self.events.append({"Type": "image", "Action": "tag", "Actor": actor, "time": at // 10**9, "timeNano": at})

    def _drop(self, held: dict[str, dict[str, Any]], name: str) -> Any:
        if name not in held:
            return refusal(404, f"no such thing: {name}")
        del held[name]
        return Reply(b"", status=204)


def refusal(status: int, message: str) -> Reply:
    return Reply(json.dumps({"message": message}).encode(), status=status)


def image(
    name: str, *tags: str, labels: dict[str, str] | None = None, tagged: str = "", parent: str = ""
) -> dict[str, Any]:
    """As `GET /images/{id}/json` gives it."""
    return {
        "Id": f"sha256:{name}",
        "RepoTags": list(tags),
        "RepoDigests": [],
        "Parent": parent,
        "Config": {"Labels": labels},
        "Metadata": {"LastTagTime": tagged or "0001-01-01T00:00:00Z"},
    }


def container(
    name: str,
    image_id: str,
    *,
    status: str = "exited",
    ended: str = "2020-01-01T00:00:00.123456789Z",
    labels: dict[str, str] | None = None,
    written: int = 4096,
    made_from: str = "",
    mounts: tuple[str, ...] = (),
) -> dict[str, Any]:
    """As `GET /containers/{id}/json?size=1` gives it."""
    return {
        "Id": name,
        "Name": f"/{name}",
        "Image": image_id,
        "Config": {"Labels": labels, "Image": made_from or image_id},
        "State": {"Status": status, "FinishedAt": ended},
        "SizeRw": written,
        "HostConfig": {"LogConfig": {"Type": "json-file"}},
        "Mounts": [{"Type": "volume", "Name": volume} for volume in mounts],
    }
