"""What the configuration says: the numbers that judge, each with its reason, and what must stay whatever the disk says.

The settings travel in the report, so that whoever shows, replays or carries it out goes by what it was judged by.

What stays is said by labels, name patterns and minimum ages. A thing that a rule keeps never stands in a plan, at no
tier, not even as a proposal. Refuses to guess an age.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any

from collectors.model import dataclass
from collectors.model.plan import Severity

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
MIB = 1 << 20
MOST = 1 << 62  # of a number in the configuration; neither inf nor nan is below it


@dataclass(frozen=True, slots=True)
class Rules:
    """The `[keep]` table of the configuration. Ages in seconds, sizes in bytes; patterns are shell globs.

    Image patterns match `repository:tag`, the repository alone and the id; container patterns match the name, volume
    patterns the name, build-cache patterns the record's description.
    """

    labels: tuple[str, ...] = ("ullage.keep=true",)  # `key=value`, or `key` for any value
    images: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    build_cache: tuple[str, ...] = ()
    build_cache_age_s: float = 24 * HOUR_S  # a day's work stays warm
    cache_mount_age_s: float = 7 * DAY_S  # package caches come back over the network only
    dangling_age_s: float = 24 * HOUR_S  # yesterday's build is the usual way back
    image_age_s: float = 7 * DAY_S  # since it was last used, not since it was built
    container_age_s: float = 3 * DAY_S  # since it ended
    container_small_bytes: int = 64 * MIB  # more than that in a writable layer may be somebody's data
    log_bytes: int = 256 * MIB  # smaller logs are not worth breaking `docker logs --tail`
    log_tail_bytes: int = MIB  # set aside before a log is truncated
    min_age_s: float | None = None  # in place of every age above, as --min-age says; 0 lifts them all

    def least_s(self, configured_s: float) -> float:
        """How old a thing has to be to go unasked, where its kind's own age is `configured_s`."""
        return configured_s if self.min_age_s is None else self.min_age_s


def from_table(table: Mapping[str, Any]) -> Rules:
    """Rules from a decoded TOML table. Raises ValueError, naming the key, for an unknown key or a wrong type."""
    known = {field.name for field in fields(Rules)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"keep.{key}: no such rule; there are {', '.join(sorted(known))}")
        values[key] = _value(key, value)
    return Rules(**values)


def has_label(labels: Mapping[str, str], rules: Rules) -> str:
    """The keep label that these labels carry, "" for none."""
    for rule in rules.labels:
        key, equals, value = rule.partition("=")
        if key in labels and (not equals or labels[key] == value):
            return rule
    return ""


def matches(names: tuple[str, ...], patterns: tuple[str, ...]) -> str:
    """The first pattern that one of the names matches, "" for none."""
    return next((pattern for pattern in patterns if any(fnmatchcase(name, pattern) for name in names)), "")


def image_names(tags: tuple[str, ...], digests: tuple[str, ...], image_id: str) -> tuple[str, ...]:
    """Everything that an image pattern may match: tags, digests, bare repositories, the id, also without `sha256:`."""
    repositories = tuple(tag.rpartition(":")[0] for tag in tags) + tuple(d.partition("@")[0] for d in digests)
    return tags + digests + repositories + (image_id, image_id.removeprefix("sha256:"))


def _value(key: str, value: Any) -> Any:
    if key.endswith(("_s", "_bytes")):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST:
            raise ValueError(f"keep.{key}: a number from 0, not {value!r}")
        return float(value) if key.endswith("_s") else int(value)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"keep.{key}: a list of strings, not {value!r}")
    return tuple(value)


GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Thresholds:
    # 70 a ticket, 80 soon, 90 now: the mainstream of disk alerts. ext4 slows down and btrfs starts to fight for chunks
    # above 90.
    p2_percent: int = 70
    p1_percent: int = 80
    p0_percent: int = 90
    # A level clears this many points below itself, for this many runs: a disk that breathes around 80 does not flap.
    clear_points: int = 5
    clear_runs: int = 2
    # What is not P0 is raised by so many runs that agree.
    raise_runs: int = 2
    # A forecast is news only when there is still time to act, and noise when the horizon is longer than a plan.
    forecast_p1_hours: float = 4.0
    forecast_p2_hours: float = 24.0
    # A leak of a twentieth of the disk is a matter of days, whatever the fill is now.
    leak_share: float = 0.05
    # Below this a finding is not worth a line of its own.
    notable_bytes: int = 64 * MIB
    notable_share: float = 0.01
    # What the books may leave unexplained before that is a finding itself: the promise is 99 %.
    unattributed_share: float = 0.01
    # btrfs cannot allocate a chunk with less than this; data chunks are up to 1 GiB, metadata chunks 256 MiB.
    chunk_bytes: int = GIB
    metadata_full_share: float = 0.90
    metadata_high_share: float = 0.75
    # Inodes run out as suddenly as bytes; kubelet evicts at 5 % free.
    inodes_p1_percent: int = 90
    inodes_p0_percent: int = 95
    # ext's reserve is 5 % by default: meant for a root filesystem's daemons, wasted on a data disk.
    reserve_share: float = 0.03
    # Half-done work of a running engine is younger than this.
    grace_s: float = 3600.0
    # A log without a limit is a misconfiguration at any size, and a culprit above this.
    log_bytes: int = GIB

    @property
    def marks(self) -> tuple[int, int]:
        """The used % from which it is P1 and P0: what bars and charts mark, and what is foretold."""
        return self.p1_percent, self.p0_percent

    def level(self, used_percent: float) -> Severity:
        """What a used % says on its own."""
        for least, severity in (
            (self.p0_percent, Severity.P0),
            (self.p1_percent, Severity.P1),
            (self.p2_percent, Severity.P2),
        ):
            if used_percent >= least:
                return severity
        return Severity.OK


@dataclass(frozen=True, slots=True)
class Settings:
    """The tables `[thresholds]` and `[keep]` of the configuration, and in which units sentences tell sizes."""

    thresholds: Thresholds
    keep: Rules
    si: bool = False  # powers of 1000, as --si asks for


# Where nothing is configured, and for recordings from before reports carried their settings.
DEFAULTS = Settings(Thresholds(), Rules())


def thresholds_of(table: Mapping[str, Any]) -> Thresholds:
    """From `[thresholds]` of a configuration. Raises ValueError, naming the key."""
    known = {field.name for field in fields(Thresholds)}
    defaults = DEFAULTS.thresholds
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"thresholds.{key}: no such threshold; there are {', '.join(sorted(known))}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST:
            raise ValueError(f"thresholds.{key}: a number from 0, not {value!r}")
    return Thresholds(**{key: type(getattr(defaults, key))(value) for key, value in table.items()})
