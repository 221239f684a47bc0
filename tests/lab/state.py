"""What labs there are, on this machine: one small file each, written before anything else is made.

Whoever comes next can therefore clear up after a test run that was killed at any point. A lab belongs to the process
that made it; one that was put up from the command line belongs to nobody and stays until told. Refuses to remember
what can be found again (mounts, loop devices).
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.lab.processes import Process


def folder() -> Path:
    """Where the records lie: `$ULLAGE_LAB_STATE`, else below /run, else below the folder for temporary files."""
    chosen = os.environ.get("ULLAGE_LAB_STATE")
    if chosen is not None:
        return Path(chosen)
    return Path("/run/ullage-lab") if os.access("/run", os.W_OK) else Path(tempfile.gettempdir()) / "ullage-lab"


@dataclass(frozen=True, slots=True)
class Record:
    """One lab: its folder, its owner (`None`: nobody, it stays) and the processes that it started itself."""

    kept_in: str  # the folder of this record, fixed when it was made
    id: str
    base: str
    owner: Process | None
    started: tuple[Process, ...]
    described: str

    def path(self) -> Path:
        """The record's own file."""
        return Path(self.kept_in) / f"{self.id}.json"

    def abandoned(self) -> bool:
        """Whether its owner is gone."""
        return self.owner is not None and not self.owner.alive()

    def save(self) -> None:
        """Write it so that a reader sees the old record or the new one, never half of one."""
        self.path().parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path().with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(asdict(self), indent=1))
        fresh.replace(self.path())

    def with_started(self, process: Process) -> Record:
        """The same lab with one more process of its own, saved. Those that have ended are dropped."""
        more = replace(self, started=(*(known for known in self.started if known.alive()), process))
        more.save()
        return more


def load(path: Path) -> Record | None:
    """Read one record, `None` if it is gone or was never finished."""
    try:
        fields = json.loads(path.read_text())
        owner = fields.pop("owner")
        started = fields.pop("started")
        return Record(
            owner=None if owner is None else Process(**owner),
            started=tuple(Process(**process) for process in started),
            **fields,
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def records() -> list[Record]:
    """All labs of this machine, sorted by id."""
    return [record for path in sorted(folder().glob("*.json")) if (record := load(path)) is not None]


@contextmanager
def claimed(record: Record) -> Iterator[bool]:
    """Hold a lab's lock; yields `False` when another process is already taking the same lab down."""
    lock = record.path().with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            lock.unlink(missing_ok=True)
