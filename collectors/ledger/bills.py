"""Who is to be billed for which bytes: things by compose project, stack, service, label or repository. Pure.

A group has what is its own (its containers with their logs, the volumes and images that only it uses) and what it uses
beside others. Its exclusive bytes are what comes free when all of its own goes, by the release table, so that a layer
that two of its images share is counted, and one that another project's image stands on is not. Everything else that it
holds is shared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TypeAlias

from collectors.ledger.charge import hidden_parents, without_parents
from collectors.model import ImageId, Owner, OwnerKind, dataclass
from collectors.model.engine import SERVICE_LABEL, Container, EngineView, repository_of
from collectors.model.ledger import Bill, Books
from collectors.model.reading import Exact, Origin, Size, Unavailable, floor, listed, total
from collectors.model.snapshot import FilesystemStudy, Snapshot

PROJECT, STACK, SERVICE, REPOSITORY = "project", "stack", "service", "repository"
ALWAYS = (PROJECT, STACK, SERVICE, REPOSITORY)
_LABEL = "label:"
_KEYS = {PROJECT: "com.docker.compose.project", STACK: "com.docker.stack.namespace", SERVICE: SERVICE_LABEL}


def bills(
    snapshot: Snapshot, books: Iterable[Books], repositories: Mapping[ImageId, str], kinds: Iterable[str] = ALWAYS
) -> tuple[Bill, ...]:
    """One bill for each group of each kind, largest first, and last what has no group; none where there is no group.

    `books` in the order of the snapshot's studies; `repositories` of images, old ones that lost their tag included.
    """
    tables = [_table(snapshot, study, its) for study, its in zip(snapshot.studies, books, strict=True)]
    origin = Origin("accounting", "bills", snapshot.ended_at, 0.0)
    found: list[Bill] = []
    for kind in dict.fromkeys(kinds):
        view = snapshot.engine
        groups = _by_repository(view, repositories) if kind == REPOSITORY else _by_label(view, kind)
        if any(groups):
            made = _made(kind, groups, tables, origin)
            found += sorted(made, key=lambda bill: (not bill.name, -floor(bill.exclusive)))
    return tuple(found)


def _made(kind: str, groups: Mapping[str, _Group], tables: Sequence[_Table], origin: Origin) -> Iterator[Bill]:
    sums = _Sums(groups)
    for table in tables:
        sums.add(table)
    gaps = [table.books.unread for table in tables if isinstance(table.books.unread, Unavailable)]

    def size(count: int) -> Size:
        return total([Exact(count, origin), *gaps], origin)

    for name in sorted(groups):
        count = sum(owner.kind is not OwnerKind.LOG for owner in groups[name].own | groups[name].used)
        parts = (size(sums.exclusive[name]), size(sums.held[name] - sums.exclusive[name]))
        yield Bill(kind, name, count, *parts, size(sums.logs[name]), size(sums.volumes[name]))


@dataclass(frozen=True, slots=True)
class _Table:
    """One filesystem: who must go for which bytes, and bytes by everybody who holds them."""

    books: Books
    holders: Mapping[frozenset[Owner], int]


def _table(snapshot: Snapshot, study: FilesystemStudy, books: Books) -> _Table:
    units = without_parents(study.units, hidden_parents(snapshot))
    owners_of = {unit.id: unit.owners for unit in units}
    held: Counter[frozenset[Owner]] = Counter()
    for share in study.occupancy.value.shares if isinstance(study.occupancy, Exact) else ():
        held[frozenset[Owner]().union(*(owners_of.get(holder, ()) for holder in share.holders))] += share.bytes
    return _Table(books, held)


class _Sums:
    """Bytes by group, gathered in one pass over each table."""

    def __init__(self, groups: Mapping[str, _Group]) -> None:
        self._own = {owner: name for name, group in groups.items() for owner in group.own}
        self._users: defaultdict[Owner, set[str]] = defaultdict(set)
        for name, group in groups.items():
            for owner in group.own | group.used:
                self._users[owner].add(name)
        self.exclusive: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.logs: Counter[str] = Counter()
        self.volumes: Counter[str] = Counter()

    def add(self, table: _Table) -> None:
        """Take in one filesystem."""
        for release in table.books.releases:
            names = {self._own.get(owner) for owner in release.owners}
            if len(names) == 1 and (name := names.pop()) is not None:
                self.exclusive[name] += release.bytes
        for owners, count in table.holders.items():
            self._count(self.held, owners, count)
            self._count(self.logs, [one for one in owners if one.kind is OwnerKind.LOG], count)
            self._count(self.volumes, [one for one in owners if one.kind is OwnerKind.VOLUME], count)

    def _count(self, into: Counter[str], owners: Iterable[Owner], count: int) -> None:
        for name in {name for owner in owners if owner in self._users for name in self._users[owner]}:
            into[name] += count


@dataclass(slots=True)
class _Group:
    """`own` goes with the group; `used` is what it holds beside others."""

    own: set[Owner] = field(default_factory=set)
    used: set[Owner] = field(default_factory=set)


_Groups: TypeAlias = defaultdict[str, _Group]


def _by_label(view: EngineView, kind: str) -> Mapping[str, _Group]:
    key = _KEYS.get(kind, kind.removeprefix(_LABEL))
    groups: _Groups = defaultdict(_Group)
    of_image: defaultdict[ImageId, set[str]] = defaultdict(set)
    of_volume: defaultdict[str, set[str]] = defaultdict(set)
    for container in listed(view.containers):
        name = container.labels.get(key, "")
        groups[name].own |= {Owner(OwnerKind.CONTAINER, container.id), Owner(OwnerKind.LOG, container.id)}
        of_image[container.image_id].add(name)
        for used in _volumes_of(container):
            of_volume[used].add(name)
    for volume in listed(view.volumes):
        _share_out(groups, Owner(OwnerKind.VOLUME, volume.name), volume.labels.get(key, ""), of_volume[volume.name])
    for image in listed(view.images):
        _share_out(groups, Owner(OwnerKind.IMAGE, image.id), image.labels.get(key, ""), of_image[image.id])
    return groups


def _share_out(groups: _Groups, owner: Owner, labelled: str, users: Collection[str]) -> None:
    """To the group that it names itself, else to the only one that uses it; what several use is no one's own."""
    names = {labelled} if labelled else set(users) or {""}
    for name in names:
        (groups[name].own if len(names) == 1 else groups[name].used).add(owner)
    for name in set(users) - names:
        groups[name].used.add(owner)


def _by_repository(view: EngineView, repositories: Mapping[ImageId, str]) -> Mapping[str, _Group]:
    """Images over all their tags, and old ones that lost theirs."""
    groups: _Groups = defaultdict(_Group)
    for image in listed(view.images):
        names = {repository_of(tag) for tag in image.tags} or {repositories.get(image.id, "")}
        _share_out(groups, Owner(OwnerKind.IMAGE, image.id), "", names)
    return groups


def _volumes_of(container: Container) -> Iterator[str]:
    return (attached.volume for attached in container.attachments if attached.volume)
