"""Categories on screen: one letter, a title, a short word, one sentence; and a report as rows of their table. Pure.

The letter carries the meaning where colour cannot. Numbers stand in columns of one unit for a whole screen, so that the
eye compares and the header names it. Refuses to round a measured byte away: what is smaller than the last digit reads
`<0.1`, and what was not measured reads `?`; a row that was not read keeps its `Unavailable`, its bar is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from collectors.model.ledger import Category
from collectors.model.reading import AtLeast, Between, Exact, Origin, Size, Unavailable, Why, charged, floor
from collectors.model.report import Report, Sample
from collectors.model.snapshot import own_items
from tui.view_models import Frame, LastGood, space_of


class Units(StrEnum):
    """What the `u` key cycles through."""

    IEC = "iec"
    SI = "si"
    BYTES = "bytes"

    def next_one(self) -> Units:
        order = tuple(Units)
        return order[(order.index(self) + 1) % len(order)]


@dataclass(frozen=True, slots=True)
class Scale:
    """`label` heads the column, a number is bytes / `divisor`, `width` is what its widest number takes."""

    label: str
    divisor: int
    width: int
    si: bool


def scale_for(total_bytes: int, units: Units) -> Scale:
    """The unit that fits a disk of `total_bytes`: the largest of which it has at least 16."""
    if units is Units.BYTES:
        return Scale("bytes", 1, max(7, len(f"{total_bytes:,}") + 1), False)
    step, names = (1000, ("B", "kB", "MB", "GB")) if units is Units.SI else (1024, ("B", "KiB", "MiB", "GiB"))
    power = 0
    while power < 3 and total_bytes >= 16 * step ** (power + 1):
        power += 1
    divisor = step**power
    return Scale(names[power], divisor, max(6, len(number(total_bytes, divisor)) + 1), units is Units.SI)


def number(count: int, divisor: int) -> str:
    """`312.0`, `0`, `<0.1`; whole bytes with separators where the divisor is 1. Never rounded to a zero."""
    if divisor == 1 or count == 0:
        return f"{count:,}"
    tenths = (abs(count) * 10 + divisor // 2) // divisor
    sign = "-" if count < 0 else ""
    if tenths == 0:
        return f"{sign}<0.1"
    return f"{sign}{tenths // 10}.{tenths % 10}"


def cell(size: Size, scale: Scale) -> str:
    """A size in a column: `312.0`, `~312.0`, `≥12.0`, `?`."""
    match size:
        case Exact(value=count):
            return number(count, scale.divisor)
        case Between(best=best):
            return f"~{number(best, scale.divisor)}"
        case AtLeast(low=low):
            return f"≥{number(low, scale.divisor)}"
        case Unavailable():
            return "?"
        case _:
            assert_never(size)


def change(count: int | None, scale: Scale) -> str:
    """A difference with its sign: `+50.1`, `-75.2`, `0`; `·` where no run is old enough to compare with."""
    if count is None:
        return "·"
    if count == 0:
        return "0"
    text = number(abs(count), scale.divisor)
    return f"{'+' if count > 0 else '-'}{text}"


@dataclass(frozen=True, slots=True)
class CategoryLabel:
    """The name of one part of the disk on screen. `key` is the category's identifier, or `free` and `reserved`."""

    key: str
    letter: str
    title: str
    short: str
    about: str


FREE = CategoryLabel("free", "F", "Free", "free", "What a user of this filesystem can still write.")
RESERVED = CategoryLabel(
    "reserved", "R", "Free, reserved", "reserved", "Free bytes kept for root or for the filesystem itself."
)
SUBVOLUMES = CategoryLabel(
    "subvolumes",
    "=",
    "All subvolumes",
    "subvolumes",
    "Every subvolume. They overlap: their sizes do not add up.",
)

# The letter, a short word where there is no room for the model's own, and what it is.
_FACES = {
    Category.ORPHANS: ("O", "orphaned", "No image, container or build uses them. Not counted by docker system df."),
    Category.IMAGES: ("I", "images", "Layers of images. What several images share is counted once."),
    Category.VOLUMES: ("V", "volumes", "Data of applications. No plan deletes it by itself."),
    Category.BUILD_CACHE: ("B", "cache", "BuildKit's records that no image shares."),
    Category.LOGS: ("L", "logs", "Log files of containers, rotated ones too. Not counted by docker system df."),
    Category.SNAPSHOTS: ("S", "snapshots", "Data that only btrfs snapshots outside Docker still hold."),
    Category.CONTAINERS: ("C", "containers", "Writable layers: what containers wrote on top of their images."),
    Category.DOCKER_OTHER: ("E", "docker other", "Everything else under the Docker root: tmp, plugins, old drivers."),
    Category.OTHER_FILES: ("N", "other", "Files outside Docker on the same filesystem."),
    Category.METADATA: ("M", "metadata", "What the filesystem takes for itself, with its copies and reserve."),
    Category.DELETED_PENDING: ("D", "pending", "Deleted subvolumes whose space btrfs has not freed yet."),
    Category.DELETED_OPEN: ("X", "open", "Unlinked files that a process keeps open: freed when it restarts."),
    Category.UNATTRIBUTED: ("?", "unattributed", "Used bytes that nothing measured explains. Always shown."),
}


def _face(category: Category) -> CategoryLabel:
    letter, short, about = _FACES[category]
    title = category.words[:1].upper() + category.words[1:]
    return CategoryLabel(category.value, letter, title, short, about)


_LABELS = {category: _face(category) for category in _FACES}


def label_of(category: Category) -> CategoryLabel:
    return _LABELS[category]


