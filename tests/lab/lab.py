"""A lab: a private engine on a filesystem of its own, with a mess in it and the truth about the mess.

    with Lab.up(driver="btrfs", mess="everyday") as lab:
        lab.docker("ps", "-a")
        lab.truth.sums["images"].allocated_bytes

Refuses to touch an engine, mount or process that it did not start, and to leave any of its own behind.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from tests.lab import books, disk, engines, messes, state, teardown
from tests.lab.client import Client
from tests.lab.engine import Engine, Place
from tests.lab.processes import Process, end, spawn
from tests.lab.truth import Planted, Truth


class Lab:
    """See `Lab.up`. Usable as a context manager; `down` may be called any number of times."""

    in_memory: ClassVar[bool] = False  # its disk; a test run says so, what is measured by hand has a disk's own speed
    id: str
    base: Path
    fs: str
    driver: str
    engine: str
    mount: Path
    device: str
    devices: tuple[str, ...]
    docker_root: Path
    mess: str
    truth: Truth

    def __init__(self, record: state.Record, made: disk.Disk, version: str, driver: str) -> None:
        self.id = record.id
        self.base = Path(record.base)
        self.fs, self.mount, self.devices = made.fs, made.mount, made.devices
        self.device = made.devices[0]
        self.driver, self.engine = driver, version
        self.docker_root = self.mount / "docker"
        self.docker_root.mkdir()
        place = Place(self.base, self.docker_root)
        self.socket = place.socket
        self.host = f"unix://{place.socket}"
        self._engine = Engine(place, record, version, driver)
        self._planted: list[Planted] = []
        self.client = Client(self.host, self.base)

    @classmethod
    def up(
        cls,
        *,
        driver: str = "overlay2",
        fs: str | None = None,
        mess: str = "everyday",
        engine: str = "20.10",
        size_mib: int = 2048,
        devices: int = 1,
        mkfs_options: Sequence[str] = (),
        mount_options: Sequence[str] = (),
        keep: bool = False,
    ) -> Lab:
        """Bring up a lab with a mess in it (`everyday+leak` makes one after the other).

        First takes down the labs of owners that are gone. `keep` leaves it running when this process ends. Raises
        `ValueError`, `NoSuchEngine`, `CommandFailed`, `EngineFailed`; then nothing of it is left.
        """
        for leftover in teardown.sweep():
            warnings.warn(leftover, stacklevel=2)
        makers = messes.named(mess)
        fs = fs or engines.DEFAULT_FS.get(driver, "ext4")
        lab_id = secrets.token_hex(4)
        base = Path(tempfile.gettempdir()).resolve() / f"ullage-lab-{lab_id}"
        owner = None if keep else Process.of(os.getpid())
        described = f"{driver} on {fs}, engine {engine}, mess {mess}"
        record = state.Record(str(state.folder()), lab_id, str(base), owner, (), described)
        record.save()
        try:
            base.mkdir(mode=0o755)  # so that a test may also look at it without privileges
            made = disk.create(
                base,
                fs,
                size_mib=size_mib,
                devices=devices,
                mkfs_options=mkfs_options,
                mount_options=mount_options,
                in_memory=cls.in_memory,
            )
            lab = cls(record, made, engine, driver)
            lab.start_engine()
            lab.mess = mess
            for make in makers:
                lab._planted += make(lab)
            lab.measure()
        except BaseException:
            teardown.take_down(state.load(record.path()) or record)
            raise
        return lab

    def measure(self) -> Truth:
        """Draw up the truth (again, after a test changed something) and write it to `base/truth.json`.

        What a mess planted stays in it as long as its path and its holder are there; what the engine knows is listed
        afresh.
        """
        self._planted = [p for p in self._planted if _is_there(p)]
        self.truth = books.draw_up(self, self._planted)
        self.truth.save(self.truth_file)
        return self.truth

    @property
    def truth_file(self) -> Path:
        """Where the truth is written."""
        return self.base / "truth.json"

    @property
    def pid(self) -> int:
        """The engine's pid. Raises `ProcessLookupError` while it is stopped."""
        if self._engine.process is None:
            raise ProcessLookupError("the engine is stopped")
        return self._engine.process.pid

    def docker(self, *words: str, stdin: bytes | None = None, timeout_s: float = 300) -> str:
        """`docker WORDS` against this engine: its stdout. Raises `CommandFailed` with stderr."""
        return self.client.docker(*words, stdin=stdin, timeout_s=timeout_s)

    def build(
        self, tag: str, context_files: Mapping[str, bytes | str], *, buildkit: bool = True, args: Sequence[str] = ()
    ) -> str:
        """Build an image (the context holds its Dockerfile) without network; gives back its id."""
        return self.client.build(tag, context_files, buildkit=buildkit, args=args)

    def import_image(self, tag: str, files: Mapping[str, bytes | int]) -> str:
        """Make an image of one layer; an integer stands for that many random bytes. Gives back its id."""
        return self.client.import_image(tag, files)

    def start_engine(self) -> None:
        """Start the engine, if it is not running, and wait until it answers."""
        self._engine.start()

    def stop_engine(self) -> None:
        """SIGTERM, and wait: running containers are stopped."""
        self._engine.stop()

    def kill_engine(self) -> None:
        """SIGKILL, and wait: containers go on until the next start."""
        self._engine.kill()

    def freeze_engine(self) -> None:
        """SIGSTOP: the socket accepts and nobody answers."""
        self._engine.freeze()

    def thaw_engine(self) -> None:
        """SIGCONT."""
        self._engine.thaw()

    def spawn(self, *argv: str) -> int:
        """Start a process on the host that ends with the lab; gives back its pid."""
        process = spawn(argv, self.base / "spawned.log")
        self._engine.record = self._engine.record.with_started(process)
        return process.pid

    def release(self, planted: Planted) -> None:
        """End the process that holds a planted object, and wait; no object without a holder. Raises `ValueError`."""
        holder = None if planted.held_by_pid is None else Process.of(planted.held_by_pid)
        if holder is None:
            raise ValueError(f"nobody holds {planted.name}")
        end([holder])

    def down(self) -> None:
        """Take everything away again. Raises `teardown.NotClean` naming what would not go."""
        teardown.take_down(self._engine.record)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()


def _is_there(planted: Planted) -> bool:
    has_path = planted.path is None or os.path.lexists(planted.path)
    return has_path and (planted.held_by_pid is None or Process.of(planted.held_by_pid) is not None)
