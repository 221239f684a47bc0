"""Who holds most of what a filesystem is short of. Pure.

Every thing with bytes is a candidate, in use or not, Docker's or not. A class stands for its members only where none
of them holds most of it; a member that does is named in its place, and the rest is ranked as a class of its own.

Refuses a superlative that what was not read could prove wrong: of an open figure the truth may be all of what no
source explains besides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from collectors.ledger.charge import by_unit, first
from collectors.ledger.holders import charged_alone, classes
from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.filesystem import FsSpace, Occupancy
from collectors.model.ledger import Books, Category, Ledger
from collectors.model.plan import Holder, Ranking, Resource
from collectors.model.reading import (
    AtLeast,
    Between,
    Exact,
    Origin,
    Reading,
    Size,
    Unavailable,
    ceiling,
    charged,
    floor,
)
from collectors.model.report import TrendView
from collectors.model.snapshot import FilesystemStudy, loose_tree_bytes

DOMINANT_SHARE = 0.6  # of a class: a member that holds so much of it is named in its place
MOST_NAMED = 3
_ENOUGH_SHARE = 0.6  # of all that is held: so much is most of the problem
ALIKE_SHARE = 0.8  # of the one before: as good as equal, so both are named or neither
WORTH_SHARE = 0.2  # of the first one: less would only distract from it
CAUSING_SHARE = 0.5  # of the growth of used: who grows so much causes it
_GROWTH_SHARE = 0.01  # of the filesystem, in 30 days: slower growth is nobody's fault
_MONTH_DAYS = 30
_LOOSE, _ITSELF = "files outside subvolumes", "the filesystem itself"


def rank(
    study: FilesystemStudy, ledger: Ledger, books: Books, trend: TrendView, resource: Resource = Resource.BYTES
) -> Ranking:
    """The holders of one filesystem, ranked."""
    found, space = classes(study, ledger, books, trend), study.filesystem.space
    if resource is Resource.CHUNKS:
        trees = in_metadata(found, study, books)
        if trees is not None:
            everything = sum(charged(one.bytes) for one in trees)
            return ranked(trees, resource, Exact(everything, ledger.row(Category.METADATA).charged.origin))
        resource = Resource.BYTES  # who gives back bytes gives back chunks
    used: Size = Exact(_used(space.value, resource), space.origin) if isinstance(space, Exact) else space
    return ranked(found, resource, used, _grown(space, trend))


def in_metadata(found: Sequence[Holder], study: FilesystemStudy, books: Books) -> tuple[Holder, ...] | None:
    """The same classes and things by what they hold of the metadata chunks: their tree blocks, all copies.

    Files in no subvolume of their own are a class by themselves. None where nobody's blocks are known.
    """
    loose, occupancy = loose_tree_bytes(study.filesystem_facts), study.occupancy
    if loose is None or isinstance(occupancy, Unavailable):
        return None
    trees = _Trees(loose, _by_owner(books, occupancy.value), _by_class(study, occupancy.value), occupancy.origin)
    outside = Holder(
        None,
        Category.OTHER_FILES,
        _LOOSE,
        "",
        "",
        trees.exact(loose),
        trees.exact(0),
        growth_bytes_per_day=None,
        members=(),
    )
    return (*(_weighed(one, trees) for one in found), outside)


@dataclass(frozen=True, slots=True)
class _Trees:
    """Tree blocks in bytes: those of files outside subvolumes, of each owner alone, of each class."""

    loose_bytes: int
    of_owner: Mapping[Owner, int]
    of_class: Mapping[Category, int]
    origin: Origin

    def exact(self, count: int) -> Exact[int]:
        return Exact(count, self.origin)


def _by_owner(books: Books, occupancy: Occupancy) -> Mapping[Owner, int]:
    """A unit that nobody owns is a thing by itself, and of the host a path."""
    found = Counter[Owner]()
    for release in books.releases:
        for owner in filter(None, [charged_alone(release.owners)]):
            found[owner] += release.tree_bytes
    for share in occupancy.shares:
        for holder in share.holders if len(share.holders) == 1 else ():
            for kind in (OwnerKind.UNIT, OwnerKind.PATH):
                found[Owner(kind, holder)] += share.tree_bytes
    return found


def _by_class(study: FilesystemStudy, occupancy: Occupancy) -> Mapping[Category, int]:
    category, found = by_unit(study.units), Counter[Category]()
    for share in occupancy.shares:
        found[first(category.get(holder, Category.OTHER_FILES) for holder in share.holders)] += share.tree_bytes
    return found


def _weighed(one: Holder, trees: _Trees) -> Holder:
    if one.category is Category.METADATA:
        return replace(one, name=_ITSELF, bytes=_without(one.bytes, trees.loose_bytes))
    count = trees.of_class.get(one.category, 0) if one.owner is None else trees.of_owner.get(one.owner, 0)
    members = (_weighed(member, trees) for member in one.members)
    ordered = tuple(sorted(members, key=lambda member: (-charged(member.bytes), member.name)))
    return replace(one, bytes=trees.exact(count), growth_bytes_per_day=None, members=ordered)


def ranked(found: Sequence[Holder], resource: Resource, used: Size, grown: int | None = None) -> Ranking:
    """`found`: a class a category, each with its members. `grown`: bytes that used grows by in a day, None for none."""
    pieces = [one for each in found for one in _apart(each, resource)]
    pieces.sort(key=lambda one: (-charged(one.weight(resource)), one.name))
    holders = tuple(one for one in pieces if charged(one.weight(resource)) > 0)
    return Ranking(resource, holders, tuple(found), _is_certain(pieces, resource, used), _growing(found, grown), used)


def most_of_it(ranking: Ranking) -> tuple[Holder, ...]:
    """The first few holders, most of the problem: nobody who is left out is larger than one of them."""
    weights = [charged(one.weight(ranking.resource)) for one in ranking.holders]
    everything, covered, count = sum(weights), 0, 0
    for weight in weights[:MOST_NAMED]:
        alike = count and weight >= ALIKE_SHARE * weights[count - 1]
        if count and (weight < WORTH_SHARE * weights[0] or (covered >= _ENOUGH_SHARE * everything and not alike)):
            break
        covered, count = covered + weight, count + 1
    return ranking.holders[:count]


def _used(space: FsSpace, resource: Resource) -> int:
    return space.inodes - space.inodes_free if resource is Resource.INODES else space.used_bytes


def _apart(one: Holder, resource: Resource) -> Iterator[Holder]:
    """The class, or each member that holds most of what is left of it, and then the rest."""
    rest = replace(one, members=tuple(sorted(one.members, key=lambda member: -charged(member.weight(resource)))))
    while rest.members:
        first, *others = rest.members
        mine = charged(first.weight(resource))
        if mine <= 0 or mine < DOMINANT_SHARE * charged(rest.weight(resource)):
            break
        yield first
        rest = _rest(rest, first, tuple(others))
    yield rest


def _rest(one: Holder, gone: Holder, others: tuple[Holder, ...]) -> Holder:
    """The class without a member."""
    name = f"{len(others)} more {one.category.several(len(others))}" if others else f"other {one.category.words}"
    size, inodes = _without(one.bytes, charged(gone.bytes)), _without(one.inodes, charged(gone.inodes))
    return replace(one, name=name, bytes=size, inodes=inodes, growth_bytes_per_day=None, members=others)


def _without(size: Size, count: int) -> Size:
    """What is left of a class without a member: its floor is that of the others, which were added up to it."""
    match size:
        case Exact(value=value):
            return replace(size, value=max(0, value - count))
        case AtLeast(low=low):
            return replace(size, low=max(0, low - count))
        case Between(best=best, high=high):
            best = max(0, best - count)
            return replace(size, best=best, low=0, high=max(best, high))
        case Unavailable():
            return size
        case _:
            assert_never(size)


def _is_certain(pieces: Sequence[Holder], resource: Resource, used: Size) -> bool:
    """Is the least of the first more than the most of every other? `pieces`: also those of which nothing was read."""
    if not pieces or isinstance(used, Unavailable) or not charged(pieces[0].weight(resource)):
        return False
    sizes = [one.weight(resource) for one in pieces]
    # Whatever an open figure lacks is among what nobody was charged for.
    named = sum(floor(one.weight(resource)) for one in pieces if one.category is not Category.UNATTRIBUTED)
    open_ended = max(0, charged(used) - named)
    return all(_most(size, open_ended) <= floor(sizes[0]) for size in sizes[1:])


def _most(size: Size, open_ended: int) -> int:
    """The most that there can be: an open figure may have all that nobody was charged for on top of what was read."""
    known = ceiling(size)
    return floor(size) + open_ended if known is None else min(known, floor(size) + open_ended)


def _growing(found: Sequence[Holder], grown: int | None) -> Holder | None:
    """Who causes the growth: a thing where one does, else a class."""
    if not grown:
        return None
    everything = [*(member for one in found for member in one.members), *found]
    causing = [one for one in everything if (one.growth_bytes_per_day or 0) >= CAUSING_SHARE * grown]
    return max(causing, key=_cause, default=None)


def _cause(one: Holder) -> tuple[bool, int, int]:
    return not one.members, one.growth_bytes_per_day or 0, charged(one.bytes)


def _grown(space: Reading[FsSpace], trend: TrendView) -> int | None:
    """What used grows by in a day, where that is fast enough to matter; None where not, or not known for certain."""
    used = next((one for one in trend.growth if one.key == "used"), None)
    if used is None or used.low_bytes_per_day <= 0 or isinstance(space, Unavailable):
        return None
    matters = used.bytes_per_day * _MONTH_DAYS >= _GROWTH_SHARE * space.value.total_bytes
    return used.bytes_per_day if matters else None
