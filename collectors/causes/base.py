"""What a cause is: how it is found, what helps against it, and all that the rest of the program has to know of it.

And the words that several causes share: the command that a person could type for a step (shell-quoted; shown, never
run), and why a cause proposes nothing for some of its things, the same for every kind of thing. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.engine import Flavour
from collectors.model.filesystem import Mount
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Resource, Risk, Severity
from collectors.model.reading import Exact, Reading, Size, Unavailable, Why
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
    are taken out again; it maps what goes to what has to go just before it, and so on, as `requires_for` maps a target
    to the steps that have to. `frees_elsewhere` marks a remedy whose point is not bytes of statfs `used` (a balance),
    so that freeing none is no reason to leave it out.
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

    def only_for(self, left: tuple[Owner, ...]) -> Draft:
        """The same for these of its targets alone: what those require, and the command for them."""
        requires = self.requires
        if self.requires_for is not None:
            requires = frozenset[str]().union(*(self.requires_for[target] for target in left))
        command = self.command_for(left) if self.command_for else self.command
        return replace(self, targets=left, requires=requires, command=command)


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


# Reasons why something stays, after "it is" or "they are"; each with what lifts it.
KEPT = "kept by a label or pattern of the [keep] table in the configuration"
NO_AGE = "of unknown age (--min-age 0 goes without it)"

NOTHING_MOUNTED = "nothing is mounted inside (findmnt shows it): rm goes through a bind mount of the same filesystem"

# What supervisors look for in a page, and what hides the rest of one.
_MARKS = re.compile(r"Disk:|<!--")


def quote(word: str) -> str:
    """One word for a POSIX-like shell; control characters as bash's $'…', so that the line stays one harmless line."""
    if word.isprintable() and not _MARKS.search(word):
        return shlex.quote(word)
    escaped = "".join(_escape(char) for char in word)
    return f"$'{escaped}'"


def command(*words: str) -> str:
    """A command line of quoted words."""
    return " ".join(quote(word) for word in words)


def client(context: PlanContext) -> str:
    """The client of this engine as a person types it: with its address, unless it is where a client looks anyway."""
    engine = context.engine.engine
    address = engine.value.address if isinstance(engine, Exact) else ""
    option = "--url" if context.tool == Flavour.PODMAN else "--host"
    return command(context.tool, *((option, address) if address else ()))


def ask_engine(context: PlanContext, *words: str) -> str:
    """A command line for this engine, and for no other that runs beside it."""
    return f"{client(context)} {command(*words)}"


def remove_trees(*paths: str) -> str:
    """Directories with all that is in them; to be shown with NOTHING_MOUNTED."""
    return command("rm", "-rf", "--one-file-system", "--", *paths)


def each_record(client: str, ids: Iterable[str], *, all_: bool) -> str:
    """Build-cache records one by one: the engine takes one id a call, and the youngest of a chain goes first."""
    names = " ".join(quote(one) for one in ids)
    more = " --all" if all_ else ""
    return f"for id in {names}; do {client} builder prune --force{more} --filter id=$id; done"


def old_cache(client: str, kinds: Iterable[str], age_s: float) -> str:
    """Unused, unshared records of these kinds that nobody used for so long."""
    until = ("--filter", f"until={max(1, round(age_s / 3600))}h") if age_s else ()
    words = ("builder", "prune", "--force", *until, "--filter")
    return " && ".join(f"{client} {command(*words, f'type={kind}')}" for kind in kinds)


def reachable(mount: Mount, below_top: str) -> str:
    """A subvolume's path below the filesystem's top level, as it is seen under `mount`.

    One that lies outside what is mounted there is named below the top level, which then has to be mounted first.
    """
    inside = mount.root.strip("/")
    if inside and not f"{below_top}/".startswith(f"{inside}/"):
        return f"<top level>/{below_top}"
    rest = below_top[len(inside) :].strip("/")
    return f"{mount.mountpoint.rstrip('/')}/{rest}"


def truncate_log(path: str, rotated: Iterable[str], tail_bytes: int) -> str:
    """Keep the end, empty the live file in place, remove its rotated siblings."""
    tail = f"tail -c {tail_bytes} {quote(path)} > {quote(path.rpartition('/')[2] + '.tail')}"
    parts = [tail, command("truncate", "-s", "0", path)]
    old = tuple(rotated)
    if old:
        parts.append(command("rm", "--", *old))
    return " && ".join(parts)


def end_process(pid: int, started_ticks: int) -> str:
    """Ask a process to end, unless its number is another process's by now: when it started is field 22 of its stat.

    The command in that line, in parentheses, may hold spaces and parentheses itself.
    """
    return f"awk '{{sub(/.*[)] /, \"\"); exit $20 != {started_ticks}}}' /proc/{pid}/stat && kill {pid}"


def wait_for_cleaner(mountpoint: str) -> str:
    """Commit, which wakes the cleaner, and wait until no dropped subvolume is left."""
    return (
        f"{command('btrfs', 'filesystem', 'sync', mountpoint)} && {command('btrfs', 'subvolume', 'sync', mountpoint)}"
    )


def balance(mountpoint: str, usage_percent: int, limit: int) -> str:
    """Rewrite at most `limit` data chunks that are filled to less than `usage_percent`."""
    return command("btrfs", "balance", "start", f"-dusage={usage_percent},limit={limit}", mountpoint)


def _escape(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable() and char not in ":<":
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def unread(what: str, reading: Reading[object]) -> tuple[str, ...]:
    """Nothing is proposed for a kind of thing that could not be listed; not a word where there is no such thing."""
    why = f" ({reading.why}: {reading.detail})" if isinstance(reading, Unavailable) else ""
    absent = isinstance(reading, Unavailable) and reading.why is Why.NOT_APPLICABLE
    return () if absent else (f"{what}: no step, because it could not be listed{why}.",)


def kept(count: int, what: str, by: str) -> str:
    return f"{count} {what} {are(count)} kept by a {by} of the [keep] table in the configuration."


def in_use(count: int, what: str) -> str:
    it = "it" if count == 1 else "them"
    return f"{count} {what} {are(count)} in use: no step, unless the containers that use {it} are removed."


def because(reasons: Mapping[str, int], nothing: str) -> str:
    """Why a finding has no step, for `Proposal.reason`: how many of its things stay for which reason.

    `nothing` stands where none of them was there any more when the plan was made.
    """
    told = [f"{count} {are(count)} {why}" for why, count in reasons.items() if count]
    return ", and ".join(told) or nothing


def are(count: int) -> str:
    return "is" if count == 1 else "are"
