"""Bytes, measured with `du` and `compsize`: other people's programs, so that the truth owes nothing to the product.

On btrfs `du` counts what snapshots share again and again; there `compsize` counts each extent of a set of paths once,
and a category is charged what the set grows by when its paths are added. Refuses to guess at what either cannot see.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lab.commands import CommandFailed, run

_TOTAL = re.compile(r"^TOTAL\s+\S+\s+(\d+)\s+(\d+)\s+(\d+)", re.MULTILINE)


def flush(mount: Path) -> None:
    """Write everything back, so that delayed allocation has happened and blocks are final."""
    run("sync", "--file-system", mount)


def cleaned(mount: Path, held: Iterable[str] = ()) -> None:
    """btrfs: wait until no deleted subvolume is left but those that a process holds (their ids).

    Commits first: before that a deletion is not even listed, and the cleaner would not begin for 30 s.
    """
    run("btrfs", "filesystem", "sync", mount)
    lines = run("btrfs", "subvolume", "list", "-d", mount).splitlines()
    leaving = {line.split()[1] for line in lines} - set(held)
    if leaving:
        run("btrfs", "subvolume", "sync", mount, *sorted(leaving), timeout_s=120)
    # What the cleaner let go counts as free only after the next commit, also if it was quicker than this function.
    run("btrfs", "filesystem", "sync", mount)


@contextmanager
def laid_bare(mount: Path, base: Path) -> Iterator[Path]:
    """The filesystem at a place where nothing is mounted over it, so that what lies under mount points shows too."""
    bare = base / "bare"
    bare.mkdir(exist_ok=True)
    run("mount", "--bind", mount, bare)
    try:
        run("mount", "--make-private", bare)
        yield bare
    finally:
        run("umount", bare)


def used_bytes(mount: Path) -> int:
    """statfs: all blocks less the free ones, reserved blocks counted as free."""
    figures = os.statvfs(mount)
    return (figures.f_blocks - figures.f_bfree) * figures.f_frsize


def du_bytes(paths: Iterable[Path]) -> int:
    """Allocated bytes (st_blocks) of these trees together: hard links once, no other filesystem or subvolume."""
    listed = [str(path) for path in paths if path.exists()]
    if not listed:
        return 0
    lines = run("du", "--summarize", "--one-file-system", "--block-size=1", "--total", "--", *listed).splitlines()
    return int(lines[-1].split("\t")[0])


def compsize_bytes(paths: Sequence[Path]) -> int:
    """btrfs: bytes on disk of the distinct data extents of these trees, subvolumes below them left out."""
    listed = [str(path) for path in paths if path.exists()]
    if not listed:
        return 0
    try:
        found = _TOTAL.search(run("compsize", "--bytes", "--one-file-system", *listed))
    except CommandFailed as failure:
        # Its way to say 0; it says the same about data not yet written back, which would be a false 0.
        if ("No files" in failure.stderr or "All empty" in failure.stderr) and du_bytes(paths) == 0:
            return 0
        raise
    return 0 if found is None else int(found.group(1))


def allocated_bytes(fs: str, paths: Sequence[Path]) -> int:
    """What these trees take together: distinct extents on btrfs, st_blocks elsewhere."""
    return compsize_bytes(paths) if fs == "btrfs" else du_bytes(paths)


def apparent_bytes(paths: Iterable[Path]) -> int:
    """The lengths (st_size) of the regular files of these trees: hard links once, no other filesystem or subvolume."""
    seen = set[tuple[int, int]]()
    total = 0
    for path in paths:
        if not path.exists():
            continue
        device = path.lstat().st_dev
        stack = [path]
        while stack:
            entry = stack.pop()
            figures = entry.lstat()
            if figures.st_dev != device:
                continue
            if entry.is_dir() and not entry.is_symlink():
                stack.extend(entry.iterdir())
            elif entry.is_file() and not entry.is_symlink() and (figures.st_dev, figures.st_ino) not in seen:
                seen.add((figures.st_dev, figures.st_ino))
                total += figures.st_size
    return total
