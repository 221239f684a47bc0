"""The docker command line against one engine: with a configuration of its own, so that no context leads elsewhere.

Refuses every engine but the one whose socket it was given, and the network.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.lab.commands import run, tool


def docker_tool() -> str | None:
    """The docker client: the distribution's, which has BuildKit built in, before any other in PATH."""
    return "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else tool("docker")


@cache
def busybox() -> bytes:
    """The static busybox of this machine."""
    path = tool("busybox")
    if path is None:
        raise FileNotFoundError("busybox is not installed (package busybox-static)")
    return Path(path).read_bytes()


@cache
def rootfs() -> Mapping[str, bytes]:
    """A root filesystem of one static busybox under the names that the messes use; values are file contents."""
    words = ("sh", "cat", "dd", "head", "ln", "ls", "mkdir", "mv", "rm", "seq", "sleep", "sync", "tail", "touch", "yes")
    return {"bin/busybox": busybox(), **{f"bin/{word}": b"->busybox" for word in words}, "tmp/.keep": b""}


def archive(files: Mapping[str, bytes | int]) -> bytes:
    """A tar of these files; an integer stands for that many random bytes, `->name` for a symbolic link."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755
            if isinstance(content, bytes) and content.startswith(b"->"):
                entry.type, entry.linkname = tarfile.SYMTYPE, content[2:].decode()
                tar.addfile(entry)
                continue
            data = os.urandom(content) if isinstance(content, int) else content
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _program() -> str:
    program = docker_tool()
    if program is None:
        raise FileNotFoundError("docker is not installed (package docker.io or docker-cli)")
    return program


class Client:
    """docker for the engine on one socket. `scratch` takes build contexts and the client's configuration."""

    def __init__(self, host: str, scratch: Path) -> None:
        self.host = host
        self._scratch = scratch
        (scratch / "client").mkdir(parents=True, exist_ok=True)

    def docker(self, *words: str, stdin: bytes | None = None, timeout_s: float = 300) -> str:
        """Run `docker WORDS` and give back its stdout. Raises `CommandFailed` with stderr."""
        return self._docker(words, stdin=stdin, timeout_s=timeout_s)

    def _docker(
        self, words: Sequence[str], *, buildkit: bool = False, stdin: bytes | None = None, timeout_s: float = 300
    ) -> str:
        return run(_program(), *words, stdin=stdin, environment=self._environment(buildkit), timeout_s=timeout_s)

    def _environment(self, buildkit: bool) -> dict[str, str]:
        return {
            "DOCKER_HOST": self.host,
            "DOCKER_CONTEXT": "",
            "DOCKER_CONFIG": str(self._scratch / "client"),
            "DOCKER_BUILDKIT": str(int(buildkit)),
        }

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `docker WORDS` and do not wait for it; what it says is dropped, its status is the caller's matter."""
        return subprocess.Popen(
            (_program(), *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self._environment(False)},
        )

    def build(
        self, tag: str, context_files: Mapping[str, bytes | str], *, buildkit: bool = True, args: Sequence[str] = ()
    ) -> str:
        """Build an image without network and give back its id; an empty tag leaves it dangling."""
        context = Path(tempfile.mkdtemp(prefix="context-", dir=self._scratch))
        try:
            for name, content in context_files.items():
                path = context / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            named = ("-t", tag) if tag else ()
            words = ("build", "--network", "none", "-q", *named, *args, str(context))
            return self._docker(words, buildkit=buildkit).split()[-1]
        finally:
            shutil.rmtree(context)

    def import_image(self, tag: str, files: Mapping[str, bytes | int]) -> str:
        """Make an image of one layer and give back its id; an integer stands for that many random bytes."""
        named = (tag,) if tag else ()
        # Podman says it twice, with a colon.
        return self.docker("import", "-", *named, stdin=archive(files)).split()[-1]

    def load_image(self, tag: str, layers: Sequence[Mapping[str, bytes | int]]) -> str:
        """Make an image of many layers, lowest first, and give back its id."""
        packed = [archive(layer) for layer in layers]
        named = {f"{number}/layer.tar": data for number, data in enumerate(packed)}
        diff_ids = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in packed]
        stack = {"type": "layers", "diff_ids": diff_ids}
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": stack}
        manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": list(named)}]
        files = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
        self.docker("load", stdin=archive({**named, **files}))
        return self.docker("images", "--no-trunc", "-q", tag).split()[0]

    def base_image(self, tag: str = "base:1") -> str:
        """The busybox root filesystem as an image, imported unless it is there already; gives back its id."""
        there = self.docker("images", "--no-trunc", "-q", tag).split()
        return there[0] if there else self.import_image(tag, rootfs())

    def run(self, image: str, name: str, script: str, *options: str) -> str:
        """Start `sh -c SCRIPT` detached and without network; gives back the container's id.

        It is stopped by SIGKILL: a shell as process 1 ignores SIGTERM and would make each stop last ten seconds.
        """
        fixed = ("--network", "none", "--stop-signal", "KILL", "--name", name)
        return self.docker("run", "-d", *fixed, *options, image, "sh", "-c", script).strip()
