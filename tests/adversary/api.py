"""An engine asked directly, past the program under test: one request, one answer, a connection each."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.lab.engine import UnixConnection

TAR = "application/x-tar"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status // 100 == 2

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Api:
    """Raises OSError or HTTPException where the engine is not there; whatever it answers is an answer."""

    socket: Path
    timeout_s: float = 60.0

    def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, content: object = None, tar: bytes = b""
    ) -> Answer:
        asked = f"{quote(path, safe='/:@')}?{urlencode(query or {})}"
        body, kind = (
            (tar, TAR) if tar else (b"" if content is None else json.dumps(content).encode(), "application/json")
        )
        with contextlib.closing(UnixConnection(self.socket, self.timeout_s)) as line:
            line.request(method, asked, body, {"Content-Type": kind})
            answer = line.getresponse()
            return Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read())

    def get(self, path: str, **query: str) -> Any:
        """The JSON of an answer that has to be there. Raises OSError for every other."""
        answer = self.ask("GET", path, query)
        if not answer.ok:
            raise OSError(f"GET {path}: {answer.status} {answer.body[:200]!r}")
        return answer.json

    def image_id(self, name: str) -> str:
        """What a name means now, "" for nothing."""
        answer = self.ask("GET", f"/images/{name}/json")
        return str(answer.json["Id"]) if answer.ok else ""

    def tag(self, image: str, name: str) -> bool:
        """Did the engine give the name?"""
        repository, _, tag = name.rpartition(":")
        return self.ask("POST", f"/images/{image}/tag", {"repo": repository, "tag": tag}).ok

    def load(self, archive: bytes) -> bool:
        """Has the engine taken the image?"""
        answer = self.ask("POST", "/images/load", {"quiet": "1"}, tar=archive)
        return answer.ok and b'"error"' not in answer.body

    def create(self, image: str, name: str, **host: object) -> bool:
        """Did a container come into being?"""
        content = {"Image": image, "Cmd": ["sleep", "100000"], "StopSignal": "KILL"}
        config = {"NetworkMode": "none", **host}
        return self.ask("POST", "/containers/create", {"name": name}, {**content, "HostConfig": config}).ok

    def start(self, name: str) -> bool:
        """Does it run now?"""
        return self.ask("POST", f"/containers/{name}/start").ok


def archive_of(tags: Sequence[str], layers: Sequence[bytes], label: str) -> bytes:
    """An image for `docker load`, the same bytes and so the same image each time; `label` tells it from others."""
    packed = [_tar({"own": layer}) for layer in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"made": label}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in packed]},
    }
    names = [f"{number}/layer.tar" for number in range(len(packed))]
    manifest = [{"Config": "config.json", "RepoTags": list(tags), "Layers": names}]
    files = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    return _tar({**files, **dict(zip(names, packed, strict=True))})


def _tar(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
