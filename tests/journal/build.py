"""Small factories: records, points and images with nothing in them that a test does not name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collectors.forecast import Point
from collectors.journal import Journal, Record
from collectors.model import DiffId, ImageId
from collectors.model.engine import Image
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.system.folders import Folder

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RUN = timedelta(minutes=20)
HERE = Origin("test", "test", NOON, 0.0)
HOUR = 3600.0
GIB = 1 << 30


def a_record(run: int = 0, **fields: Any) -> Record:
    """The record of the run `run` × 20 minutes after noon; 100 GiB disk, 50 GiB used and one more each run."""
    plain = Record(
        at=NOON + run * RUN,
        boot_id="boot-1",
        uptime_s=100_000.0 + run * RUN.total_seconds(),
        filesystem="btrfs 5f2c",
        total_bytes=100 * GIB,
        used_bytes=(50 + run) * GIB,
        available_bytes=(50 - run) * GIB,
        severity=None,
        categories={"images": 20 * GIB, "logs": run * GIB, "unattributed": None},
        allocation=None,
        owners={"container:api-1": run * GIB},
        tags={"shop/app:latest": image_id(run)},
        dangling={},
        orphans=frozenset(),
        findings=(),
        actions=(),
    )
    return replace(plain, **fields)


def image_id(number: int) -> str:
    return f"sha256:{number:016x}" + "f" * 48


def a_folder(path: Path, fallback: Path | None = None) -> Folder:
    return Folder(path, "--journal", fallback)


def a_journal(records: Iterable[Record]) -> Journal:
    return Journal(tuple(records), (), 0, 0)


def points(values: Sequence[float], *, every_s: float = 1200.0, begin_s: float = 1.8e9) -> list[Point]:
    """Evenly sampled values of one boot."""
    return [Point(begin_s + index * every_s, int(value), "boot-1") for index, value in enumerate(values)]


def an_image(
    number: int, *tags: str, size: int = GIB, shared: int = 0, made: datetime | None = None, layers: Sequence[str] = ()
) -> Image:
    unknown = Unavailable(Why.NOT_ASKED, "", HERE)
    diff_ids: Reading[tuple[DiffId, ...]] = Exact(tuple(map(DiffId, layers)), HERE) if layers else unknown
    return Image(
        id=ImageId(image_id(number)),
        tags=tags,
        digests=(),
        size=Exact(size, HERE),
        shared=Exact(shared, HERE),
        containers=Exact(0, HERE),
        created_at=Exact(made, HERE) if made else unknown,
        labels={},
        diff_ids=diff_ids,
    )
