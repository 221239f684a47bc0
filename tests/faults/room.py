"""A Docker root of the overlay2 driver with nothing in it, and a fake engine that says it is its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.engine import Fault, engine
from tests.fakes.recordings import recording
from tests.fakes.server import Server

_FOLDERS = (
    "image/overlay2/layerdb/sha256",
    "image/overlay2/layerdb/mounts",
    "image/overlay2/imagedb/content/sha256",
    "overlay2/l",
    "containers",
    "volumes",
    "buildkit",
    "tmp",
)


@dataclass(frozen=True)
class Room:
    """`folder` is anybody's to read; `root` is the Docker root in it; `absent` names a socket that is not there."""

    folder: Path
    root: Path

    @classmethod
    def at(cls, folder: Path) -> Room:
        folder.chmod(0o755)
        root = folder / "docker"
        for name in _FOLDERS:
            (root / name).mkdir(parents=True)
        return cls(folder, root)

    @property
    def absent(self) -> str:
        return f"unix://{self.folder}/no.sock"

    def engine(
        self,
        faults: Mapping[str, Fault] | None = None,
        *,
        name: str = "26.1.5-overlay2",
        tcp: bool = False,
        info: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Server:
        """An engine as recorded, whose root is this one: proven by the id in it. With faults, and changed replies."""
        said = {**recording(name)["info"], **(info or {}), "DockerRootDir": str(self.root)}
        (self.root / "engine-id").write_text(said["ID"])
        return engine(name, faults, tcp=tcp, info=said, **changes)
