"""The exact walk side by side with `btrfs filesystem du -s` and `compsize`, on one large filesystem made for it.

And with the least that any walk must do: all chunks of metadata read once, in order, past the cache; caches of the loop
file warm and cold. Then what a look costs after a change: one in a hundred files, a snapshot, a deleted subvolume.

`python -m tests.bench.btrfs_walk` (root, loop devices, about 8 GiB below /tmp, some minutes) prints a table and writes
it to btrfs_walk.md beside this file. Each measurement is a process of its own; the others run with caches warm.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import btrfs_filesystem

HERE = Path(__file__).parent
_PIECE_BYTES = 4 << 20
_BARE = "all metadata chunks, read in order"
_BARE_COLD = "all metadata chunks, read in order, cold"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Run:
    """One process: wall time, its own CPU time, its largest resident size."""

    wall_s: float
    cpu_s: float
    peak_mib: int
    output: str


def measured(*words: str) -> Run:
    """Run one command. Its memory is its own: wait4 tells of this child alone."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(words, stdout=output)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{words[0]} ended with {child.returncode}")
        output.seek(0)
        return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, output.read())


def ours(at: Path, state: Path) -> None:
    """In a process of its own: what `ullage` does for one filesystem, imports and all."""
    from collectors.filesystems import btrfs
    from collectors.model.reading import Exact
    from collectors.system.deadline import this_host

    facts = btrfs.filesystem(at, this_host(), timeout_s=30)
    assert isinstance(facts, Exact), facts
    began = time.monotonic()
    found = btrfs.sharing(at, this_host(), facts.value, (), deadline_s=600, cache=state)
    took_s = time.monotonic() - began
    assert isinstance(found, Exact), found
    table = found.value
    print(
        json.dumps(
            {
                "took_s": took_s,
                "method": table.method,
                "age_s": table.age_s,
                "residuals": [table.residual_data_bytes, table.residual_metadata_bytes],
                "drifts": [table.drift_data_bytes, table.drift_metadata_bytes],
                "blocks_read": table.blocks_read,
                "memory_lost": table.memory_lost,
                "metadata_bytes": table.tree_metadata_bytes,
                "node_bytes": facts.value.node_bytes,
                "subvolumes": sum(not one.unit.startswith("<") for one in table.holdings),
                "rows": len(table.rows),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


def bare(at: Path, device: Path) -> None:
    """In a process of its own: every chunk of metadata, one copy, in order and past the cache."""
    from collectors.filesystems.btrfs import ioctl, search

    with ioctl.opened(at) as fd:
        chunks = [chunk for _, chunk in search.chunk_items(fd) if ioctl.kind(chunk.flags) == "metadata"]
    buffer = memoryview(mmap.mmap(-1, _PIECE_BYTES))
    direct = os.open(device, os.O_RDONLY | os.O_DIRECT)
    began, read = time.monotonic(), 0
    for chunk in chunks:
        for offset in range(0, chunk.logical_bytes, _PIECE_BYTES):
            piece = buffer[: min(_PIECE_BYTES, chunk.logical_bytes - offset)]
            read += os.preadv(direct, [piece], chunk.stripes[0][1] + offset)
    assert read == sum(chunk.logical_bytes for chunk in chunks)
    print(json.dumps({"took_s": time.monotonic() - began, "blocks_read": 0}))


def dropped() -> None:
    """Nothing of the loop file is in memory any more."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def looks(at: Path, base: Path, device: str) -> dict[str, list[dict[str, Any]]]:
    """Three looks of each kind; the bare read beside them."""
    child = (sys.executable, "-m", "tests.bench.btrfs_walk")
    new, state = base / "new", base / "looks"

    def read() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(measured(*child, "--bare", str(at), device).output)
        return found

    def look(kept: Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(measured(*child, "--child", str(at), str(kept)).output)
        assert (found["method"], found["residuals"], found["memory_lost"]) == ("device trees", [0, 0], ""), found
        return found

    found: dict[str, list[dict[str, Any]]] = {}

    def enter(name: str, answer: dict[str, Any]) -> None:
        found.setdefault(name, []).append(answer)

    look(state)
    for number in range(3):
        enter(_BARE, read())
        shutil.rmtree(new, ignore_errors=True)
        enter("all is read", look(new))
        btrfs_filesystem.changed_again(at, number)
        enter("1 % of the files changed", look(state))
        btrfs_filesystem.snapshot_again(at, number)
        enter("a snapshot made", look(state))
        btrfs_filesystem.deleted_again(at, number)
        enter("a subvolume deleted", look(state))
        dropped()
        enter(_BARE_COLD, read())
        dropped()
        shutil.rmtree(new, ignore_errors=True)
        enter("all is read, cold", look(new))
    return found


def looked(found: dict[str, list[dict[str, Any]]]) -> str:
    """The second table: the quickest of three."""
    best = {name: min(runs, key=lambda one: one["took_s"]) for name, runs in found.items()}
    lines = ["| look | s | × all metadata chunks read in order | blocks read |", "|---|--:|--:|--:|"]
    for name, one in best.items():
        least = best[_BARE_COLD if "cold" in name else _BARE]["took_s"]
        lines.append(f"| {name} | {one['took_s']:.2f} | {one['took_s'] / least:.1f} | {one['blocks_read']:,} |")
    return "\n".join([*lines, ""])


def extents(device: str) -> int:
    """Distinct data extents, as the extent tree has them."""
    dump = subprocess.Popen(
        ("btrfs", "inspect-internal", "dump-tree", "--noscan", "-t", "extent", device),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert dump.stdout is not None
    with dump.stdout as lines:
        count = sum(line.startswith("\t\trefs ") and "flags DATA" in line for line in lines)
    dump.wait()
    return count


def compared(at: Path, state: Path) -> tuple[dict[str, Any], dict[str, Run]]:
    """Facts of the filesystem, and each tool's run."""
    child = (sys.executable, "-m", "tests.bench.btrfs_walk", "--child", str(at), str(state))
    runs = {"ullage, exact walk": measured(*child)}
    facts: dict[str, Any] = json.loads(runs["ullage, exact walk"].output)
    runs["ullage, again, nothing changed"] = measured(*child)
    again = json.loads(runs["ullage, again, nothing changed"].output)
    assert again["age_s"] > 0
    facts["again_s"] = again["took_s"]
    assert (facts["method"], facts["residuals"], facts["drifts"]) == ("device trees", [0, 0], [0, 0]), facts
    subvolumes = sorted(path for path in at.iterdir() if path.is_dir())
    runs["btrfs filesystem du -s"] = measured("btrfs", "filesystem", "du", "-s", *map(str, subvolumes))
    runs["compsize"] = measured("compsize", str(at))
    return facts, runs


def told(facts: dict[str, Any], runs: dict[str, Run], extent_count: int) -> str:
    """The table, in Markdown."""
    walk = runs["ullage, exact walk"]
    blocks = facts["metadata_bytes"] // facts["node_bytes"]
    lines = [
        "# Exact walk of btrfs, side by side",
        "",
        f"{platform.release().split('-')[0]}, {os.cpu_count()} CPUs, one loop device. "
        f"{facts['subvolumes']} subvolumes, {extent_count:,} data extents, "
        f"{facts['metadata_bytes'] // MIB:,} MiB of tree blocks ({blocks:,}). "
        f"The walk read {facts['blocks_read']:,} blocks, {facts['blocks_read'] / blocks:.2f} for each there is; "
        f"residual and drift 0 bytes; {facts['rows']:,} rows. Load of the machine: {os.getloadavg()[0]:.1f}.",
        "",
        "| what | wall s | CPU s | peak MiB | × wall | × CPU |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, run in runs.items():
        lines.append(
            f"| {name} | {run.wall_s:.2f} | {run.cpu_s:.2f} | {run.peak_mib} "
            f"| {run.wall_s / walk.wall_s:.1f} | {run.cpu_s / walk.cpu_s:.1f} |"
        )
    told_s = f"the answer itself took {facts['took_s']:.2f} s, and {facts['again_s']:.3f} s when nothing had changed"
    return "\n".join([*lines, "", f"Every run is a fresh process, its imports included; {told_s}.", ""])


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--child", nargs=2, type=Path)
    asked.add_argument("--bare", nargs=2, type=Path)
    asked.add_argument("--files", type=int, default=150_000)
    asked.add_argument("--depth", type=int, default=26)
    found = asked.parse_args()
    if found.child:
        ours(*found.child)
        return
    if found.bare:
        bare(*found.bare)
        return
    with tempfile.TemporaryDirectory(prefix="ullage-bench-") as folder:
        base = Path(folder)
        image, at = base / "disk.img", base / "mnt"
        btrfs_filesystem.mounted(image, at, 24)
        try:
            btrfs_filesystem.filled(at, files=found.files, depth=found.depth)
            facts, runs = compared(at, base / "state")
            source = btrfs_filesystem.run("findmnt", "-no", "SOURCE", str(at)).split("[")[0].strip()
            text = told(facts, runs, extents(source)) + "\n" + looked(looks(at, base, source))
        finally:
            btrfs_filesystem.unmounted(image, at)
    (HERE / "btrfs_walk.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
