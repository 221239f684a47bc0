"""Full metadata, or nearly all of the disk in chunks that are not full: the next kind that runs out cannot grow.

Then writes fail, whatever df says. The remedy is a balance, which changes no file and turns half-empty data chunks back
into unallocated space. It works only while there is some free metadata: a plan puts what frees it first, and has no
balance where nothing frees enough.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import base
from collectors.causes.base import Alert, Cause, Draft, MetadataNeed, Proposal, unread
from collectors.causes.btrfs_metadata.balance import (
    MetadataRoom,
    Pressure,
    Squeeze,
    metadata_room,
    pressure,
    refused,
    squeeze,
)
from collectors.causes.finding_context import FindingContext, at_path, interval
from collectors.causes.plan_context import PlanContext
from collectors.model.btrfs import Btrfs, Space
from collectors.model.filesystem import used_percent
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Resource, Risk, Severity
from collectors.model.reading import Exact, Size, Unavailable, charged
from collectors.model.snapshot import data_left_bytes

ID = "btrfs-metadata"
_MOST_NAMED = 3

_NO_CHUNK_TO_EMPTY = (
    "Balance: no data chunk could be emptied into the free space of the others, so it would move nothing; "
    "remove data first, or add a device for the time of the balance."
)
_WOULD_FAIL = (
    "Balance: it would fail for lack of space, since metadata is full and nothing in this plan frees enough of it; "
    "remove many small files, or add a device for the time of the balance."
)


def detect(context: FindingContext) -> Iterable[Finding]:
    """What tree blocks have and can still get is nearly taken: by what is used, and by the kernel's own reserve."""
    facts, limits = context.facts(Btrfs), context.limits
    room = metadata_room(facts) if facts is not None else None
    if facts is None or room is None or not room.presses(limits.metadata_high_share):
        return
    full = room.presses(limits.metadata_full_share)
    severity = Severity.P0 if full else Severity.P1
    claim = f"writes fail {'next' if full else 'soon'}: btrfs metadata is {'' if full else 'nearly '}full"
    then = "add a device for as long as it takes" if refused(facts) else "then balance by chunk fill with a limit"
    remedy = f"free metadata first (delete many small files, snapshots), {then}"
    yield Finding(ID, severity, claim, None, _evidence(context, facts, room), remedy, (), True)


def _evidence(context: FindingContext, facts: Btrfs, room: MetadataRoom) -> tuple[tuple[str, Size | str], ...]:
    """Who holds most of it, and what is left."""
    holders = context.ranking(Resource.CHUNKS)
    most = holders.holders[:_MOST_NAMED] if holders.resource is Resource.CHUNKS else ()
    return (
        *((f"metadata of {at_path(one)}", one.bytes) for one in most),
        ("can still be allocated", room.allocatable),
        ("unallocated on all devices", facts.unallocated_bytes),
        ("metadata fill, the reserve included", f"{100 * room.fill:.1f}%"),
        ("df says", f"{context.space.used_percent}% used" if context.space else "not read"),
    )


def propose(context: PlanContext) -> Proposal:
    """The balance, or the sentence why none can work; nothing where none is needed."""
    btrfs = context.facts(Btrfs)
    now = pressure(btrfs) if btrfs is not None else None
    if btrfs is None or now is None:
        return Proposal()
    if why := refused(btrfs):
        return Proposal((), (why,), answered=True)
    if not (isinstance(btrfs.chunks, Exact) and isinstance(btrfs.spaces, Exact)):
        return Proposal((), unread("Balance", btrfs.chunks))
    found = squeeze(btrfs.chunks.value, btrfs.spaces.value, now)
    return Proposal((), (_NO_CHUNK_TO_EMPTY,)) if found is None else Proposal((_balance(context, found, now),))


def _balance(context: PlanContext, found: Squeeze, now: Pressure) -> Draft:
    return Draft(
        id="btrfs.balance",
        action="btrfs.balance",
        title=f"Compact {_chunks(found.limit)} filled to less than {found.usage_percent}%, so that metadata can grow",
        command=base.balance(context.mountpoint, found.usage_percent, found.limit),
        targets=(),
        rank=10,
        within=(),
        harm=Harm.NONE,
        risk=Risk.SAFE,
        needs="some free metadata to start with; the filter is derived again from the chunks' fill just before",
        costs="reads and writes the data of these chunks once",
        undo="none needed: no file changes",
        automatic=True,
        frees_elsewhere=True,
        metadata=MetadataNeed(now.lacking_bytes, now.room.copies, _WOULD_FAIL),
    )


def _chunks(limit: int) -> str:
    return "one data chunk that is" if limit == 1 else f"up to {limit} data chunks that are"


