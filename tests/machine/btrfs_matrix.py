"""Shapes of btrfs, and what must hold on each: the books close, subvolumes equal qgroups, and room is what it is.

Room is measured the hard way: by filling until the kernel refuses, data first and then tree blocks, on chunks that lie
half empty, as a host has them on which df still shows room. By then the danger must have been told.

`python -m tests.machine.btrfs_matrix [NAME …]` prints the table of all shapes, or of those named.
"""

from __future__ import annotations

import errno
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from collectors.engine.endpoint import endpoint
from collectors.filesystems.btrfs import holders
from collectors.inventory import Request
from collectors.model.plan import Severity
from collectors.model.reading import Exact
from collectors.model.report import Report
from collectors.model.settings import DEFAULTS
from collectors.model.snapshot import data_left_bytes
from collectors.pipeline import Options, survey
from collectors.system.deadline import this_host
from tests.lab import disk
from tests.lab.commands import CommandFailed, run
from tests.machine.btrfs_lab import MIB, Lab, assert_agrees_with_qgroups, figures, sharing
from tests.machine.btrfs_shapes import SHAPES, Shape

_PIECE = MIB // 2
_KEPT = 16  # of so many pieces one stays
_SMALL = 3800  # bytes of a file that lies in a leaf
_STEP = 800  # files between two looks


@dataclass(frozen=True, slots=True)
class Measured:
    """What one shape showed. Bytes are logical."""

    name: str
    unattributed_bytes: int
    subvolumes: int  # that equal their qgroups
    data_told: int
    data_grew: int
    data_chunk: int
    metadata_told: int
    metadata_grew: int
    metadata_chunk: int
    data_danger: Severity  # told before data was refused
    metadata_danger: Severity  # told before tree blocks were
    used_percent: int  # of statfs, when tree blocks were refused
    rules: tuple[str, ...]  # that said so

    def wrong(self) -> tuple[str, ...]:
        """What does not hold, in words."""
        found = []
        if self.unattributed_bytes:
            found.append(f"{self.unattributed_bytes} bytes unattributed")
        if abs(self.data_told - self.data_grew) > self.data_chunk:
            found.append(f"data: {self.data_told} said, {self.data_grew} were")
        if abs(self.metadata_told - self.metadata_grew) > self.metadata_chunk:
            found.append(f"metadata: {self.metadata_told} said, {self.metadata_grew} were")
        if min(self.data_danger, self.metadata_danger) < Severity.P1:
            found.append(f"refused at {self.data_danger.name} and {self.metadata_danger.name}")
        return tuple(found)


@contextmanager
def made(shape: Shape, base: Path) -> Iterator[Lab]:
    """A fresh filesystem of this shape, with its contents; gone again afterwards."""
    nodes = []
    base.mkdir(parents=True, exist_ok=True)
    try:
        for number, size in enumerate(shape.sizes):
            image = base / f"disk{number}.img"
            image.touch()
            os.truncate(image, size * MIB)
            nodes.append(disk.attach(image))
        run("mkfs.btrfs", "-q", "-f", *shape.mkfs, *nodes)
        run("btrfs", "device", "scan", *nodes)
        mount = base / "mnt"
        mount.mkdir()
        run("mount", "-t", "btrfs", "-o", ",".join(("noatime", "max_inline=4000", *shape.options)), nodes[0], mount)
        # Or a namespace that somebody makes meanwhile would keep a copy of the mount, and the devices with it.
        run("mount", "--make-shared", mount)
        lab = Lab(mount, tuple(nodes), random.Random(5))
        contents(lab)
        shape.change(lab)
        lab.commit()
        yield lab
    finally:
        left = disk.destroy(base, timeout_s=60)
        assert not left, left


def contents(lab: Lab) -> None:
    """Subvolumes that share, files in leaves and in extents, some of it in the top level."""
    base = lab.subvolume("docker/one")
    for number in range(120):
        lab.write(base / f"file-{number}", 100 + number * 150)
    for number in range(3):
        lab.snapshot("docker/one", f"docker/copy-{number}")
        lab.write(lab.at / f"docker/copy-{number}/own", 90_000 + number)
    lab.write(lab.at / "top", 300_000)
    lab.commit()


def measure(name: str, base: Path) -> Measured:
    """Everything that the matrix asks of one shape."""
    with made(SHAPES[name], base) as lab:
        unattributed = unattributed_bytes(lab.at)
        equal = assert_agrees_with_qgroups(lab.at, sharing(lab.at))
        lab.cleaned()
        data = _filled(lab, "data", lambda: _fill_data(lab))
        if figures(lab.at).room("mixed") is None:
            _empty_chunks(lab)
        metadata = _filled(lab, "metadata", lambda: _fill_metadata(lab))
        return Measured(
            name=name,
            unattributed_bytes=unattributed,
            subvolumes=equal,
            data_told=data.told,
            data_grew=data.grew,
            data_chunk=data.chunk,
            metadata_told=metadata.told,
            metadata_grew=metadata.grew,
            metadata_chunk=metadata.chunk,
            data_danger=data.last.severity,
            metadata_danger=metadata.last.severity,
            used_percent=_percent(metadata.last),
            rules=tuple(sorted({f.rule for f in metadata.last.findings if f.severity is metadata.last.severity})),
        )


