"""The holders of one filesystem: a class for each category, with the things in it by the names that people know. Pure.

From the ledger's items, the release table behind them, and the growth that the journal knows of. What several things
of a class share is the class's alone: no two of them are charged for the same byte.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import assert_never

from collectors.ledger.charge import PRECEDENCE
from collectors.ledger.item_builder import CLAIMED
from collectors.ledger.unlisted import ANOTHER_CLIENTS, LEASED
from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.engine import repository_of
from collectors.model.ledger import Books, Category, Item, Ledger, Row
from collectors.model.plan import Holder
from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable, charged
from collectors.model.report import TrendView
from collectors.model.snapshot import FilesystemStudy
from collectors.model.store import LIES_INSIDE, Orphanhood, UnitKind

_SHORT_ID = 12
_MOST_OF_IT = 0.6

CONTAINER = "container "  # in front of a container's name; one with "'s log" behind it is plain without it too
# What the name of a thing may begin with: its kind, which is never cut.
KINDS = (
    "dangling image ",
    "image ",
    "a former Docker root ",
    "another engine's store ",
    "build cache of ",
    "anonymous volume ",
    "volume ",
    "orphaned layer ",
    "layer ",
    "snapshot ",
    "deleted file ",
    CONTAINER,
)
_OWNED = {
    OwnerKind.IMAGE: Category.IMAGES,
    OwnerKind.BUILD: Category.BUILD_CACHE,
    OwnerKind.CONTAINER: Category.CONTAINERS,
    OwnerKind.LOG: Category.LOGS,
    OwnerKind.VOLUME: Category.VOLUMES,
}
_RANK = {category: rank for rank, category in enumerate(PRECEDENCE)}
_INSIDE = tuple(kind.value for kind in LIES_INSIDE)
_UNPROVEN = (Orphanhood.YOUNG.value, Orphanhood.UNKNOWN.value)
_WITH_PATH = (UnitKind.WRITABLE_LAYER, UnitKind.VOLUME, UnitKind.LOG)


def classes(study: FilesystemStudy, ledger: Ledger, books: Books, trend: TrendView) -> tuple[Holder, ...]:
    """A class for each category of the ledger, with the things that stand in it as its members."""
    space = ledger.filesystem.space
    facts = _Facts(
        own=_own(books),
        stores=_of_stores(books),
        paths={owner: unit.path for unit in study.units if unit.kind in _WITH_PATH for owner in unit.owners},
        growth={one.key: one.bytes_per_day for one in trend.growth if one.low_bytes_per_day > 0},
        used_bytes=space.value.used_bytes if isinstance(space, Exact) else 0,
    )
    return tuple(_class(facts, ledger, row) for row in ledger.rows)


@dataclass(frozen=True, slots=True)
class _Own:
    """What is charged to an owner's category and no other owner of that category holds."""

    bytes: int = 0
    inodes: int = 0


@dataclass(frozen=True, slots=True)
class _Facts:
    """What holders are made from. `growth`: bytes a day, by the key of the journal."""

    own: Mapping[Owner, _Own]
    stores: Mapping[str, _Own]  # other engines', by their paths
    paths: Mapping[Owner, str]
    growth: Mapping[str, int]
    used_bytes: int


def _own(books: Books) -> Mapping[Owner, _Own]:
    """Each byte goes to the category that is charged for it, and there to its owner if it is the only one."""
    own: defaultdict[Owner, _Own] = defaultdict(_Own)
    for release in books.releases:
        owner = charged_alone(release.owners)
        if owner is not None:
            before = own[owner]
            own[owner] = _Own(before.bytes + release.bytes, before.inodes + (release.inodes or 0))
    return own


def _of_stores(books: Books) -> Mapping[str, _Own]:
    """What lies in each store of another engine's, shared layers once."""
    held: defaultdict[str, _Own] = defaultdict(_Own)
    for release in books.releases:
        paths = {owner.id.rpartition(": ")[0] for owner in release.owners if owner.kind is OwnerKind.STORE}
        if len(paths) == 1 and all(owner.kind is OwnerKind.STORE for owner in release.owners):
            before = held[path := paths.pop()]
            held[path] = _Own(before.bytes + release.bytes, before.inodes + (release.inodes or 0))
    return held


def charged_alone(owners: frozenset[Owner]) -> Owner | None:
    """The only one of these that is of the category which is charged; None where several are."""
    if len(owners) == 1:
        return next(iter(owners))
    known = [owner for owner in owners if owner.kind in _OWNED]
    first = min((_RANK[_OWNED[owner.kind]] for owner in known), default=None)
    mine = [owner for owner in known if _RANK[_OWNED[owner.kind]] == first]
    return mine[0] if len(mine) == 1 else None


def _class(facts: _Facts, ledger: Ledger, row: Row) -> Holder:
    items = [item for item in ledger.items.get(row.category, ()) if item.state not in _INSIDE]
    alone = [_thing(facts, item) for item in items if item.owner_id.kind is not OwnerKind.STORE]
    stores = _stores(facts, [item for item in items if item.owner_id.kind is OwnerKind.STORE])
    members = sorted((*alone, *stores), key=lambda one: (-charged(one.bytes), one.name))
    growth = facts.growth.get(row.category.value)
    name = row.category.counted(len(members)) if members else row.category.words
    return Holder(None, row.category, name, "", "", row.charged, row.inodes, growth, tuple(members))


def _stores(facts: _Facts, items: list[Item]) -> Iterator[Holder]:
    """What lies in one store of another engine's is one thing, named after its largest part."""
    for path in dict.fromkeys(item.owner for item in items):
        mine = sorted((item for item in items if item.owner == path), key=lambda item: -charged(item.referenced))
        first, held = mine[0], facts.stores.get(path, _Own())
        size, inodes = _like(first.referenced, held.bytes), _like(first.inodes, held.inodes)
        owner, note = Owner(OwnerKind.STORE, path), f"the most of it {first.name}"
        yield Holder(owner, first.category, f"{first.state} {path}", path, note, size, inodes, None, ())


