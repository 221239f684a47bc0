"""Findings, severities, and the holders that a verdict names."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from collectors.model.ledger import Category
from collectors.model.owner import Owner
from collectors.model.reading import Size
from collectors.model.records import dataclass

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
