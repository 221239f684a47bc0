"""Proof of orphanhood: a directory that was listed before and after its possible owners were read, and that none
names.

Pure. Refuses the verdict "orphan" while one witness is unread, within the grace period, for a name that no engine
gives, and for anything that is mounted or that a known layer stands on. A caller confirms by a second run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from collectors.drivers.ask import Source
from collectors.drivers.base import StorageDriver
from collectors.drivers.layerdb import Write
from collectors.drivers.listing import Entry
from collectors.drivers.livemounts import Pair
from collectors.model.ids import UnitId
from collectors.model.store import Orphanhood, OrphanProof

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
        return Orphanhood.UNKNOWN, "not a name that the engine gives: somebody else put it there"
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
