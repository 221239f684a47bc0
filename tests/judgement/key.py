"""The right answer for a made-up host, from what was put there: who may be named first, and which harms a plan takes.

Worked out from DESIGN's laws by hand; nothing of the program is asked. Where sharing leaves it open how much a thing
weighs, or a walk that was cut short leaves its end open, every answer that the truth allows is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.judgement.host import MIB, Host, Kind, Thing
from tests.judgement.reading import either, word

# Logs below this may stay whole: `docker logs --tail` is worth more (the default of the configuration).
SMALL_LOG_BYTES = 256 * MIB
_ONE_MEMBER = 0.6


@dataclass(frozen=True, slots=True)
class Class:
    """A word for many things: how it may stand in a sentence, and the kinds that it may mean."""

    word: str
    pattern: str
    kinds: frozenset[Kind]

    def __post_init__(self) -> None:
        # A part of a path is no class.
        object.__setattr__(self, "pattern", rf"(?<![/.\w-])(?:{self.pattern})(?![/.\w-]\w)")

    def of(self, host: Host) -> tuple[Thing, ...]:
        """Its members."""
        return tuple(thing for thing in host.things if thing.kind in self.kinds)


CLASSES = (
    Class("dangling images", r"\bdangling images\b", frozenset({Kind.DANGLING})),
    Class("images", r"(?<!dangling )\bimages\b", frozenset({Kind.IMAGE, Kind.DANGLING})),
    Class("build cache", r"\bbuild cache\b(?! record| of)|\bcache records\b", frozenset({Kind.CACHE})),
    Class("logs", r"\blogs\b", frozenset({Kind.LOG})),
    Class("volumes", r"\bvolumes\b", frozenset({Kind.VOLUME})),
    Class("orphaned layers", r"\b(?:orphan(?:ed)?|unreferenced) layers\b|\borphans\b", frozenset({Kind.ORPHAN})),
    Class("stopped containers", r"\bstopped containers\b", frozenset({Kind.STOPPED})),
    Class(
        "containers",
        r"(?<!stopped )\bcontainers\b(?!' logs)|\b(?:container|writable) layers\b",
        frozenset({Kind.RUNNING, Kind.STOPPED}),
    ),
    Class("files outside Docker", r"\bfiles outside Docker\b", frozenset({Kind.DIRECTORY})),
    Class("deleted files", r"\bdeleted files\b", frozenset({Kind.OPEN})),
    Class("snapshots", r"(?<!\.)\bsnapshots\b", frozenset({Kind.SNAPSHOT})),
    Class("what was not read", r"\bunattributed use\b|\bnot read\b", frozenset()),
    Class(
        "temporary files",
        r"\b(?:temporary|unfinished) files\b|\bdownloads\b|\bother Docker files\b",
        frozenset({Kind.DOWNLOAD}),
    ),
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A thing or a class that may be named, with the bounds of its weight in what is short."""

    name: str
    members: tuple[Thing, ...]
    least: int
    most: int

    @property
    def is_class(self) -> bool:
        return len(self.members) > 1


@dataclass(frozen=True, slots=True)
class Way:
    """The harms of the least harmful way to a target, in order, and whether it leads there."""

    harms: tuple[int, ...]
    reaches: bool

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.harms)) or 'none'} {'reaches' if self.reaches else 'falls short'}"


@dataclass(frozen=True, slots=True)
class Answer:
    """`ways`: the harms that a plan to the target may take, in their order, and whether they lead there."""

    right: frozenset[str]
    acceptable: frozenset[str]
    ways: tuple[Way, ...]


def labels(host: Host, sentence: str) -> Mapping[str, str]:
    """Patterns of everything that may be named: things by name, classes by their word.

    Without things of whose name not even the end stands in the sentence: to look for each of thousands takes its time.
    """
    things = {thing.name: label(thing) for thing in host.things if any(end in sentence for end in _ends(thing))}
    return things | {one.word: one.pattern for one in CLASSES}


def _ends(thing: Thing) -> tuple[str, ...]:
    """What stands in a sentence that names the thing, whatever else does."""
    return (thing.name[-3:], thing.name[:12], (thing.used_by if thing.kind is Kind.LOG else thing.key)[-3:])


