"""The memory: what earlier runs found, how it grows, when it will be full.

The journal is a folder of daily Markdown files that supervisors write too. Everything in this package but `appending`,
`reading` and `vault` is pure. Sizes are integers in bytes and are never formatted here: the words arrive finished.

`Record` is one run's figures: what the journal keeps of a report, and nothing that can be worked out from it again.
Unknown is `None` in every measured field; an empty mapping means "read, none". Strings in here may be foreign (tags,
volume names, labels): they are data, and only `encoding` decides how they stand in a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from collectors.model import dataclass
from collectors.model.filesystem import Allocation, used_percent
from collectors.model.plan import Severity


@dataclass(frozen=True, slots=True)
class Noted:
    """A finding of one run. `severity` is what was shown; `raw` what this run alone would have said.

    A finding that waits for its second run is noted with `severity` OK and its `raw` severity.
    """

    rule: str
    severity: Severity
    raw: Severity
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Action:
    """A remedy that was carried out. Predicted, engine-reported and measured bytes stay apart."""

    action: str  # stable verb: build-cache.prune, image.remove …
    target: str
    rule: str  # the finding that asked for it, "" for none
    predicted_bytes: int | None
    engine_bytes: int | None
    measured_bytes: int | None


@dataclass(frozen=True, slots=True)
class NotedFilesystem:
    """Another filesystem with data of the engine, in one run: how full it was, and its warnings and worse.

    `allocation` None: it hands out no chunks, or an older line.
    """

    filesystem: str  # as a record's own
    total_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    findings: tuple[Noted, ...]
    allocation: Allocation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run. Image ids read back from a journal are the first 16 hex digits, without `sha256:`.

    `owners` holds the largest only ("image:shop/app", "container:api-1", "log:api-1", "volume:pgdata"): an absent owner
    was not measured or not among the largest. `trimmed` names the maps that a full line had no room for.
    """

    at: datetime  # UTC
    boot_id: str | None
    uptime_s: float | None  # CLOCK_BOOTTIME at `at`: tells a clock that was set from time that passed
    filesystem: str | None  # what tells this filesystem from others for good: its UUID, else device and mount point
    total_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    severity: Severity | None
    categories: Mapping[str, int | None]
    allocation: Allocation | None
    owners: Mapping[str, int] | None
    tags: Mapping[str, str] | None  # "shop/app:latest" → image id
    dangling: Mapping[str, int] | None  # repository that left them → bytes; "" where nobody knows
    orphans: frozenset[str] | None  # ids of what was proven an orphan or is a candidate for the second look
    findings: tuple[Noted, ...]
    actions: tuple[Action, ...]
    trimmed: tuple[str, ...] = ()
    in_use: frozenset[str] | None = None  # ids of the images that a container held; None: not known, or an older line
    things: Mapping[str, int] | None = None  # `thing_key` → bytes, each byte in one; None: not known, or an older line
    labels: Mapping[str, str] | None = None  # `thing_key` → its category, a blank, its name
    others: tuple[NotedFilesystem, ...] = ()  # (): none, or an older line

    def seen_of(self, filesystem: str | None) -> Record | None:
        """The run as it was for one filesystem, the record's own or another; None where it did not see that one."""
        if self.filesystem == filesystem:
            return self
        other = next((one for one in self.others if one.filesystem == filesystem), None)
        return None if other is None else _for_another(self, other)

    @property
    def used_percent(self) -> int | None:
        """How full the disk was, as the run itself showed it; None where it is not known."""
        if self.used_bytes is None or self.available_bytes is None:
            return None
        return used_percent(self.used_bytes, self.used_bytes + self.available_bytes)


def _for_another(run: Record, other: NotedFilesystem) -> Record:
    """What is known of a filesystem that was not the Docker root's: its room and its findings."""
    return Record(
        at=run.at,
        boot_id=run.boot_id,
        uptime_s=run.uptime_s,
        filesystem=other.filesystem,
        total_bytes=other.total_bytes,
        used_bytes=other.used_bytes,
        available_bytes=other.available_bytes,
        severity=max((noted.severity for noted in other.findings), default=Severity.OK),
        categories={},
        allocation=other.allocation,
        owners=None,
        tags=None,
        dangling=None,
        orphans=None,
        findings=other.findings,
        actions=(),
    )


@dataclass(frozen=True, slots=True)
class UsedPoint:
    """A used % that somebody else's section of the journal tells, rounded up to a whole percent as ours is."""

    at: datetime
    used_percent: int


@dataclass(frozen=True, slots=True)
class Journal:
    """What was read. `records` and `foreign` oldest first; `skipped_lines` could not be trusted."""

    records: tuple[Record, ...]
    foreign: tuple[UsedPoint, ...]
    skipped_lines: int
    bytes_read: int
