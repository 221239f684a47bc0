"""What a cause is: how it is found, what helps against it, and all that the rest of the program has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from collectors.model.finding import Finding, Resource, Severity
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Size
from collectors.model.records import dataclass
from collectors.model.store import UnitKind

if TYPE_CHECKING:
    from collectors.causes.finding_context import FindingContext
    from collectors.causes.plan_context import PlanContext


@dataclass(frozen=True, slots=True)
class MetadataNeed:
    """For a remedy that works only once so much metadata of a btrfs is free; then steps that free it go first."""

    lacking_bytes: int  # logical; 0: it can run as things are
    copies: tuple[int, int]  # what a byte of metadata takes on the devices: (2, 1) for DUP and RAID1
    refusal: str  # the sentence for a plan in which nothing frees enough of it


@dataclass(frozen=True, slots=True)
class Draft:
    """A remedy before its bytes are known: what it would remove, at what risk, and what has to go first.

    `claimed` is what the engine says its targets hold, for where nothing was measured; None: it says nothing.

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
    rank: int  # place among steps of the same risk, smallest first; `planning.order` says by what
    within: tuple[float | str, ...]  # order inside the rank, smallest first
    harm: Harm
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
    only_waits: bool = False  # harmless whatever else has to go with it
    young_s: float = 0.0  # how long until its youngest target has the age that the rules ask for; 0: it has
    metadata: MetadataNeed | None = None
    causes: tuple[str, ...] = ()  # ids of the causes that proposed it: set by the plan


@dataclass(frozen=True, slots=True)
class Proposal:
    """What helps against a cause, and one sentence for each remedy that there is not, with the reason.

    `answered`: one of the sentences is about the finding itself, so that nothing more has to be said of it. `reason`:
    why the finding has no step, where it has none, and what lifts that; it follows the claim after a colon, in lower
    case and without its full stop. "" leaves that to the cause's own `no_step`.
    """

    drafts: tuple[Draft, ...] = ()
    left_out: tuple[str, ...] = ()
    answered: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """A row of the Prometheus rules: the cause at this severity or above, for so long."""

    name: str
    at_least: Severity
    lasts: str  # as Prometheus writes it, `40m`; "" for at once
    severity: str  # the label: critical or warning
    summary: str


def no_remedy(_: PlanContext) -> Proposal:
    """Of a cause that only a person can do something about; its finding says what."""
    return Proposal()


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that fills a disk, or makes it fail; one folder of `causes`.

    `id` is the stable `rule` of its findings, in kebab case. `remover` names the class that carries out its steps, as
    `module:class`, "" where only a person can. It is a string, and its module is loaded by the executor alone, so that
    nothing that only looks and judges can reach code that removes: an import would tie the two together wherever it
    stands. A cause with `inside` is about things that go with what holds them.
    """

    id: str
    category: Category | None  # of the ledger; None: it is not about one
    owner_kind: OwnerKind | None  # of what its steps remove; None where they remove nothing that is owned
    harm: Harm | None  # of its mildest remedy; None: it proposes none
    line: str  # what it is, for the README
    detect: Callable[[FindingContext], Iterable[Finding]]
    propose: Callable[[PlanContext], Proposal] = no_remedy
    remover: str = ""
    symptom: bool = False  # tells how bad it is, not who it is
    short_of: Resource | None = None  # what runs out, of a cause that raises the alarm for it
    wants_step: bool = True  # a finding with bytes is owed a step, or the reason why there is none
    no_step: str = ""  # that reason, where the cause never has a step: in lower case, without its full stop
    inside: UnitKind | None = None
    of_engine: bool = False  # about the engine, its root or its history: asked once, not of each filesystem
    alert: Alert | None = None
