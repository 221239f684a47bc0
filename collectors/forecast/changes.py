"""What changed between two moments: which things appeared, vanished, grew and shrank. Pure.

The books are compared, not lists of names: the changes of all categories sum to the change of used, and in each
category the named changes and one remainder sum to its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from collectors.journal import Record
from collectors.journal.encoding import thing_key
from collectors.ledger.inside import MOST_LEAST_BYTES, least_bytes
from collectors.model import OwnerKind, dataclass
from collectors.model.ledger import Category
from collectors.model.reading import Exact, Unavailable, charged
from collectors.model.report import Report


class ChangeKind(StrEnum):
    """Stable: they stand in JSON. What is smaller than a run keeps by name counts as not there."""

    APPEARED = "appeared"
    VANISHED = "vanished"
    GREW = "grew"
    SHRANK = "shrank"
    MOVED = "moved"  # the same bytes in another category: a layer that its image left to the build cache


@dataclass(frozen=True, slots=True)
class Held:
    """A thing at one moment."""

    category: str
    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Moment:
    """The books at one time. `categories`: charged bytes of what was read; `things` None: that run kept none."""

    at: datetime
    filesystem: str | None
    used_bytes: int
    categories: Mapping[str, int]
    things: Mapping[str, Held] | None


@dataclass(frozen=True, slots=True)
class Change:
    """`bytes` is signed. `things_count` things of one name (the layers of an image) are one change.

    A side that is None was not there, or too small to be kept. `other_category`: of what moved, the category of its
    other half.
    """

    kind: ChangeKind
    category: str
    name: str
    things_count: int
    before_bytes: int | None
    after_bytes: int | None
    bytes: int
    other_category: str


@dataclass(frozen=True, slots=True)
class CategoryChange:
    """One row of the books: `changes` and `rest_bytes` sum to `bytes`. A side that is None was not read."""

    category: str
    before_bytes: int | None
    after_bytes: int | None
    bytes: int
    changes: tuple[Change, ...]  # largest first
    rest_bytes: int
    rest: str  # what the remainder is


@dataclass(frozen=True, slots=True)
class Changes:
    """`categories` largest change first; they sum to `bytes`, the change of used."""

    before_at: datetime
    after_at: datetime
    used_before_bytes: int
    used_after_bytes: int
    categories: tuple[CategoryChange, ...]

    @property
    def bytes(self) -> int:
        """By how much used changed, signed."""
        return self.used_after_bytes - self.used_before_bytes

    @property
    def named(self) -> tuple[Change, ...]:
        """Every named change of every category, largest first."""
        return tuple(sorted((one for row in self.categories for one in row.changes), key=_largest))


def of_report(report: Report) -> Moment | None:
    """The moment of a report; None where not even the used bytes are known."""
    ledger = report.ledger
    if ledger is None or not isinstance(ledger.filesystem.space, Exact):
        return None
    things = None
    if ledger.things is not None:
        things = {thing_key(one.owner): Held(one.category.value, one.name, one.bytes) for one in ledger.things}
    return Moment(
        report.taken_at,
        report.filesystem_identity,
        ledger.filesystem.space.value.used_bytes,
        {row.category.value: charged(row.charged) for row in ledger.rows if not isinstance(row.charged, Unavailable)},
        things,
    )


def of_record(record: Record) -> Moment | None:
    """The moment of a run of the journal; None where it kept no used bytes."""
    if record.used_bytes is None:
        return None
    things = None if record.things is None else _labelled(record.things, record.labels or {})
    known = {name: count for name, count in record.categories.items() if count is not None}
    return Moment(record.at, record.filesystem, record.used_bytes, known, things)


def _labelled(things: Mapping[str, int], labels: Mapping[str, str]) -> Mapping[str, Held]:
    """Things without a label, of a line that was full, have no category: they stay in what is not named."""
    split = {key: labels[key].partition(" ") for key in things.keys() & labels.keys()}
    return {key: Held(category, name or key, things[key]) for key, (category, _, name) in split.items()}


def earlier(records: Iterable[Record], filesystem: str | None, until: datetime) -> Moment | None:
    """The newest run of this filesystem that is not later than `until`; where none is so old, the oldest one."""
    own = [record for record in records if record.filesystem == filesystem and record.used_bytes is not None]
    old = [record for record in own if record.at <= until]
    chosen = max(old, key=lambda record: record.at) if old else min(own, key=lambda record: record.at, default=None)
    return None if chosen is None else of_record(chosen)


def changes(before: Moment, after: Moment) -> Changes:
    """What happened from one moment to the other. Raises ValueError where they are of two filesystems."""
    if before.filesystem != after.filesystem:
        raise ValueError("the two moments are of different filesystems")
    least = max(1, min(MOST_LEAST_BYTES, least_bytes(max(before.used_bytes, after.used_bytes))))
    by_category: defaultdict[str, list[Change]] = defaultdict(list)
    kept = before.things is not None and after.things is not None
    for one in _of_things(before.things, after.things):
        by_category[one.category].append(one)
    names = dict.fromkeys([*(one.value for one in Category), *before.categories, *after.categories])
    rows = [_row(name, before, after, by_category[name], least, kept) for name in names]
    return Changes(
        before.at,
        after.at,
        before.used_bytes,
        after.used_bytes,
        tuple(
            sorted((row for row in rows if row.bytes or row.changes), key=lambda row: (-abs(row.bytes), row.category))
        ),
    )


def _of_things(before: Mapping[str, Held] | None, after: Mapping[str, Held] | None) -> Iterable[Change]:
    return () if before is None or after is None else _grouped(_differences(*_refolded(before, after)))


def _row(name: str, before: Moment, after: Moment, found: list[Change], least: int, kept: bool) -> CategoryChange:
    was, now = before.categories.get(name), after.categories.get(name)
    moved = (now or 0) - (was or 0)  # what was not read is in neither sum: it stands in the row of the unattributed
    shown = sorted((one for one in found if abs(one.bytes) >= least), key=_largest)
    rest = (
        "not told apart"
        if name in (Category.METADATA, Category.UNATTRIBUTED)
        else "things too small to be kept by name"
    )
    if not kept:
        rest = "that run kept no things"
    elif len(found) > len(shown):
        rest = f"{len(found) - len(shown)} smaller changes"
    return CategoryChange(name, was, now, moved, tuple(shown), moved - sum(one.bytes for one in shown), rest)


def _largest(one: Change) -> tuple[int, str, str]:
    return (-abs(one.bytes), one.category, one.name)


def _differences(before: Mapping[str, Held], after: Mapping[str, Held]) -> Iterator[Change]:
    """One change a thing, two for one that moved; none for what stayed the same."""
    for key in before.keys() - after.keys():
        was = before[key]
        yield Change(ChangeKind.VANISHED, was.category, was.name, 1, was.bytes, None, -was.bytes, "")
    for key in after.keys() - before.keys():
        now = after[key]
        yield Change(ChangeKind.APPEARED, now.category, now.name, 1, None, now.bytes, now.bytes, "")
    for key in before.keys() & after.keys():
        yield from _difference(before[key], after[key])


def _difference(was: Held, now: Held) -> Iterator[Change]:
    if was.category != now.category:
        yield Change(ChangeKind.MOVED, was.category, now.name, 1, was.bytes, None, -was.bytes, now.category)
        yield Change(ChangeKind.MOVED, now.category, now.name, 1, None, now.bytes, now.bytes, was.category)
    elif was.bytes != now.bytes:
        kind = ChangeKind.GREW if now.bytes > was.bytes else ChangeKind.SHRANK
        yield Change(kind, now.category, now.name, 1, was.bytes, now.bytes, now.bytes - was.bytes, "")


def _grouped(found: Iterable[Change]) -> Iterator[Change]:
    """The layers of one image that came or went together are one change."""
    groups: dict[tuple[str, str, str, str], Change] = {}
    for one in found:
        key = (one.kind, one.category, one.name, one.other_category)
        known = groups.get(key)
        groups[key] = one if known is None else _joined(known, one)
    yield from groups.values()


def _joined(known: Change, one: Change) -> Change:
    return replace(
        known,
        things_count=known.things_count + one.things_count,
        before_bytes=_sum(known.before_bytes, one.before_bytes),
        after_bytes=_sum(known.after_bytes, one.after_bytes),
        bytes=known.bytes + one.bytes,
    )


def _sum(left: int | None, right: int | None) -> int | None:
    return None if left is None and right is None else (left or 0) + (right or 0)


def _refolded(before: Mapping[str, Held], after: Mapping[str, Held]) -> tuple[Mapping[str, Held], Mapping[str, Held]]:
    """Both sides with the same host directories, as far as the figures tell.

    Only the largest directories are listed, each with all below it that no other one holds. So one that only one side
    lists was, on the other side, in the nearest listed one above it: what that one has too much there belongs to it.
    """
    was, now = dict(before), dict(after)
    _fold_out(now, was)
    _fold_out(was, now)
    return was, now


def _fold_out(listed: dict[str, Held], folded: dict[str, Held]) -> None:
    """Take directories that only `listed` names out of those above them in `folded`."""
    places = {held.name: key for key, held in _directories(folded).items()}
    alone = _directories(listed).keys() - folded.keys()
    for key in sorted(alone, key=lambda key: (-listed[key].bytes, key)):
        above = next((places[path] for path in _above(listed[key].name) if path in places), None)
        if above is not None:
            _take_out(key, above, listed, folded)
            if above not in folded:
                places = {path: place for path, place in places.items() if place != above}


def _take_out(key: str, above: str, listed: dict[str, Held], folded: dict[str, Held]) -> None:
    spare = folded[above].bytes - (listed[above].bytes if above in listed else 0)
    taken = min(spare, listed[key].bytes)
    if taken <= 0:
        return
    folded[key] = replace(listed[key], bytes=taken)
    folded[above] = replace(folded[above], bytes=folded[above].bytes - taken)
    if above not in listed and not folded[above].bytes:
        del folded[above]


def _directories(things: Mapping[str, Held]) -> Mapping[str, Held]:
    return {key: held for key, held in things.items() if key.startswith(f"{OwnerKind.PATH}:")}


def _above(path: str) -> Iterator[str]:
    while path != "/" and path:
        path = path.rpartition("/")[0] or "/"
        yield path