def label_by_key(key: str) -> CategoryLabel:
    """The label of a category's identifier, or of `free`, `reserved`, `subvolumes`. ValueError for any other."""
    if key == FREE.key:
        return FREE
    if key == RESERVED.key:
        return RESERVED
    if key == SUBVOLUMES.key:
        return SUBVOLUMES
    return _LABELS[Category(key)]


ALL: tuple[CategoryLabel, ...] = (*_LABELS.values(), RESERVED, FREE)


_DAY = timedelta(days=1)
_LEAST_SPAN = timedelta(minutes=1)


class CategoryOrder(StrEnum):
    """What the `s` key cycles through on the Overview."""

    SIZE = "size"
    RECLAIMABLE = "reclaimable"
    CHANGE = "24 h change"
    NAME = "name"

    def next_one(self) -> CategoryOrder:
        order = tuple(CategoryOrder)
        return order[(order.index(self) + 1) % len(order)]


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """One line of the table and one segment of the bar. `reclaimable` None: makes no sense (free space)."""

    label: CategoryLabel
    size: Size
    held_bytes: int  # what the ledger charges: the length of the bar
    freed_bytes: int  # how much of it is certain to come free: the solid part
    share_percent: float | None  # of the whole filesystem; None where the size is unread
    reclaimable: Size | None
    change_24h_bytes: int | None
    samples: tuple[Sample, ...]
    item_count: int | None
    reason: str
    last_good: LastGood | None

    @property
    def unread(self) -> Unavailable | None:
        return self.size if isinstance(self.size, Unavailable) else None


def category_rows(frame: Frame, order: CategoryOrder = CategoryOrder.SIZE) -> tuple[CategoryRow, ...]:
    """Every category once, then free space; `held_bytes` sum to the filesystem's total. Empty without a ledger."""
    report = frame.report
    ledger = report.ledger
    if ledger is None:
        return ()
    whole = _total_bytes(report)
    grown = {growth.key: growth.change_24h_bytes for growth in report.trend.growth}
    rows = []
    for row in ledger.rows:
        held = charged(row.charged)
        unread = isinstance(row.charged, Unavailable)
        items = ledger.items.get(row.category)
        rows.append(
            CategoryRow(
                label=label_of(row.category),
                size=row.charged,
                held_bytes=held,
                freed_bytes=min(held, floor(row.reclaimable)),
                share_percent=None if unread or not whole else 100.0 * held / whole,
                reclaimable=row.reclaimable,
                change_24h_bytes=None if unread else _change(frame, row.category.value, held, grown),
                samples=frame.history.series.get(row.category.value, ()),
                item_count=None if items is None or unread else len(items),
                reason=row.reason,
                last_good=frame.last_good.get(row.category) if unread else None,
            )
        )
    return (*sorted(rows, key=lambda row: _place(row, order)), *_free_rows(frame, whole))


def extra_rows(frame: Frame) -> tuple[CategoryRow, ...]:
    """What Explore lists beside the categories. Its bytes are in them already: it holds none in the bar."""
    items = own_items(frame.report.filesystem_facts)
    if not items:
        return ()
    origin = items[0].referenced.origin
    none = Unavailable(Why.NOT_APPLICABLE, "subvolumes overlap", origin)
    return (CategoryRow(SUBVOLUMES, none, 0, 0, None, None, None, (), len(items), "", None),)


def change_span(frame: Frame) -> timedelta:
    """What changes are told over: a day, or all there is where the history is younger."""
    used = frame.history.used
    known = frame.report.taken_at - used[0].at if used else _DAY
    return min(_DAY, known) if known > _LEAST_SPAN else _DAY


def _change(frame: Frame, key: str, now_bytes: int, grown: Mapping[str, int | None]) -> int | None:
    """Against the last run that is as old as `change_span`; the trend's own figure where no run is known here."""
    span = change_span(frame)
    then = frame.report.taken_at - span
    before = [sample for sample in frame.history.series.get(key, ()) if then - _DAY / 2 <= sample.at <= then]
    if before:
        return now_bytes - before[-1].value
    return grown.get(key) if span == _DAY else None


def _total_bytes(report: Report) -> int:
    space = space_of(report)
    return space.total_bytes if space is not None else 0


def _free_rows(frame: Frame, whole: int) -> tuple[CategoryRow, ...]:
    """What is not used: reserved for root, and free. Nothing where statvfs could not be read."""
    space = space_of(frame.report)
    ledger = frame.report.ledger
    if space is None or ledger is None or not isinstance(ledger.filesystem.space, Exact):
        return ()
    origin = ledger.filesystem.space.origin
    used = next((growth.change_24h_bytes for growth in frame.report.trend.growth if growth.key == "used"), None)
    kept = space.free_bytes - space.available_bytes
    free = _free_row(FREE, space.available_bytes, whole, origin, None if used is None else -used)
    if kept <= 0:
        return (free,)
    return (_free_row(RESERVED, kept, whole, origin, None), free)


def _free_row(of: CategoryLabel, count: int, whole: int, origin: Origin, change: int | None) -> CategoryRow:
    share = 100.0 * count / whole if whole else None
    return CategoryRow(of, Exact(count, origin), count, 0, share, None, change, (), None, "", None)


def _place(row: CategoryRow, order: CategoryOrder) -> tuple[int, float, str]:
    """Measured rows first, then what could not be read, then what is unexplained, then measured zeros."""
    rank = 0
    if row.unread is not None:
        rank = 1
    elif row.label.key == Category.UNATTRIBUTED:
        rank = 2
    elif row.held_bytes == 0:
        rank = 3
    weights: dict[CategoryOrder, float] = {
        CategoryOrder.SIZE: row.held_bytes,
        CategoryOrder.RECLAIMABLE: row.freed_bytes,
        CategoryOrder.CHANGE: abs(row.change_24h_bytes or 0),
        CategoryOrder.NAME: 0,
    }
    return (rank, -weights[order], row.label.title)
