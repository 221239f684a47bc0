"""What is wrong and what would help: findings and severities; steps in order of harm, and where they lead.

What only a person can decide stands apart. The holders that a verdict names are here too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import IntEnum, StrEnum

from collectors.model import Owner, dataclass
from collectors.model.ledger import Category
from collectors.model.reading import Between, Size

CALM = "no action needed"  # a clause of the verdict where nothing presses


class Severity(IntEnum):
    """Ordered: the larger, the worse."""

    OK = 0
    P4 = 1  # for information
    P3 = 2  # worth knowing
    P2 = 3  # warning
    P1 = 4  # critical
    P0 = 5  # critical, now


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a stable identifier in kebab case; `claim` one line that names the thing, without its size.

    Claims, remedies and evidence may hold foreign strings as they are: whoever shows them escapes them.
    """

    rule: str
    severity: Severity
    claim: str
    bytes: Size | None  # None: the finding is not about a number of bytes
    evidence: tuple[tuple[str, Size | str], ...]  # (label, figure or raw text)
    remedy: str  # what to do, one line
    owners: tuple[Owner, ...]  # what the remedy would remove
    certain: bool  # False: could not be told for sure; the remedy must not act on it
    category: Category | None = None  # where its bytes are charged; None: it is not about one, or from an old recording
    mount: str = ""  # of which filesystem, by its mountpoint; "": of the Docker root's, or of the engine as a whole
    subject: str = ""  # which one, where a rule can find several side by side: a repository, a device

    @property
    def id(self) -> str:
        """What a plan's steps refer to, the same in every run: `disk-full`, `churn:shop/app`, `disk-full@/srv/data`."""
        return self.rule + (f":{self.subject}" if self.subject else "") + (f"@{self.mount}" if self.mount else "")


class Resource(StrEnum):
    """What a filesystem can be short of."""

    BYTES = "bytes"
    INODES = "inodes"
    CHUNKS = "chunks"  # of a btrfs, for its metadata: none can be allocated any more


@dataclass(frozen=True, slots=True)
class Holder:
    """A thing that holds bytes, or a class of such things: then `members` are they, the largest first.

    `bytes` and `inodes` are those of its category that nobody else of it holds; what several members share is in the
    class alone. `name` reads well after "700 MiB in"; foreign text in `name`, `path` and `note` is not yet escaped.
    """

    owner: Owner | None  # None: a class, or bytes that nobody owns
    category: Category
    name: str
    path: str  # where it lies, as this process can open it; "" where it has no path of its own
    note: str  # what a person has to know of it: "no size limit", "in use by db-1"; "" for nothing
    bytes: Size
    inodes: Size
    growth_bytes_per_day: int | None  # None: not known, or not for certain
    members: tuple[Holder, ...]

    def weight(self, resource: Resource) -> Size:
        """How much of `resource` it holds. In a ranking by chunks `bytes` are those of metadata."""
        return self.inodes if resource is Resource.INODES else self.bytes


@dataclass(frozen=True, slots=True)
class Ranking:
    """The holders of one filesystem by what it is short of, the largest first; no class stands beside its own members.

    `classes`: the same, a class a category with all its members. `certain`: no other can be larger than the first one,
    whatever was not read. `growing` causes most of the growth of what is used, by the journal; it may be the first
    holder itself. `used`: how much of the resource is used in all.
    """

    resource: Resource
    holders: tuple[Holder, ...]
    classes: tuple[Holder, ...]
    certain: bool
    growing: Holder | None
    used: Size

    @property
    def first(self) -> Holder | None:
        """The holder to act on: the one that causes the growth, else the largest; None where nothing holds anything."""
        return self.growing or next(iter(self.holders), None)


class Risk(StrEnum):
    SAFE = "safe"  # can be made again by itself
    CAREFUL = "careful"  # can be made again by somebody
    DESTRUCTIVE = "destructive"  # cannot be made again

    @property
    def rank(self) -> int:
        """0 safe, 1 careful, 2 destructive."""
        return _RANKS[self]


_RANKS = {risk: rank for rank, risk in enumerate(Risk)}


