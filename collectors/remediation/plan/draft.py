"""A remedy before its bytes are known: what it would remove, at what risk, and what has to go first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from collectors.model.owner import Owner
from collectors.model.plan import Risk
from collectors.model.reading import Size


class Rank(IntEnum):
    """The order of a plan, safest first. Why each stands where it stands: `order.py`."""

    CLEANER = 0
    BALANCE = 1
    BUILD_CACHE = 2
    CACHE_MOUNTS = 3
    TEMPORARY = 4
    DANGLING = 5
    CONTAINER = 6
    IMAGE = 7
    SHARED_CACHE = 8
    UNAGED_IMAGE = 9
    REWRITE = 10
    ORPHANS = 11
    INTERRUPTED = 12
    LOG = 13
    HOST = 14
    BUILDER = 15
    HOLDER = 16
    LARGE_CONTAINER = 17
    ANONYMOUS_VOLUME = 18
    NAMED_VOLUME = 19
    SNAPSHOT = 20
    FORMER_DRIVER = 21


@dataclass(frozen=True, slots=True)
class Draft:
    """`claimed` is what the engine says its targets hold, for where nothing was measured; None: it says nothing.

    `requires` are steps without which this one cannot work. `trim` marks a group from which targets that free nothing
    are taken out again; it maps a target to the targets that have to go before it, as `requires_for` maps it to the
    steps that have to. `frees_elsewhere` marks a remedy whose point is not bytes of statfs `used` (a balance), so that
    freeing none is no reason to leave it out.
    """

    id: str
    action: str
    title: str
    command: str
    targets: tuple[Owner, ...]
    rank: Rank
    within: tuple[float | str, ...]  # order inside the rank, smallest first
    risk: Risk
    needs: str
    costs: str
    undo: str
    automatic: bool
    requires: frozenset[str] = frozenset()
    claimed: Size | None = None
    estimate: Size | None = None  # for a remedy that removes no owner: what it may free
    trim: Mapping[Owner, frozenset[Owner]] | None = None
    requires_for: Mapping[Owner, frozenset[str]] | None = None
    command_for: Callable[[tuple[Owner, ...]], str] | None = None  # the command after targets were taken out
    frees_elsewhere: bool = False
    rules: tuple[str, ...] = ()  # findings that ask for it without naming a target


@dataclass(frozen=True, slots=True)
class Found:
    """What one kind of thing offers, and one sentence for each remedy that it does not.

    `answered` are the findings that one of the sentences is about.
    """

    drafts: tuple[Draft, ...] = ()
    left_out: tuple[str, ...] = ()
    answered: frozenset[str] = frozenset()
