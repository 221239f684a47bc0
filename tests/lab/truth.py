"""The truth about a lab: what its mess planted, and what each category takes, measured without the product.

Refuses to know how anything was measured (see `tests.lab.measure`); it only holds, writes and reads figures.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

# DESIGN.md's identifiers, in the order in which an extent that several hold is charged.
CATEGORIES = (
    "images",
    "build_cache",
    "containers",
    "logs",
    "volumes",
    "orphans",
    "docker_other",
    "other_files",
    "snapshots",
    "deleted_pending",
    "deleted_open",
)


@dataclass(frozen=True, slots=True)
class Planted:
    """One object that a mess made.

    `kind` is the mess's own word (`layer`, `json-file log`, `snapshot`). `allocated_bytes` is what the object alone
    takes on the disk (`None`: only meaningful together with others, or not measurable from outside); `apparent_bytes`
    is the length that was written. `survives` names the most dangerous tier of reclaiming that must leave it alone:
    `safe`, `careful`, `destructive`, or empty where the mess makes no such claim. `held_by_pid` is the process without
    which the object would be gone (an open file, a deleted subvolume).
    """

    category: str
    kind: str
    name: str
    id: str
    path: str | None
    allocated_bytes: int | None
    apparent_bytes: int
    note: str = ""
    survives: str = ""
    held_by_pid: int | None = None

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise ValueError(f"no such category: {self.category}")


@dataclass(frozen=True, slots=True)
class Sum:
    """What one category takes in all, each extent charged once, in the order of `CATEGORIES`.

    `method` says how: `du` of known folders, `compsize` (btrfs: distinct extents), `planted` (the known bytes).
    """

    allocated_bytes: int
    apparent_bytes: int
    objects_count: int
    method: str


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything known about a lab. `used_bytes` is statfs (f_blocks - f_bfree), after a sync, when it was measured."""

    lab: str
    driver: str
    fs: str
    engine: str
    mess: str
    docker_root: str
    used_bytes: int
    planted: tuple[Planted, ...]
    sums: dict[str, Sum]

    def of(self, category: str, kind: str | None = None) -> tuple[Planted, ...]:
        """What was planted in one category, if asked of one kind."""
        return tuple(p for p in self.planted if p.category == category and kind in (None, p.kind))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read what `save` wrote. Raises OSError, ValueError."""
        fields = json.loads(path.read_text())
        planted = tuple(Planted(**item) for item in fields.pop("planted"))
        sums = {category: Sum(**figures) for category, figures in fields.pop("sums").items()}
        return cls(planted=planted, sums=sums, **fields)
