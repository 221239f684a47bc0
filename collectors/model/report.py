"""One run, finished: what the text, the JSON document, the metrics, the journal and the dashboard all render.

A report holds no reference to the machine and survives a round trip through the JSON document, so that a recording
shows the same screens as the live run.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from collectors.model import dataclass
from collectors.model.engine import Engine
from collectors.model.filesystem import FsSpace
from collectors.model.ledger import Bill, Ledger
from collectors.model.plan import Finding, Plan, Severity
from collectors.model.reading import Reading, Size
from collectors.model.settings import Settings
from collectors.model.snapshot import FilesystemFacts, SourceReport, identity_of


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of a history."""

    at: datetime
    value: int


@dataclass(frozen=True, slots=True)
class Growth:
    """How one series grows. `key` is "used", a category, or an owner such as "container:api-1"."""

    key: str
    bytes_per_day: int
    low_bytes_per_day: int
    high_bytes_per_day: int
    runs: int
    span_s: float
    change_24h_bytes: int | None  # None: no run is 24 h old


@dataclass(frozen=True, slots=True)
class Crossing:
    """When used will cross `percent`; the interval holds with 90 % confidence. `latest` None: perhaps never."""

    percent: int
    at: datetime
    earliest: datetime
    latest: datetime | None


@dataclass(frozen=True, slots=True)
class RepositoryChurn:
    """`repository` rebuilt `rebuilds` times since `since`, leaving `dangling_bytes` behind."""

    repository: str
    rebuilds: int
    since: datetime
    dangling_images: int
    dangling_bytes: Size
    busting_step: str  # the instruction whose new bytes cost most, "" where not known


@dataclass(frozen=True, slots=True)
class TrendView:
    """What the journal adds. `reason` says why there is no forecast, "" where there is one."""

    runs: int
    oldest: datetime | None
    growth: tuple[Growth, ...]
    crossings: tuple[Crossing, ...]
    churn: tuple[RepositoryChurn, ...]
    used_percent: tuple[Sample, ...]  # thinned for a sparkline, oldest first
    reason: str
    skipped_lines: int
    trees_full: Crossing | None = None  # of a btrfs: when its metadata can grow no more; None: not foreseen


@dataclass(frozen=True, slots=True)
class Writer:
    """A container, its log, a process of the host, or a directory that such processes write to, and how fast."""

    kind: str  # "container", "log", "process", "directory"
    name: str  # of the container; of a process its command; the path of a directory, `web-1:/data` in a container
    pid: int | None  # of a process
    bytes_per_s: int
    where: str = ""  # the directory in which its files grew most, as it calls it; "" where none was seen to grow


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """One second of the filesystem at `mount`. `bytes_per_s` None: too few looks yet; below 0 it empties. `writers`
    fastest first."""

    mount: str
    at: datetime
    space: FsSpace
    bytes_per_s: int | None
    writers: tuple[Writer, ...]

    @property
    def full_in_s(self) -> float | None:
        """Seconds until nothing is left at this pace; None where it does not fill."""
        if self.bytes_per_s is None or self.bytes_per_s <= 0:
            return None
        return self.space.available_bytes / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class Report:
    tool_version: str
    host: str
    taken_at: datetime
    took_s: float
    severity: Severity
    exit_status: int
    verdict: str
    docker_root: Reading[str]
    engine: Reading[Engine]
    explained_percent: Reading[float]  # 100 × (used − |unattributed|) / used
    ledger: Ledger | None  # None: not even the filesystem was found
    other_ledgers: tuple[Ledger, ...]
    filesystem_facts: Reading[FilesystemFacts] | None  # None: this kind of filesystem has none of its own
    findings: tuple[Finding, ...]
    trend: TrendView
    plan: Plan
    coverage: tuple[SourceReport, ...]
    settings: Settings  # what it was judged and planned by
    bills: tuple[Bill, ...]  # by project, stack and repository, and by what else was asked for
    other_trends: tuple[TrendView, ...] = ()  # one a ledger of `other_ledgers`, in their order; () in older recordings
    other_plans: tuple[Plan, ...] = ()  # of each filesystem that `plan` is not for; () in older recordings
    other_identities: tuple[
        str | None, ...
    ] = ()  # of `other_ledgers`, as `filesystem_identity`; () in older recordings
    verdict_otherwise: str = ""  # `verdict` in SI where the settings say IEC, and the other way; "" in older recordings

    def verdict_in(self, *, si: bool) -> str:
        """The verdict with its sizes in these units; as it was told where a recording knows it in no other."""
        return self.verdict if si == self.settings.si else self.verdict_otherwise or self.verdict

    @property
    def filesystem_identity(self) -> str | None:
        """What tells the ledger's filesystem from others for good: its UUID, else device and mount point."""
        return None if self.ledger is None else identity_of(self.ledger.filesystem, self.filesystem_facts)

    @property
    def ledgers(self) -> tuple[Ledger, ...]:
        """Of every filesystem that was found, the Docker root's first."""
        return tuple(one for one in (self.ledger, *self.other_ledgers) if one is not None)

    @property
    def identities(self) -> tuple[str | None, ...]:
        """What tells each filesystem from others, the Docker root's first; None where that is not known."""
        unknown = (None,) * (len(self.other_ledgers) - len(self.other_identities))
        return (self.filesystem_identity, *self.other_identities, *unknown)

    @property
    def judged_ledger(self) -> Ledger | None:
        """That of the filesystem which leads the verdict and which the plan is for; often the Docker root's."""
        return self.ledger_at(self.plan.mount)

    @property
    def plans(self) -> tuple[Plan, ...]:
        """That of the filesystem which leads first."""
        return (self.plan, *self.other_plans)

    def ledger_at(self, mount: str) -> Ledger | None:
        """The ledger of the filesystem that is mounted there; the Docker root's for "" and where there is none."""
        other = (one for one in self.other_ledgers if one.filesystem.mount.mountpoint == mount)
        return next(other, self.ledger)

    def plan_at(self, mount: str) -> Plan | None:
        """The plan for the filesystem that is mounted there, or for the Docker root's with ""; None for no such one."""
        root = self.ledger.filesystem.mount.mountpoint if self.ledger else ""
        return next((plan for plan in self.plans if plan.mount == mount or (plan.mount or root) == mount), None)

    def aimed_at(self, plan: Plan) -> Report:
        """The same report with this one of its plans in the lead."""
        return replace(self, plan=plan, other_plans=tuple(one for one in self.plans if one is not plan))
