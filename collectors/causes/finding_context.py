"""What a cause looks at to find itself: one snapshot, the ledger of one filesystem, how to say what was found. Pure.

With the questions that several ask: the engine's configuration, for growth which nothing bounds; what lies inside
writable layers and volumes, which goes with what holds it; directories of the host that fill up by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

from collectors.causes.plan_context import PlanContext
from collectors.forecast import USED
from collectors.forecast.crossings import imminent
from collectors.ledger.holders import called
from collectors.ledger.item_builder import removable
from collectors.ledger.ranking import DOMINANT_SHARE, rank
from collectors.ledger.release_table import freed_beside, freed_bytes
from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.engine import DaemonConfig, Engine, Flavour
from collectors.model.filesystem import FsSpace
from collectors.model.ledger import Books, Category, Item, Ledger
from collectors.model.plan import Finding, Holder, Ranking, Resource, Severity
from collectors.model.reading import AtLeast, Between, Exact, Origin, Size, Unavailable, charged, total
from collectors.model.report import Crossing, TrendView
from collectors.model.settings import Thresholds
from collectors.model.snapshot import Facts, FilesystemStudy, Snapshot, facts_of
from collectors.model.store import UnitKind


@dataclass(frozen=True, slots=True)
class FindingContext:
    snapshot: Snapshot
    study: FilesystemStudy
    ledger: Ledger
    books: Books
    trend: TrendView
    limits: Thresholds

    @property
    def of_root(self) -> bool:
        """Is this the Docker root's filesystem? The engine as a whole is judged with it."""
        return self.study.filesystem.mount == self.snapshot.studies[0].filesystem.mount

    @property
    def space(self) -> FsSpace | None:
        """statvfs, or None where it was not read."""
        space = self.study.filesystem.space
        return space.value if isinstance(space, Exact) else None

    @property
    def used_bytes(self) -> int:
        """0 where not read: then nothing is notable by its share."""
        return self.space.used_bytes if self.space else 0

    @property
    def total_bytes(self) -> int:
        return self.space.total_bytes if self.space else 0

    @property
    def tool(self) -> str:
        """What a person types to speak with this engine."""
        return self.snapshot.engine.tool

    def facts(self, kind: type[Facts]) -> Facts | None:
        """What this kind of filesystem tells of itself; None on another, and where it could not be asked."""
        return facts_of(self.study.filesystem_facts, kind)

    def ranking(self, resource: Resource) -> Ranking:
        """Who holds most of it."""
        return rank(self.study, self.ledger, self.books, self.trend, resource)

    def items(self, category: Category) -> tuple[Item, ...]:
        """The category's items, largest first."""
        return self.ledger.items.get(category, ())

    def in_state(self, category: Category, *states: str) -> tuple[Item, ...]:
        """Those of the category's items that are in one of these states."""
        return tuple(item for item in self.items(category) if item.state in states)

    def notable(self, count: int) -> bool:
        """Is this many bytes worth a line? An absolute floor, and a share of what is used."""
        return count >= self.limits.notable_bytes or count >= self.limits.notable_share * max(self.used_bytes, 1)

    def leak(self, count: int) -> bool:
        """Is this many bytes a leak that should not wait?"""
        return self.total_bytes > 0 and count > self.limits.leak_share * self.total_bytes

    def severity(self, size: Size, otherwise: Severity = Severity.P3) -> Severity:
        """A leak is a warning, whatever it consists of."""
        return Severity.P2 if self.leak(charged(size)) else otherwise

    def freed(self, owners: Iterable[Owner]) -> Size:
        """What removing all of `owners` together frees: a set, not a sum of exclusive sizes."""
        return self._measured(freed_bytes(self.books, owners))

    def freed_beside_cache(self, images: Iterable[Owner]) -> Size:
        """What removing images frees once the unused build cache, which holds the same layers, is gone."""
        cache = removable(self.snapshot).get(OwnerKind.BUILD, frozenset())
        return self._measured(freed_beside(self.books, images, cache))

    def _measured(self, bytes_: int) -> Size:
        count = self.exact(bytes_)
        unread = self.books.unread
        return AtLeast(count.value, (unread,), count.origin) if isinstance(unread, Unavailable) else count

    def is_near(self, crossing: Crossing, hours: float) -> bool:
        """Will it be met within so many hours, by a history long enough to say so?"""
        watched_s = max((growth.span_s for growth in self.trend.growth if growth.key == USED), default=0.0)
        return imminent(
            (crossing,),
            crossing.percent,
            now=self.snapshot.ended_at,
            within=timedelta(hours=hours),
            watched_s=watched_s,
        )

    def when(self, crossing: Crossing) -> str:
        """`12:42 UTC, in 3.7 h`."""
        left_h = max(0.0, (crossing.at - self.snapshot.ended_at).total_seconds() / 3600)
        return f"{crossing.at:%H:%M UTC}, in " + (f"{left_h:.1f} h" if left_h >= 1 else f"{left_h * 60:.0f} min")

    def exact(self, count: int) -> Exact[int]:
        """A figure of our own making."""
        return Exact(count, Origin("diagnosis", "figure", self.snapshot.ended_at, 0.0))

    def sum(self, sizes: Iterable[Size]) -> Size:
        """Add sizes up, unknown ones kept."""
        return total(sizes, Origin("diagnosis", "sum", self.snapshot.ended_at, 0.0))


