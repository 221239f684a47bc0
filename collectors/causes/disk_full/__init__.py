"""Room that runs out: used bytes against the thresholds, inodes, and blocks that an ext filesystem reserves."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, at_path, count, interval
from collectors.forecast import USED
from collectors.ledger.item_builder import removable
from collectors.ledger.release_table import freed_inodes
from collectors.model import OwnerKind, key_words
from collectors.model.ledger import Category, Item
from collectors.model.plan import Finding, Resource, Severity
from collectors.model.reading import Exact, Origin, Unavailable, charged

ID = "disk-full"


def detect(context: FindingContext) -> Iterable[Finding]:
    """The highest threshold that is reached."""
    space, limits = context.study.filesystem.space, context.limits
    if isinstance(space, Unavailable):
        return
    levels = ((limits.p0_percent, Severity.P0), (limits.p1_percent, Severity.P1), (limits.p2_percent, Severity.P2))
    for level, severity in levels:
        if space.value.used_percent >= level:
            told = tuple((at_path(one), one.bytes) for one in context.ranking(Resource.BYTES).holders[:5])
            used = Exact(space.value.used_bytes, space.origin)
            yield Finding(ID, severity, f"the disk is above {level}%", used, told, "follow the plan", (), True)
            return


LINE = "the disk is fuller than a threshold: 70, 80, 90 %"
CAUSE = Cause(ID, None, None, None, LINE, detect, symptom=True, short_of=Resource.BYTES, wants_step=False)


FORECAST_ID = "disk-forecast"


def detect_forecast(context: FindingContext) -> Iterable[Finding]:
    """The worst threshold that is met within its horizon."""
    limits = context.limits
    ahead = {crossing.percent: crossing for crossing in context.trend.crossings}
    levels = (
        (limits.p0_percent, limits.forecast_p1_hours, Severity.P1),
        (limits.p1_percent, limits.forecast_p2_hours, Severity.P2),
    )
    for percent, hours, severity in levels:
        crossing = ahead.get(percent)
        if crossing is not None and context.is_near(crossing, hours):
            growth = max(context.trend.growth, key=lambda g: g.bytes_per_day if g.key != USED else -1, default=None)
            evidence = (*interval(crossing), ("grows most", key_words(growth.key) if growth else "not known"))
            claim = f"at this rate {percent}% is crossed at {context.when(crossing)}"
            yield Finding(FORECAST_ID, severity, claim, None, evidence, "follow the plan before that", (), True)
            return


FORECAST_LINE = "at the present rate a threshold is crossed within hours"
FORECAST = Cause(
    FORECAST_ID,
    None,
    None,
    None,
    FORECAST_LINE,
    detect_forecast,
    symptom=True,
    short_of=Resource.BYTES,
    wants_step=False,
)


UNKNOWN_ID = "disk-unknown"


def detect_unknown(context: FindingContext) -> Iterable[Finding]:
    """statvfs failed; or nothing on the filesystem can be asked any more, as on an XFS that was shut down."""
    space = context.study.filesystem.space
    if not isinstance(space, Unavailable):
        return
    why = (("reason", f"{space.why}: {space.detail}"),)
    if space.detail.startswith(_IO_ERROR):
        claim = "every look at the disk ends in an input/output error: it was shut down after an error, or is gone"
        yield Finding(UNKNOWN_ID, Severity.P0, claim, None, why, _DEAD_REMEDY, (), True)
    else:
        claim, remedy = "how full the disk is could not be read", "run where the Docker root can be seen"
        yield Finding(UNKNOWN_ID, Severity.P2, claim, None, why, remedy, (), False)


_IO_ERROR = "Input/output error"  # EIO, in the words of the C library
_DEAD_REMEDY = (
    "stop the engine, save the kernel log (dmesg): the error in it tells what to do; then unmount and check read-only "
    "(xfs_repair -n, e2fsck -n, btrfs check --readonly) before it is mounted again"
)
UNKNOWN_LINE = "how full the disk is could not be read"
UNKNOWN = Cause(UNKNOWN_ID, None, None, None, UNKNOWN_LINE, detect_unknown, symptom=True, wants_step=False)


INODES_ID = "inodes-exhausted"
_MOST_NAMED = 5
# What a holder is called before its name; one of the host's directories is its path.
_NOUNS = {
    Category.IMAGES: "image",
    Category.CONTAINERS: "container",
    Category.LOGS: "log of",
    Category.VOLUMES: "volume",
    Category.BUILD_CACHE: "build cache",
    Category.ORPHANS: "orphan",
    Category.SNAPSHOTS: "snapshot",
}


def detect_inodes(context: FindingContext) -> Iterable[Finding]:
    """Used inodes against their thresholds."""
    space = context.space
    percent = space.inodes_used_percent if space is not None else None
    if space is None or percent is None or percent < context.limits.inodes_p1_percent:
        return
    severity = Severity.P0 if percent >= context.limits.inodes_p0_percent else Severity.P1
    holders = _holders(context)
    most = f", the most by {_name(holders[0])}" if holders else ""
    claim = f"{percent}% of the inodes are used{most}: files cannot be made when they run out, whatever df says"
    told = tuple((_name(item), _told(item)) for item in holders[:_MOST_NAMED])
    evidence = (("free inodes", f"{space.inodes_available:,}"), *told)
    yield Finding(INODES_ID, severity, claim, None, evidence, _remedy(context, holders), (), True)


def _holders(context: FindingContext) -> list[Item]:
    """Everything that holds inodes, the most first."""
    items = (item for listed in context.ledger.items.values() for item in listed if charged(item.inodes))
    return sorted(items, key=lambda item: (-charged(item.inodes), item.name))


def _name(item: Item) -> str:
    return f"{_NOUNS[item.category]} {item.name}" if item.category in _NOUNS else item.name


def _told(item: Item) -> str:
    number = charged(item.inodes)
    inside = max(item.inside, key=lambda place: place.inodes, default=None)
    stands_out = inside is not None and inside.path != "/" and 2 * inside.inodes >= number
    return f"{count(number, 'inode')}{f', of them {inside.inodes:,} in {inside.path}' if inside and stands_out else ''}"


def _remedy(context: FindingContext, holders: list[Item]) -> str:
    """Where to look, and what can go without anybody missing it: both in inodes."""
    free = removable(context.snapshot)
    unused = free.get(OwnerKind.IMAGE, frozenset()) | free.get(OwnerKind.BUILD, frozenset())
    freed = freed_inodes(context.books, unused)
    again = f"removing unused images and build cache frees {count(freed, 'inode')}" if freed else ""
    if not holders:
        return again or "remove images and build cache with many small files"
    first = holders[0]
    users = f" ({first.owner} uses it)" if first.state.startswith("in use") and first.owner else ""
    look = f"remove the files that nobody needs in {_name(first)}{users}: {count(charged(first.inodes), 'inode')}"
    return f"{again}; {look}" if again else look


INODES_LINE = "inodes run out: no file can be made, whatever df says of bytes"
INODES = Cause(
    INODES_ID, None, None, None, INODES_LINE, detect_inodes, symptom=True, short_of=Resource.INODES, wants_step=False
)


RESERVE_ID = "ext-reserve"


def detect_reserve(context: FindingContext) -> Iterable[Finding]:
    """More is kept back than a data disk needs."""
    space = context.space
    if space is None or not context.study.filesystem.mount.fstype.startswith("ext"):
        return
    kept = space.free_bytes - space.available_bytes
    if kept > context.limits.reserve_share * space.total_bytes and context.notable(kept):
        origin = Origin("diagnosis", "f_bfree − f_bavail", context.snapshot.ended_at, 0.0)
        remedy = f"on a data disk: tune2fs -m 1 {context.study.filesystem.mount.source}"
        claim = "blocks that only root may use"
        yield Finding(RESERVE_ID, Severity.P4, claim, Exact(kept, origin), (), remedy, (), True)


RESERVE_LINE = "blocks of ext4 that only root may use, on a disk of data"
NO_STEP = "no file has to go for it: the filesystem keeps these blocks for root"
RESERVE = Cause(RESERVE_ID, None, None, None, RESERVE_LINE, detect_reserve, symptom=True, no_step=NO_STEP)


QUOTA_ID = "project-quota"


def detect_quota(context: FindingContext) -> Iterable[Finding]:
    """Each directory that is near its own limit: what lies in it can write no more there, whatever df says."""
    quotas, limits = context.study.quotas, context.limits
    if not isinstance(quotas, Exact):
        return
    units = {unit.id: unit for unit in context.study.units}
    items = {item.owner_id: item for listed in context.ledger.items.values() for item in listed}
    for quota in quotas.value:
        percent = 100 * quota.used_bytes // quota.limit_bytes
        item = next((items[owner] for owner in units[quota.unit].owners if owner in items), None)
        if item is None or percent < limits.p1_percent:
            continue
        severity = Severity.P2 if percent >= limits.p0_percent else Severity.P3
        claim = f"{_name(item)} is at {percent}% of its project quota: its writes fail there, whatever df says"
        size = Exact(quota.used_bytes, quotas.origin)
        evidence = (("its limit", Exact(quota.limit_bytes, quotas.origin)), ("it takes", size))
        yield Finding(QUOTA_ID, severity, claim, None, evidence, _QUOTA_REMEDY, (item.owner_id,), True)


_QUOTA_REMEDY = "remove what it does not need, or make it again with more (--storage-opt size, of a volume -o size)"
QUOTA_LINE = "a container or volume at the limit of its own project quota: its writes fail, whatever df says"
NO_QUOTA_STEP = "only who writes there can tell what may go"
QUOTA = Cause(QUOTA_ID, None, None, None, QUOTA_LINE, detect_quota, no_step=NO_QUOTA_STEP)
