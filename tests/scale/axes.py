"""What is made larger, one thing at a time, and what is measured at each size."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.lab import disk
from tests.lab.commands import run
from tests.scale import engine, journals, machine, trees
from tests.scale.measure import Cost, cheapest, measured

# Long enough that nothing is cut short: the default of 60 s is what the extrapolation is held against.
_DEADLINE = "--deadline=900"


@dataclass(frozen=True, slots=True)
class Point:
    """One size. `whole`: fresh processes by what they did; `steps`: processor seconds inside one; `facts`: counts."""

    size: int
    whole: dict[str, Cost]
    steps: dict[str, float]
    facts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Axis:
    """`sizes` ascend; size 0 is measured as well, for what it costs to start. `judged`: what must end in time."""

    name: str
    sizes: tuple[int, ...]
    judged: str
    says: str
    points: Callable[[tuple[int, ...]], Iterator[Point]]

    @property
    def unit(self) -> str:
        """What is counted."""
        return "of each" if self.name == "everything at once" else self.name


def _halves(largest: int, count: int = 5) -> tuple[int, ...]:
    return tuple(largest >> shift for shift in reversed(range(count)))


@contextmanager
def scratch() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="ullage-scale-"))
    try:
        yield base
    finally:
        if left := disk.destroy(base):
            raise RuntimeError(f"still there: {left}")
        shutil.rmtree(base)


def _hosts(shape: Callable[[int], machine.Shape], driver: str = "overlay2") -> Callable[..., Iterator[Point]]:
    def points(sizes: tuple[int, ...]) -> Iterator[Point]:
        for size in sizes:
            with scratch() as base:
                yield _host(base, size, shape(size), driver)

    return points


def _host(base: Path, size: int, shape: machine.Shape, driver: str) -> Point:
    options = () if driver == "btrfs" else ("-N", "2000000")
    made = disk.create(base, "btrfs" if driver == "btrfs" else "ext4", size_mib=8192, mkfs_options=options)
    known = machine.make(made.mount / "docker", shape, driver)
    run("sync", "-f", made.mount)
    with engine.server(known) as server:
        # What size 0 costs is taken from all the others: one slow start would bend every curve.
        looks = [_look(base / f"memory-{number}", server.url) for number in range(1 if size else 3)]
        said = looks[-1][2]
        _, told = measured("tests.scale.stages", *_flags(base / "memory-0", server.url))
    first, again = cheapest(look[0] for look in looks), cheapest(look[1] for look in looks)
    document: dict[str, Any] = json.loads(said)
    unread = [row for row in document["coverage"] if row["outcome"] != "read" and row["source"] != "deleted but open"]
    if unread:
        raise RuntimeError(f"something was not read at {size}: {unread}")
    items = {category: len(listed) for category, listed in document["items"].items()}
    subvolumes = len(document["btrfs"]["subvolumes"]) if driver == "btrfs" else 0
    _expect(items, shape)
    facts = {"document, kB": len(said) // 1000, **({"subvolumes": subvolumes} if subvolumes else {})}
    costs = {"preflight, first": first, "preflight, again": again}
    return Point(size, costs, json.loads(told)["took"], facts)


def _flags(memory: Path, url: str) -> list[str]:
    return [f"--host={url}", f"--state={memory}/state", f"--journal={memory}/journal", _DEADLINE]


def _look(memory: Path, url: str) -> tuple[Cost, Cost, str]:
    """A first preflight, one more, and what that says."""
    words = ("collectors", "--preflight", "--format=json", *_flags(memory, url))
    # 3 is allowed: where other processes may not be looked into, what they keep open is not known.
    first, _ = measured(*words, statuses=(0, 1, 2, 3))
    again, said = measured(*words, statuses=(0, 1, 2, 3))
    return first, again, said


def _expect(items: dict[str, int], shape: machine.Shape) -> None:
    found = (items["containers"], items["logs"], items["volumes"], items["build_cache"], items["images"])
    wanted = (shape.containers, shape.containers, shape.volumes, shape.records, max(1, shape.images))
    if found != wanted or items["orphans"]:
        raise RuntimeError(f"the report lists {items}, there are {shape}")


def _journal(sizes: tuple[int, ...]) -> Iterator[Point]:
    with scratch() as folder:
        days = 0
        ends = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        for size in sizes:
            wanted = size // journals.RUNS_A_DAY
            journals.lengthen(folder, ends, days, wanted)
            days = wanted
            statuses = (0, 3)  # 3: there is no history
            week, _ = measured("collectors", "--history", f"--journal={folder}", statuses=statuses)
            everything, _ = measured(
                "collectors", "--history", f"--journal={folder}", f"--since={days + 2}d", statuses=statuses
            )
            recall, told = measured("tests.scale.journals", "recall", str(folder))
            replay, _ = measured("tests.scale.journals", "replay", str(folder))
            costs = {
                "what a preflight recalls": recall,
                "--history (7 days)": week,
                "--history (all)": everything,
                "--replay, until it shows": replay,
            }
            yield Point(size, costs, {}, json.loads(told)["facts"])


def _walks(shape: Callable[[int], trees.Shape]) -> Callable[..., Iterator[Point]]:
    def points(sizes: tuple[int, ...]) -> Iterator[Point]:
        for size in sizes:
            with scratch() as base:
                made = shape(size)
                trees.make(base / "image", made)
                words = json.dumps({name: getattr(made, name) for name in made.__slots__})
                cost, told = measured("tests.scale.walk", str(base / "image"), words)
                found = json.loads(told)
                yield Point(size, {"walk and table": cost}, found["took"], found["facts"])

    return points


AXES = (
    Axis(
        "containers",
        _halves(5_000),
        "preflight, first",
        "Each with a writable layer, a log and one inspection; two of three are stopped.",
        _hosts(lambda n: machine.Shape(containers=n, images=10)),
    ),
    Axis(
        "images",
        _halves(2_000),
        "preflight, first",
        "Nine layers each: three of one of ten distributions, three of a family of twenty, three of its own.",
        _hosts(lambda n: machine.Shape(images=n)),
    ),
    Axis(
        "build-cache records",
        _halves(100_000),
        "preflight, first",
        "In chains of eight, each with a directory, in BuildKit's own files and in the engine's list.",
        _hosts(lambda n: machine.Shape(records=n)),
    ),
    Axis(
        "volumes",
        _halves(5_000),
        "preflight, first",
        "Nobody mounts them: each is a step of the plan.",
        _hosts(lambda n: machine.Shape(volumes=n)),
    ),
    Axis(
        "everything at once",
        _halves(2_000, 4),
        "preflight, first",
        "So many containers on so many images, as many volumes, ten times as many records.",
        _hosts(lambda n: machine.Shape(containers=n, images=n, volumes=n, records=10 * n)),
    ),
    Axis(
        "images on btrfs",
        _halves(1_280),
        "preflight, first",
        "Their layers are real subvolumes, each a snapshot of the one below: the walk reads real trees.",
        _hosts(lambda n: machine.Shape(images=n), "btrfs"),
    ),
    Axis(
        "journal points",
        _halves(1_000_000),
        "--replay, until it shows",
        "72 a day; a million are 38 years. A preflight recalls five weeks however long the journal is, `--history`\n"
        "takes samples; a replay holds every run, and is what breaks.",
        _journal,
    ),
    Axis(
        "btrfs extents",
        _halves(10_000_000),
        "walk and table",
        "Made trees, 1,000 subvolumes that share runs of leaves; each set and subvolume is checked to the byte.",
        _walks(lambda n: trees.Shape(1_000, n, 4_000 if n else 1, 200)),
    ),
    Axis(
        "btrfs subvolumes",
        _halves(1_000),
        "walk and table",
        "Made trees, a million extents, four runs of leaves for each subvolume, each run held by up to 200.",
        _walks(lambda n: trees.Shape(max(1, n), 1_000_000, max(1, 4 * n), 200)),
    ),
    Axis(
        "btrfs holders in a chain",
        _halves(8_000_000),
        "walk and table",
        "Made trees: a chain of snapshots, each with a leaf more than its source, which all later ones\n"
        "hold too. Counted are pairs of a leaf and a holder, which the rows name one by one: 4,000 snapshots have\n"
        "8 million.",
        _walks(lambda n: trees.Shape(max(1, math.isqrt(2 * n)), 0, 0, 0, "chain")),
    ),
    Axis(
        "btrfs subvolumes in a star",
        _halves(10_000),
        "walk and table",
        "Made trees; all hold one run of leaves, and each a leaf of its own.",
        _walks(lambda n: trees.Shape(max(1, n), 3_000, 0, 0, "star")),
    ),
    Axis(
        "btrfs subvolumes in a forest",
        _halves(10_000),
        "walk and table",
        "Made trees; chains of fifty snapshots each.",
        _walks(lambda n: trees.Shape(max(1, n), 0, 0, 50, "forest")),
    ),
)