def at_path(one: Holder) -> str:
    """A holder in words: `volume pg (in use by db-1) at /var/lib/docker/volumes/pg/_data`."""
    note = f" ({one.note})" if one.note else ""
    return f"{one.name}{note}" + (f" at {one.path}" if one.path and one.path != one.name else "")


def interval(crossing: Crossing) -> tuple[tuple[str, Size | str], ...]:
    """Between which moments it is met, as evidence."""
    latest = f"{crossing.latest:%Y-%m-%dT%H:%M:%SZ}" if crossing.latest else "never"
    return (("earliest", f"{crossing.earliest:%Y-%m-%dT%H:%M:%SZ}"), ("latest", latest))


def owners(items: Iterable[Item]) -> tuple[Owner, ...]:
    """What the items are called."""
    return tuple(item.owner_id for item in items)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 image`, `12 images`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def mostly(items: Sequence[Item]) -> str:
    """` (mostly container web-1's log)` where one of them is most of all, ` (volume pg)` of a single one; else ""."""
    first = max(items, key=lambda item: charged(item.referenced), default=None)
    if first is None or charged(first.referenced) < DOMINANT_SHARE * sum(charged(item.referenced) for item in items):
        return ""
    return f" ({'' if len(items) == 1 else 'mostly '}{called(first)})"


def largest(items: Iterable[Item], most: int = 5) -> tuple[tuple[str, Size | str], ...]:
    """The largest items as evidence, the first ones with the directory or file that holds half of them and more."""
    ordered = sorted((item for item in items if charged(item.referenced)), key=lambda item: -charged(item.referenced))
    told = [((called(item), item.referenced), *_inside(item)) for item in ordered[:_WITH_INSIDE]]
    told += [((called(item), item.referenced),) for item in ordered[_WITH_INSIDE:most]]
    return tuple(line for lines in told for line in lines)


_WITH_INSIDE = 2  # more would hide the others


def _inside(item: Item) -> Iterable[tuple[str, Size]]:
    first = max(item.inside, key=lambda place: place.allocated_bytes, default=None)
    if first is not None and first.path != "/" and 2 * first.allocated_bytes >= charged(item.referenced):
        where = first.path if item.category is Category.OTHER_FILES else f"{called(item)}: {first.path}"
        yield where, Exact(first.allocated_bytes, item.referenced.origin)


def of_docker(context: FindingContext) -> tuple[Engine, DaemonConfig] | None:
    """The engine and its settings; None where one of them was not read, and for another kind of engine."""
    engine, settings = context.snapshot.engine.engine, context.snapshot.daemon_config
    if not isinstance(settings, Exact) or not isinstance(engine, Exact):
        return None
    return (engine.value, settings.value) if engine.value.flavour is Flavour.DOCKER else None


def detect_inside(context: FindingContext, cause: str, kind: UnitKind, what: str, remedy: str) -> Iterable[Finding]:
    """All things of this kind together, whatever category they are charged in; `what` names one of them."""
    items = [i for items in context.ledger.items.values() for i in items if i.state == kind.value]
    amount = context.sum(item.referenced for item in items)
    if items and context.notable(charged(amount)):
        claim = f"{count(len(items), what)}: {items[0].name}"
        yield Finding(cause, context.severity(amount), claim, amount, largest(items), remedy, (), True)


def detect_folders(
    context: FindingContext, cause: str, pattern: re.Pattern[str], what: str, remedy: str
) -> Iterable[Finding]:
    """All directories whose path matches, together, as far as they are notable."""
    inside = [i for i in context.items(Category.OTHER_FILES) if pattern.fullmatch(i.name)]
    amount = context.sum(item.referenced for item in inside)
    if inside and context.notable(charged(amount)):
        claim = f"{what} in {inside[0].name}"
        yield Finding(cause, context.severity(amount, Severity.P4), claim, amount, largest(inside), remedy, (), True)


def folder_of(context: PlanContext, cause: str) -> tuple[str, int] | None:
    """The largest directory that the finding names, and the bytes of all."""
    finding = context.found(cause)
    if finding is None or finding.bytes is None or not finding.evidence:
        return None
    return finding.evidence[0][0], charged(finding.bytes)


def estimate(context: PlanContext, cause: str, best: int, most: int, method: str) -> Between:
    """What a tool that chooses by itself may free, in bytes."""
    return Between(best, 0, most, 0.9, method, context.origin(cause))