class Harm(IntEnum):
    """What a remedy costs at worst. Ordered: the larger, the worse."""

    NONE = 0  # comes back by itself
    TIME = 1  # built, pulled or downloaded again
    HISTORY = 2  # logs, core dumps: what happened can no longer be looked into
    STATE = 3  # may be the only one of its kind
    DATA = 4  # somebody's data, or the work of a process

    @property
    def word(self) -> str:
        """As every face writes it: `none`, `time`, `history`, `state`, `data`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Step:
    """One remedy. `targets` are the owners it removes; empty for a step that removes nothing (wait, balance)."""

    id: str  # unique within the plan
    action: str  # stable verb: build-cache.prune, image.remove, container.remove, btrfs.balance …
    title: str
    command: str  # what a person could type
    targets: tuple[Owner, ...]
    frees: Size  # on this filesystem, by this step after the steps before it
    risk: Risk
    harm: Harm  # at worst, of this step and of what has to go with it
    needs: str  # precondition, "" for none
    costs: str  # what it will cost afterwards: rebuild, re-pull, lost logs
    undo: str
    rule: str  # the finding that asks for it
    automatic: bool  # may --apply run it at its tier? volumes and orphans with doubt: never
    cause: str = ""  # id of the cause that proposed it, and that knows how it is done; "" in older recordings
    frees_inodes: int | None = None  # as `frees`; None: not counted (no fixed number, an estimate, an older recording)
    young_s: float = 0.0  # how long until everything that it removes has the age that the keep rules ask for; 0: it has
    answers: tuple[str, ...] = ()  # ids of the findings that it helps against; () in older recordings

    @property
    def unasked(self) -> bool:
        """Is it chosen by default, and may --apply run it without a person who names it?"""
        return self.automatic and not self.young_s


@dataclass(frozen=True, slots=True)
class Unlock:
    """Bytes and inodes that come free once all of these steps are done."""

    steps: frozenset[str]
    bytes: int
    inodes: int | None = None  # None: not counted (no fixed number on this filesystem, or an older recording)


@dataclass(frozen=True, slots=True)
class HarmTotal:
    """All steps of a plan that cost this much at worst, and what is free once they and all milder ones are done.

    Estimates count by the least that they may be; `likely` is what their best guesses add to that.
    """

    harm: Harm
    steps: tuple[Step, ...]
    frees_bytes: int  # by these, after the milder ones
    so_far_bytes: int  # by these and the milder ones together
    likely_bytes: int
    likely_so_far_bytes: int


@dataclass(frozen=True, slots=True)
class PlanTarget:
    """Where a plan that was made for a target leads. Nothing short: it is reached.

    Of bytes, where these are above the target; else, where these are, of inodes. Estimates count by the least that they
    may be, so that what is reached is certain.
    """

    percent: float
    to_free_bytes: int  # from what is used now; 0: it is reached without any step
    leads_to_percent: int
    short_bytes: int
    exact: bool  # every choice among the steps of the worst harm was compared; False: there are too many of them
    closes: tuple[str, ...]  # ids of steps for a person that would close what is short; () where none do, or none need
    inodes: bool = False  # leads_to_percent is of inodes
    to_free_inodes: int = 0
    short_inodes: int = 0
    likely_percent: int | None = None  # where it leads if estimates hold; None: nothing on the way is an estimate

    @property
    def likely_reached(self) -> bool:
        """Is it reached if estimates hold, and not for certain?"""
        return bool(self.short_bytes) and self.likely_percent is not None and self.likely_percent <= self.percent


@dataclass(frozen=True, slots=True)
class Plan:
    """`steps` by harm, mildest first. What destroys data stands in `for_person`, largest first, never among the steps.

    Each step frees its bytes after the steps before it; each step for a person alone, after all `steps`.
    """

    steps: tuple[Step, ...]
    unlocks: tuple[Unlock, ...]
    left_out: tuple[str, ...]  # one sentence for each remedy that would free nothing or cannot work, with the reason
    mount: str = ""  # on which filesystem it frees, by its mountpoint; "": on the Docker root's
    for_person: tuple[Step, ...] = ()
    target: PlanTarget | None = None  # None: it was made for no target, or how full the disk is is not known
    answers: Mapping[str, str] = field(default_factory=dict)  # id of a finding without a step → the sentence why

    @property
    def ids(self) -> frozenset[str]:
        """Those of all steps, without what is for a person."""
        return frozenset(step.id for step in self.steps)

    @property
    def every_step(self) -> tuple[Step, ...]:
        """The steps, then those for a person: in this order they can be carried out."""
        return (*self.steps, *self.for_person)

    def frees_bytes(self, chosen: frozenset[str]) -> int:
        """What this set of steps frees together for certain: to the byte what is measured, estimates by their least."""
        measured = sum(unlock.bytes for unlock in self.unlocks if unlock.steps <= chosen)
        return measured + sum(estimate.low for estimate in self._estimates(chosen))

    def likely_bytes(self, chosen: frozenset[str]) -> int:
        """What the best guesses of its estimates add to that; 0 where there is none."""
        return sum(estimate.best - estimate.low for estimate in self._estimates(chosen))

    def _estimates(self, chosen: frozenset[str]) -> Iterator[Between]:
        return (step.frees for step in self.every_step if step.id in chosen and isinstance(step.frees, Between))

    def harms(self) -> tuple[HarmTotal, ...]:
        """A subtotal for each harm that there are steps of, mildest first; none is for a person."""
        found, so_far, likely_so_far, done = [], 0, 0, frozenset[str]()
        for harm in sorted({step.harm for step in self.steps}):
            mine = tuple(step for step in self.steps if step.harm is harm)
            done |= {step.id for step in mine}
            together, likely = self.frees_bytes(done), self.likely_bytes(done)
            found.append(HarmTotal(harm, mine, together - so_far, together, likely - likely_so_far, likely))
            so_far, likely_so_far = together, likely
        return tuple(found)

    def later_bytes(self) -> Mapping[str, int]:
        """What each step frees only together with a step after it, as far as it is measured; 0 for none.

        Of a step for a person: what it frees only together with others of these.
        """
        place = {step.id: number for number, step in enumerate(self.steps)}
        persons = frozenset(step.id for step in self.for_person)
        found: Counter[str] = Counter()
        for unlock in self.unlocks:
            if len(unlock.steps) > 1 and unlock.steps <= place.keys():
                last = max(unlock.steps, key=place.__getitem__)
                found.update(dict.fromkeys(unlock.steps - {last}, unlock.bytes))
            elif len(together := unlock.steps & persons) > 1:
                found.update(dict.fromkeys(together, unlock.bytes))
        return found


@dataclass(frozen=True, slots=True)
class MarkedSet:
    """What it would be if exactly these things went, whatever they are and whether or not they can."""

    things: frozenset[Owner]
    frees: Size  # all of them together: a set, not a sum
    plan: Plan  # the steps that remove them, and nothing else
    without: Mapping[Owner, str]  # those that no step removes → why

    @property
    def harm(self) -> Harm | None:
        """The worst of its steps; None where there is none."""
        return max((step.harm for step in self.plan.every_step), default=None)
