"""Which layer directories are mounted right now, in any mount namespace of the host.

dockerd often has a mount namespace of its own, so each namespace that some process lives in is read once. Matching is
by neighbouring components (`overlay2/<id>`, `snapshots/24`, `l/<link>`), whatever the prefix: the same tree has
another path inside a container, and taking too much for live is the safe side. Refuses to answer from inside a
container that sees only its own processes: the engine's mounts are not among theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from collectors.model.reading import Why
from collectors.system.deadline import Declined

_OPTIONS = (b"lowerdir", b"upperdir", b"workdir", b"datadir", b"subvol")
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, a constant of the kernel
_ENGINES = ("dockerd", "containerd", "podman", "conmon")

Pair = tuple[str, str]


def live(proc: Path, folders: frozenset[str]) -> frozenset[Pair]:
    """(folder, name) for each name below one of `folders` in a mounted root, a mount point or an overlay's layers.

    Declined when the processes of the host are not to be seen; OSError when `proc` cannot be listed.
    """
    processes = sorted((path for path in proc.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    if not _sees_the_engine(proc, processes):
        raise Declined(Why.NOT_REACHABLE, f"{proc} shows the processes of a container, not the host's")
    pairs: set[Pair] = set()
    namespaces: set[str] = set()
    tables: set[bytes] = set()
    for process in processes:
        namespace = _link(process / "ns" / "mnt")
        if namespace in namespaces:
            continue
        try:
            table = (process / "mountinfo").read_bytes()
        except OSError:  # ended meanwhile, or a zombie
            continue
        if namespace is not None:
            namespaces.add(namespace)
        if table not in tables:
            tables.add(table)
            pairs.update(_named(table, folders))
    if not tables:
        raise Declined(Why.NOT_PERMITTED, f"the mounts of no process under {proc} can be read")
    return frozenset(pairs)


def bound(proc: Path, folders: frozenset[str]) -> frozenset[Pair]:
    """As `live`, from this process's own table: of a container into which the engine has just bound the Docker root.

    An engine binds recursively, so everything that is mounted below the root where the engine itself mounts is here.
    Graph drivers mount nowhere else; containerd's snapshotters do. OSError when the table cannot be read.
    """
    return frozenset(_named((proc / "self" / "mountinfo").read_bytes(), folders))


def _named(table: bytes, folders: frozenset[str]) -> Iterator[Pair]:
    needles = tuple(f"{folder}/".encode() for folder in folders)
    for line in table.splitlines():
        if any(needle in line for needle in needles):
            yield from (pair for path in _paths(line) for pair in _pairs(path) if pair[0] in folders)


def _sees_the_engine(proc: Path, processes: list[Path]) -> bool:
    """Is this the first PID namespace, or one (a system container's) that an engine lives in?"""
    namespace = _link(proc / "self" / "ns" / "pid") or _link(proc / "1" / "ns" / "pid")
    return namespace in (None, _FIRST_PID_NAMESPACE) or any(_name(process) in _ENGINES for process in processes)


def _link(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def _paths(line: bytes) -> Iterator[bytes]:
    """Root, mount point and the overlay's directories of one line; see proc_pid_mountinfo(5)."""
    left, separator, right = line.partition(b" - ")
    fields = left.split(b" ")
    if not separator or len(fields) < 5:
        return
    yield fields[3]
    yield fields[4]
    for option in right.split(b" ")[-1].split(b","):
        name, _, value = option.partition(b"=")
        if name.rstrip(b"+") in _OPTIONS:
            yield from value.split(b":")


def _pairs(path: bytes) -> Iterator[Pair]:
    plain = _ESCAPED.sub(lambda octal: bytes([int(octal[1], 8) & 0xFF]), path)
    parts = [part for part in plain.decode("utf-8", "surrogateescape").split("/") if part]
    return pairwise(parts)
