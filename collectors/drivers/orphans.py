"""Proof of orphanhood: a directory that was listed before and after its possible owners were read, and that none names.

Refuses the verdict "orphan" while one witness is unread, within the grace period, for a name that no engine gives, and
for anything that is mounted or that a known layer stands on. A caller confirms by a second run.

dockerd often has a mount namespace of its own, so each namespace that some process lives in is read once. Matching is
by neighbouring components (`overlay2/<id>`, `snapshots/24`, `l/<link>`), whatever the prefix: the same tree has
another path inside a container, and taking too much for live is the safe side. Refuses to answer from inside a
container that sees only its own processes: the engine's mounts are not among theirs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from collectors.drivers.base import StorageDriver
from collectors.drivers.layerdb import Write
from collectors.drivers.listing import Entry, Source
from collectors.model import UnitId, dataclass
from collectors.model.reading import Why
from collectors.model.store import Orphanhood, OrphanProof
from collectors.system.deadline import Declined, process_numbers, processes_named

_OPTIONS = (b"lowerdir", b"upperdir", b"workdir", b"datadir", b"subvol")
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, a constant of the kernel
_ENGINES = ("dockerd", "containerd", "podman", "conmon")

Pair = tuple[str, str]


def live(proc: Path, folders: frozenset[str]) -> frozenset[Pair]:
    """(folder, name) for each name below one of `folders` in a mounted root, a mount point or an overlay's layers.

    Declined when the processes of the host are not to be seen; OSError when `proc` cannot be listed.
    """
    processes = process_numbers(proc)
    if not _sees_the_engine(proc):
        raise Declined(Why.NOT_REACHABLE, f"{proc} shows the processes of a container, not the host's")
    pairs: set[Pair] = set()
    namespaces: set[str] = set()
    tables: set[bytes] = set()
    for process in processes:
        namespace = _link(f"{proc}/{process}/ns/mnt")
        if namespace in namespaces:
            continue
        try:
            table = (proc / str(process) / "mountinfo").read_bytes()
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


def _sees_the_engine(proc: Path) -> bool:
    """Is this the first PID namespace, or one (a system container's) that an engine lives in?"""
    namespace = _link(f"{proc}/self/ns/pid") or _link(f"{proc}/1/ns/pid")
    return namespace in (None, _FIRST_PID_NAMESPACE) or any(processes_named(proc, _ENGINES))


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115 - asked of every process
    except OSError:
        return None


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


NOT_ITS_NAME = "not a name that the engine gives: somebody else put it there"
# A directory is made moments before the record of its write begins: how many, on a busy disk.
_SLACK_S = 2.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for or against every candidate."""

    sources: tuple[Source, ...]  # every witness, the listings and the live mounts included
    mounted: frozenset[Pair]
    stood_on: Mapping[str, str]  # directory → a known one that is stacked on it
    known_names: Collection[str]  # every directory that a database names
    database_born_s: float | None  # when the main database came into being
    listed_before: Collection[str]  # keys of the first listing
    writes: tuple[Write, ...]
    now_s: float  # seconds since the epoch
    grace_s: float


def prove(candidates: Iterable[Entry], driver: StorageDriver, evidence: Evidence) -> tuple[OrphanProof, ...]:
    """One proof for each candidate: a directory of the second listing that no database names."""
    checked = tuple(source.name for source in evidence.sources if source.problem is None)
    unread = tuple(f"{source.name}: {source.problem}" for source in evidence.sources if source.problem is not None)
    proofs: list[OrphanProof] = []
    for one in candidates:
        age_s = evidence.now_s - one.since_s if one.since_s is not None else None
        verdict, note = _verdict(one, driver, evidence, age_s, bool(unread))
        proofs.append(OrphanProof(UnitId(one.path), verdict, checked, unread, age_s, note))
    return tuple(proofs)


def _verdict(
    one: Entry, driver: StorageDriver, evidence: Evidence, age_s: float | None, unread: bool
) -> tuple[Orphanhood, str]:
    folder, _, name = one.path.rpartition("/")
    if unread:
        return Orphanhood.UNKNOWN, "a source that may name its owner could not be read"
    if (folder.rpartition("/")[2], name) in evidence.mounted:
        return Orphanhood.UNKNOWN, "no database lists it, but it is mounted now"
    if one.key in evidence.stood_on:
        return Orphanhood.UNKNOWN, f"no database lists it, but {evidence.stood_on[one.key]} is stacked on it"
    if not driver.layer_name.fullmatch(name):
        return Orphanhood.UNKNOWN, NOT_ITS_NAME
    if name.endswith("-init") and name.removesuffix("-init") in evidence.known_names:
        return Orphanhood.UNKNOWN, "its container is known"
    if one.since_s is None or age_s is None:
        return Orphanhood.UNKNOWN, "the filesystem does not tell how old it is"
    if not evidence.known_names and (evidence.database_born_s is None or one.since_s < evidence.database_born_s):
        return (
            Orphanhood.UNKNOWN,
            "the database lists no layer at all, and is newer than this one: it may be a new database",
        )
    if one.key not in evidence.listed_before:
        return Orphanhood.YOUNG, "it appeared while the owners were being read"
    if age_s < evidence.grace_s:
        return Orphanhood.YOUNG, f"younger than the grace period of {evidence.grace_s:.0f} s"
    if driver.collects_unknown:
        return (
            Orphanhood.ORPHAN,
            "nothing refers to it; containerd's own garbage collector removes it when it runs next",
        )
    written = _written_during(one.since_s, evidence)
    if written is None:
        return Orphanhood.ORPHAN, "nothing refers to it"
    if evidence.now_s - written.touched_s < evidence.grace_s:
        return Orphanhood.YOUNG, f"it may be the layer that {written.name} is registering"
    return Orphanhood.ORPHAN, f"nothing refers to it; it was created during the interrupted write {written.name}"


def _written_during(since_s: float, evidence: Evidence) -> Write | None:
    """The write (the one touched last, where several fit) during which something came into being."""
    fitting = [
        write
        for write in evidence.writes
        if write.began_s is not None and write.began_s - _SLACK_S <= since_s <= write.touched_s
    ]
    return max(fitting, key=lambda write: write.touched_s, default=None)