def unattributed_bytes(at: Path) -> int:
    """What statfs calls used, and neither a holder nor the filesystem itself has."""
    found, facts = sharing(at), figures(at)
    assert found.method == "device trees", found.fallback
    assert (found.residual_data_bytes, found.residual_metadata_bytes) == (0, 0)
    table = Exact(found, facts.generation.origin)
    shares = holders.occupancy(table, facts.statfs).shares
    own = holders.own_bytes(facts, table)
    assert isinstance(own, Exact), own
    room = os.statvfs(at)
    return (room.f_blocks - room.f_bfree) * room.f_frsize - own.value - sum(share.bytes for share in shares)


@dataclass(frozen=True, slots=True)
class Filled:
    told: int
    grew: int
    chunk: int
    last: Report  # before the kernel refused


def _filled(lab: Lab, kind: str, fill: Callable[[], Report]) -> Filled:
    room, before = figures(lab.at).room(kind), _total(lab, kind)
    assert room is not None
    assert isinstance(room.allocatable, Exact)
    last = fill()
    with suppress(CommandFailed):  # the kernel may have turned it read-only, which is the end that was foretold
        lab.commit()
    return Filled(room.allocatable.value, _total(lab, kind) - before, room.chunk_bytes, last)


def _total(lab: Lab, kind: str) -> int:
    spaces = figures(lab.at).spaces
    assert isinstance(spaces, Exact)
    return sum(space.logical_total_bytes for space in spaces.value if space.kind in (kind, "mixed"))


def _fill_data(lab: Lab) -> Report:
    """Pieces of data until the kernel refuses one; the look that was taken last."""
    folder = lab.at / "docker/fill"
    folder.mkdir()
    left, number = data_left_bytes(figures(lab.at)), 0
    assert left is not None
    look_at = left * 95 // 100  # as the program itself expects the end
    last = look(lab.at)
    with suppress_full():
        while True:
            with (folder / str(number)).open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _PIECE)
            number += 1
            if number * _PIECE >= look_at > (number - 1) * _PIECE:
                last = look(lab.at)
    return last


def _empty_chunks(lab: Lab) -> None:
    """Leave a little in nearly every data chunk: df has room again, and only a few new chunks can be made."""
    pieces = sorted((lab.at / "docker/fill").iterdir(), key=lambda path: int(path.name))
    for number, path in enumerate(pieces):
        if number % _KEPT or number > len(pieces) * 9 // 10:
            path.unlink()
    lab.commit()
    run("btrfs", "balance", "start", "-dusage=0", lab.at)


def _fill_metadata(lab: Lab) -> Report:
    """Files that lie in leaves until the kernel refuses one."""
    payload, number = lab.chance.randbytes(_SMALL), 0
    last = look(lab.at)
    with suppress_full():
        while True:
            folder = lab.at / "docker/small" / str(number // _STEP)
            if not number % _STEP:
                folder.mkdir(parents=True)
                last = look(lab.at)
            (folder / str(number)).write_bytes(payload)
            number += 1
    return last


@contextmanager
def suppress_full() -> Iterator[None]:
    """The kernel's refusal, and nothing else."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EROFS):
            raise


def look(at: Path) -> Report:
    """What the program says of the Docker root there, whose engine does not answer."""
    host = replace(this_host(), docker_root=at / "docker", state=None)
    request = Request(endpoint("unix:///nowhere.sock", {}, Path("/nowhere")), host, deadline_s=30, grace_s=0)
    return survey(Options(request, DEFAULTS, None, None, None)).report


def _percent(report: Report) -> int:
    space = report.ledger.filesystem.space if report.ledger else None
    assert isinstance(space, Exact)
    return space.value.used_percent


def line(found: Measured) -> str:
    """A row of the table."""
    said, was = (f"{count / MIB:.1f}" for count in (found.data_told, found.data_grew))
    trees, were = (f"{count / MIB:.1f}" for count in (found.metadata_told, found.metadata_grew))
    danger = f"{found.data_danger.name} | {found.metadata_danger.name} at {found.used_percent}%"
    verdict = "; ".join(found.wrong()) or "holds"
    return (
        f"| {found.name} | {found.unattributed_bytes} | {found.subvolumes} | {said} / {was} | {trees} / {were} "
        f"| {danger} ({', '.join(found.rules)}) | {verdict} |"
    )


def main(names: list[str]) -> int:
    """Print the table; the number of shapes in which something does not hold."""
    print("| Shape | Unattributed | = qgroups | Data MiB said / grew | Metadata MiB said / grew | Data | Metadata | |")
    print("|---|---|---|---|---|---|---|---|")
    bad = 0
    for name in names or SHAPES:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            try:
                found = measure(name, Path(folder) / "lab")
            except (AssertionError, CommandFailed) as error:
                print(f"| {name} | failed: {str(error)[:200]} |", flush=True)
                bad += 1
                continue
        bad += bool(found.wrong())
        print(line(found), flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