LINE = "metadata is nearly full and no chunk is left to grow it into: writes fail next"
REMOVER = "collectors.causes.btrfs_metadata.remove:Balance"
ALERT = Alert(
    "DockerDiskWritesFail", Severity.P0, "", "critical", "btrfs metadata is full; writes fail whatever df says"
)
CAUSE = Cause(
    ID,
    Category.METADATA,
    None,
    Harm.NONE,
    LINE,
    detect,
    propose,
    REMOVER,
    short_of=Resource.CHUNKS,
    wants_step=False,
    alert=ALERT,
)


FORECAST_ID = "btrfs-metadata-forecast"


def detect_forecast(context: FindingContext) -> Iterable[Finding]:
    """Metadata that will be full within the horizon of a forecast, while it does not press yet."""
    facts, ends, limits = context.facts(Btrfs), context.trend.trees_full, context.limits
    room = metadata_room(facts) if facts is not None else None
    if ends is None or room is None or room.presses(limits.metadata_high_share):
        return
    for hours, severity in ((limits.forecast_p1_hours, Severity.P1), (limits.forecast_p2_hours, Severity.P2)):
        if context.is_near(ends, hours):
            claim = f"at this rate btrfs metadata is full at {context.when(ends)}: writes fail then"
            free = ("free in its chunks", context.exact(room.free_bytes))
            evidence = (*interval(ends), free, ("can still be allocated", room.allocatable))
            yield Finding(FORECAST_ID, severity, claim, None, evidence, _IN_TIME, (), True)
            return


_IN_TIME = "before that delete many small files or snapshots, and balance data chunks by their fill while that works"
FORECAST_LINE = "at the present rate btrfs metadata is full within hours: writes fail then, whatever df says"
FORECAST = Cause(
    FORECAST_ID,
    None,
    None,
    None,
    FORECAST_LINE,
    detect_forecast,
    symptom=True,
    short_of=Resource.CHUNKS,
    wants_step=False,
)


UNALLOCATED_ID = "btrfs-unallocated"


def detect_unallocated(context: FindingContext) -> Iterable[Finding]:
    """Little can be allocated, and twice as much lies idle inside data chunks."""
    facts = context.facts(Btrfs)
    room = facts.room("metadata") if facts is not None else None
    if facts is None or room is None or isinstance(room.allocatable, Unavailable):
        return
    slack = sum(space.free_bytes for space in facts.known_spaces if space.kind == "data")
    chunk = min(context.limits.chunk_bytes, context.total_bytes // 10)
    if charged(room.allocatable) < chunk and slack > 2 * chunk:
        free = ("free space inside data chunks", context.exact(slack))
        claim = "nearly all of the disk is in chunks that are not full"
        remedy = refused(facts) or "balance data chunks by their fill, with a limit"
        evidence = (("can still be allocated", room.allocatable), free)
        yield Finding(UNALLOCATED_ID, Severity.P3, claim, None, evidence, remedy, (), True)


UNALLOCATED_LINE = "nearly all of the disk is in btrfs chunks that are not full"
UNALLOCATED = Cause(
    UNALLOCATED_ID, None, None, Harm.NONE, UNALLOCATED_LINE, detect_unallocated, propose, REMOVER, wants_step=False
)


DATA_ID = "btrfs-data-room"


def detect_data(context: FindingContext) -> Iterable[Finding]:
    """Data will be refused at a used % that df shows as harmless: what it calls free lies where data cannot go."""
    facts, space, limits = context.facts(Btrfs), context.space, context.limits
    left = data_left_bytes(facts) if facts is not None else None
    if facts is None or space is None or left is None:
        return
    percent = used_percent(space.used_bytes, space.used_bytes + left)
    severity = limits.level(percent)
    if severity <= limits.level(space.used_percent) or percent - space.used_percent < limits.clear_points:
        return
    stranded = _stranded(facts)
    evidence = (
        ("data that can still be written", context.exact(left)),
        ("df calls free", context.exact(space.available_bytes)),
        *(
            (f"free in {s.profile} chunks", context.exact(s.logical_total_bytes - s.logical_used_bytes))
            for s in stranded
        ),
    )
    claim = f"df calls room free that no data can be written to: {percent}% of what can be used is used"
    remedy = "finish or undo the conversion" if stranded else "free data, or add a device: df counts parity as free"
    yield Finding(DATA_ID, severity, claim, context.exact(left), evidence, remedy, (), True)


def _stranded(facts: Btrfs) -> list[Space]:
    """Chunks of data into which nothing new is written."""
    usable = facts.usable("data")
    return [one for one in facts.known_spaces if one.kind == "data" and one not in usable]


DATA_LINE = "room that df calls free lies where no data can be written: in chunks of another profile, or in parity"
DATA = Cause(DATA_ID, None, None, None, DATA_LINE, detect_data, symptom=True, wants_step=False)
