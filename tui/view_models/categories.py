"""How categories are called on screen, and sizes in columns of one unit. Pure.

Numbers in columns: one unit for a whole screen, so that the eye compares and the header names it.

Words for a size that stands alone come from `collectors.report.formatting`; this only sets columns. Refuses to round a
measured byte away: what is smaller than the last digit reads `<0.1`, and what was not measured reads `?`.

How each category is called on screen: one letter, a title, a short word, and one sentence that explains it.

The letter is what carries the meaning where colour cannot. Refuses to know sizes or colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from collectors.model.ledger import Category
from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable


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