def _thing(facts: _Facts, item: Item) -> Holder:
    name, note = _WORDS.get(item.owner_id.kind, _other)(item)
    path = facts.paths.get(item.owner_id) or next((one for one in (item.owner, item.name) if one.startswith("/")), "")
    growth = facts.growth.get(_journal_key(item))
    size, inodes = _held(facts, item)
    return Holder(item.owner_id, item.category, name, path, note, size, inodes, growth, ())


def _held(facts: _Facts, item: Item) -> tuple[Size, Size]:
    """Bytes and inodes of a thing."""
    size = item.referenced
    if item.note == CLAIMED and not isinstance(size, Unavailable):  # what the engine says, not what was measured
        best = charged(size)
        return Between(best, 0, max(best, facts.used_bytes), 1.0, item.note, size.origin), item.inodes
    if item.owner_id.kind not in _OWNED or isinstance(size, Unavailable):
        return item.exclusive, item.inodes
    own = facts.own.get(item.owner_id, _Own())
    return _like(size, own.bytes), _like(item.inodes, own.inodes)


def _like(size: Size, count: int) -> Size:
    """`count` as sure as `size` is, of which it is a part."""
    match size:
        case Exact():
            return replace(size, value=count)
        case AtLeast():
            return replace(size, low=count)
        case Between():
            return replace(size, best=count, low=min(size.low, count), high=max(size.high, count))
        case Unavailable():
            return size
        case _:
            assert_never(size)


def _journal_key(item: Item) -> str:
    """What the journal calls it: names outlive ids."""
    if item.owner_id.kind is OwnerKind.IMAGE:
        return Owner(OwnerKind.IMAGE, repository_of(item.name)).text() if item.state != "dangling" else ""
    return Owner(item.owner_id.kind, item.name).text()


def called(item: Item) -> str:
    """The name that people know a thing by, its kind before it: `image shop/app:1`, `container web-1's log`."""
    kind = item.owner_id.kind
    return item.name if kind is OwnerKind.PATH or item.state in _INSIDE else _WORDS.get(kind, _other)(item)[0]


def _short(name: str) -> str:
    """An id as Docker prints it."""
    return name[:_SHORT_ID] if re.fullmatch(r"[0-9a-f]{64}", name) else name


def _image(item: Item) -> tuple[str, str]:
    return (f"dangling image {item.name}" if item.state == "dangling" else f"image {item.name}"), ""


def _volume(item: Item) -> tuple[str, str]:
    anonymous = item.state.endswith(", anonymous")
    name = f"anonymous volume {_short(item.name)}" if anonymous else f"volume {item.name}"
    return name, f"in use by {item.owner}" if item.owner else item.state.partition(",")[0]


_RUN = re.compile(r"^(?:mount / from|cached (mount \S+) from) exec (?:/bin/sh -c )?", re.DOTALL)


def _build_step(description: str) -> str:
    """A record as its Dockerfile has the step, where BuildKit tells: `RUN make`, `cache mount /root of RUN make`."""
    found = _RUN.match(description)
    if found is None:
        return description.strip()
    return f"{f'cache {found[1]} of ' if found[1] else ''}RUN {description[found.end() :]}"


def _log(item: Item) -> tuple[str, str]:
    return f"{CONTAINER}{item.name}'s log", "no size limit" if item.state.endswith("no rotation") else ""


def _path(item: Item) -> tuple[str, str]:
    """The file or directory in it that is most of it, where there is one."""
    most = next((one.path for one in item.inside if one.allocated_bytes >= _MOST_OF_IT * charged(item.referenced)), "")
    return most or item.name, f"in use by {item.owner}" if item.owner else ""


def _of_containerd(item: Item) -> tuple[str, str]:
    space, _, name = item.name.partition("/")
    what = "" if name.partition(" ")[0] in ANOTHER_CLIENTS else "image "
    return f"{what}{name}", f"in containerd's namespace {space}"


def _leased(item: Item) -> tuple[str, str]:
    pull = "an unfinished pull or build" if item.state == LEASED else "what containerd keeps"
    return f"{pull}, lease {item.name.rpartition('/')[2]}", item.state


def _other(item: Item) -> tuple[str, str]:
    if item.state in _UNPROVEN:
        return f"layer {_short(item.name)}", "apparently unreferenced"
    paths = [text for text in (item.name, item.owner) if text.startswith("/")]
    return paths[0] if paths else item.name, item.state


# (name, note) of a thing, by what it is.
_WORDS: Mapping[OwnerKind, Callable[[Item], tuple[str, str]]] = {
    OwnerKind.IMAGE: _image,
    OwnerKind.BUILD: lambda item: (f"build cache of {_build_step(item.name)}", "in use" * (item.state == "in use")),
    OwnerKind.CONTAINER: lambda item: (f"{CONTAINER}{item.name}'s layer", item.state),
    OwnerKind.LOG: _log,
    OwnerKind.VOLUME: _volume,
    OwnerKind.ORPHAN: lambda item: (f"orphaned layer {_short(item.name)}", ""),
    OwnerKind.PLUGIN: lambda item: (f"plugin {_short(item.name)}", ""),
    OwnerKind.SNAPSHOT: lambda item: (f"snapshot {item.name}", ""),
    OwnerKind.CONTAINERD: _of_containerd,
    OwnerKind.LEASE: _leased,
    OwnerKind.OPEN: lambda item: (f"deleted file {item.name}", f"open in {item.owner}"),
    OwnerKind.PATH: _path,
}