def label(thing: Thing) -> str:
    """How the thing may stand in a sentence."""
    if thing.kind is Kind.LOG:
        name = re.escape(thing.used_by)
        return rf"(?<![\w/-]){name}(?:'s)? (?:container )?logs?\b|\blogs? of (?:container )?{name}(?![\w-])"
    if thing.kind in (Kind.RUNNING, Kind.STOPPED):
        before, after = r"(?<!log of )(?<!logs of )(?<!log of container )", r"(?!(?:'s)? (?:container )?log)"
        return rf"{before}(?:{word(thing.name)}){after}"
    if thing.kind is Kind.ORPHAN:
        return either((rf"\b{thing.name[:12]}", word(thing.name)))
    if thing.kind in (Kind.OPEN, Kind.DOWNLOAD):
        return either((word(thing.name), word(thing.key)))
    if thing.kind is Kind.SNAPSHOT:
        return either((word(thing.name), rf"\bsnapshot {thing.name.rpartition('/')[2]}\b"))
    return word(thing.name)


def holders(host: Host) -> tuple[Holder, ...]:
    """Everything that may be named: each thing, and the classes of which no member holds 60 %; heaviest first."""
    found = [Holder(thing.name, (thing,), host.least(thing), host.most(thing)) for thing in host.things]
    for one in CLASSES:
        members = one.of(host)
        if len(members) > 1 and not dominated(host, members):
            found.append(Holder(one.word, members, *_together(host, members)))
    return tuple(sorted(found, key=lambda one: -one.most))


def dominated(host: Host, members: Iterable[Thing]) -> bool:
    """Does one of them hold 60 % of what all hold, however shared bytes are counted?"""
    together = tuple(members)
    least, most = _together(host, together)
    top = max(together, key=host.least)
    return host.least(top) >= _ONE_MEMBER * most or (least > 0 and host.least(top) > 0.999 * most)


def _together(host: Host, members: tuple[Thing, ...]) -> tuple[int, int]:
    """Bounds of what they hold as a set."""
    names = {thing.name for thing in members}
    least = sum(host.least(thing) for thing in members)
    if host.short_of_inodes:
        return least, least
    inside = sum(one.bytes for one in host.shared if one.names <= names)
    beside = sum(one.bytes for one in host.shared if one.names & names and not one.names <= names)
    unread = host.unread_bytes + host.stray_bytes if any(thing.read_share < 1 for thing in members) else 0
    return least + inside, least + inside + beside + unread


def answer(host: Host) -> Answer:
    """The key of one host."""
    found = holders(host)
    heaviest = max(one.least for one in found)
    single = max(one.least for one in found if not one.is_class)
    right = {one.name for one in found if one.most >= 0.95 * heaviest}
    by_name = 4 * single >= heaviest  # of many small ones the class says more than any of their names
    right |= {one.name for one in found if by_name and not one.is_class and one.most >= 0.95 * single}
    right |= {thing.name for thing in host.things if thing.grows_bytes_per_day}
    acceptable = {one.name for one in found if 2 * one.most >= heaviest}
    acceptable |= {one.name for one in found if by_name and not one.is_class and 2 * one.most >= single}
    if 2 * (host.unread_bytes + host.stray_bytes) >= heaviest:
        acceptable.add("what was not read")
    # Of what was not read it may go by the engine's word or leave it out.
    ways: tuple[Way, ...] = (way(host), way(host.whole)) if host.cut else (way(host),)
    if host.target_is_of_inodes:  # a log that is cut gives none back, and may stand among what is milder than the last
        ways = tuple(Way(tuple(sorted({*one.harms, *extra})), one.reaches) for one in ways for extra in ((), (2,)))
    return Answer(frozenset(right), frozenset(acceptable - right), ways)


def removable(host: Host, harm: int) -> tuple[Thing, ...]:
    """What can go at no more harm than this. Small logs are left whole by a rule of the configuration."""
    return tuple(
        thing
        for thing in host.things
        if (least := host.harm(thing)) is not None
        and least <= harm
        and not (thing.kind is Kind.LOG and thing.read_bytes < SMALL_LOG_BYTES)
    )


def freed_by(host: Host, harm: int) -> int:
    """What everything up to a harm frees together."""
    return host.freed(thing.owner for thing in removable(host, harm) if thing.owner is not None)


def way(host: Host) -> Way:
    """Every harm below the last is taken whole, as far as it frees anything."""
    if host.needed <= 0:
        return Way((), True)
    freed = [freed_by(host, harm) for harm in range(4)]
    last = next((harm for harm in range(4) if freed[harm] >= host.needed), 3)
    taken = tuple(harm for harm in range(last + 1) if freed[harm] > (freed[harm - 1] if harm else 0))
    return Way(taken, freed[last] >= host.needed)
