"""Which images no container uses, and for how long; which records of BuildKit's cache can go, in which order. Pure.

How old an image is *here* is what counts. Its build date says nothing: an image that was loaded seconds ago may have
been built in 2020. So the age comes from the journal or from the birth of its layers' directories, and an image without
either is proposed to a person, never removed by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from collectors.causes import containers_and_volumes
from collectors.causes.base import KEPT, NO_AGE, in_use, kept, unread
from collectors.causes.plan_context import PlanContext, counted, holders
from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.engine import BuildRecord, Container, Image
from collectors.model.reading import Exact, Size, remainder
from collectors.model.settings import Rules, has_label, image_names, matches
from collectors.model.store import UnitKind

_USED = "in use by a container (removing that first frees them too)"
_LAYERS = frozenset({UnitKind.IMAGE_LAYER, UnitKind.CONTENT, UnitKind.BUILD_SNAPSHOT})


@dataclass(frozen=True, slots=True)
class Unused:
    """`idle_s` None: how long it has been here is not known. `after`: steps that remove the containers made from it.

    `young_s`: how long until it is as old as the rules ask for; 0 where it is, or where nobody can tell. `known`: its
    age is known well enough to go, or to wait, without a person; where no age is asked for, it is.
    """

    image: Image
    idle_s: float | None
    after: frozenset[str]
    young_s: float
    known: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The images that may go; and, of those without and with a name, how many stay for which reason."""

    dangling: tuple[Unused, ...]  # longest unused first
    others: tuple[Unused, ...]
    dangling_stay: Mapping[str, int]
    others_stay: Mapping[str, int]
    left_out: tuple[str, ...]


def choose_images(context: PlanContext) -> Choice:
    """Images that are neither in use nor kept, the young ones marked."""
    if not isinstance(context.engine.images, Exact):
        return Choice((), (), {}, {}, unread("Images", context.engine.images))
    use = context.once(holders)
    if not use.known:
        return Choice((), (), {}, {}, unread("Images", context.engine.containers))
    births, removed = _births(context), containers_and_volumes.removed_by(context)
    dangling: list[Unused] = []
    others: list[Unused] = []
    stay: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for image in context.engine.images.value:
        loose, mine = _loose(image), use.of_image(image)
        if why := _why_it_stays(context, image, mine, removed):
            stay[loose][why] += 1
            continue
        unused = _unused(context, image, mine, births, removed)
        (dangling if loose and not mine and unused.known else others).append(unused)
    dangling.sort(key=lambda one: (-(one.idle_s or 0.0), one.image.id))
    return Choice(tuple(dangling), tuple(others), stay[True], stay[False], _sentences(stay[True] + stay[False]))


def _loose(image: Image) -> bool:
    return not image.tags and not image.digests


def _why_it_stays(context: PlanContext, image: Image, mine: Sequence[Container], removed: Mapping[str, str]) -> str:
    """After "it is"; "" where it may go. `mine` are the containers that hold it, `removed` those that steps remove."""
    if any(container.id not in removed for container in mine) or (counted(image) and not mine):
        return _USED
    return KEPT if _kept(context, image) else ""


def _unused(
    context: PlanContext,
    image: Image,
    mine: Sequence[Container],
    births: Mapping[Owner, datetime],
    removed: Mapping[str, str],
) -> Unused:
    """A build date alone says that it cannot be older here, so that it is young for sure, but never that it is old."""
    ended = [c.finished_at.value for c in mine if isinstance(c.finished_at, Exact)]
    idle, strong = _age(context, image, births, ended)
    rules = context.rules
    least = rules.least_s(rules.dangling_age_s if _loose(image) else rules.image_age_s)
    young = max(0.0, least - idle) if idle is not None else 0.0
    known = strong or young > 0 or not least
    return Unused(image, idle if known else None, frozenset(removed[c.id] for c in mine), young, known)


def own_bytes(context: PlanContext, image: Image) -> Size:
    """What the engine says that this image holds alone."""
    return remainder(image.size, image.shared, context.origin("sizes as the engine counts them"))


def _births(context: PlanContext) -> Mapping[Owner, datetime]:
    """When the youngest layer directory of each image was made on this machine."""
    newest: dict[Owner, datetime] = {}
    for unit in context.units:
        if unit.kind in _LAYERS and unit.created_at is not None:
            for who in unit.owners:
                newest[who] = max(newest.get(who, unit.created_at), unit.created_at)
    return newest


def _age(
    context: PlanContext, image: Image, births: Mapping[Owner, datetime], ended: Iterable[datetime]
) -> tuple[float | None, bool]:
    """Seconds since it was last used or arrived, and whether that is known (a build date alone is not knowing)."""
    who = Owner(OwnerKind.IMAGE, image.id)
    built = [image.created_at.value] if isinstance(image.created_at, Exact) else []
    known = [*ended, *([births[who]] if who in births else [])]
    return context.idle_s(who, [*built, *known]), bool(known) or who in context.last_used


def _kept(context: PlanContext, image: Image) -> bool:
    names = image_names(image.tags, image.digests, image.id)
    return bool(has_label(image.labels, context.rules) or matches(names, context.rules.images))


def _sentences(stay: Mapping[str, int]) -> tuple[str, ...]:
    words = {
        _USED: lambda n: in_use(n, "image" if n == 1 else "images"),
        KEPT: lambda n: kept(n, "image" if n == 1 else "images", "label or pattern"),
    }
    return tuple(words[key](stay[key]) for key in words if stay.get(key))


OLD, MOUNTS, SHARED = "build-cache.old", "build-cache.mounts", "build-cache.shared"
RECENT, YOUNG = "build-cache.recent", "build-cache.young"
STEPS = (OLD, MOUNTS, SHARED, RECENT, YOUNG)  # in the order in which they can run
_MOUNT_KIND = "exec.cachemount"
_ONLY_WITH_ALL = frozenset({"internal", "frontend"})  # a plain prune passes these over

# Why a record stays, after "it is".
IN_USE = "in use by a build, or pinned by one"
BUILT_ON = "what another record is built on that stays"

Children = Mapping[str, frozenset[str]]  # id of a record → those that were built on it


@dataclass(frozen=True, slots=True)
class Groups:
    """Record id → the step that it goes with; and, for those that cannot go, how many stay for which reason."""

    step_of: Mapping[str, str]
    stays: Mapping[str, int]


def groups(context: PlanContext, records: Mapping[str, BuildRecord], children: Children) -> Groups:
    """A parent goes with the step of its latest child, or later; a record with a descendant that stays, stays."""
    wanted = {i: _wanted(context, record) for i, record in records.items()}
    group = {i: step for i, step in wanted.items() if step in STEPS}
    stays = Counter(why for why in wanted.values() if why not in STEPS)
    todo = deque(sorted(group, key=rounds(group, children).__getitem__))  # children first, so that each comes once
    waiting = set(todo)  # but where records are built on one another in a circle
    while todo:
        i = todo.popleft()
        waiting.discard(i)
        young = children.get(i, frozenset())
        if not young <= group.keys():
            del group[i]
            stays[BUILT_ON] += 1
        elif (later := _with_children(group[i], {group[child] for child in young})) != group[i]:
            group[i] = later
        else:
            continue
        again = [parent for parent in set(records[i].parents) - waiting if parent in group]
        todo.extend(again)
        waiting.update(again)
    return Groups(group, stays)


def _with_children(step: str, theirs: Iterable[str]) -> str:
    """Of a record whose children go with these steps."""
    latest = max(theirs, key=STEPS.index, default=step)
    if STEPS.index(latest) <= STEPS.index(step):
        return step
    return latest if latest in (RECENT, YOUNG) else SHARED


def _wanted(context: PlanContext, record: BuildRecord) -> str:
    """The step that it would go with by itself, or why it stays."""
    rules = context.rules
    if record.in_use:
        return IN_USE
    if matches((record.description,), rules.build_cache):
        return KEPT
    idle, own = _idle_s(context, record), _own_age_s(rules, record)
    least = rules.least_s(own)
    if idle is None:
        return NO_AGE if least else RECENT
    if idle < least:
        return YOUNG
    if idle < own:
        return RECENT
    if record.kind == _MOUNT_KIND:
        return MOUNTS
    return SHARED if record.shared or record.kind in _ONLY_WITH_ALL else OLD


def young_s(context: PlanContext, records: Iterable[BuildRecord]) -> float:
    """How long until all of them are as old as the rules ask for; 0 where they are."""
    return max(
        (context.rules.least_s(_own_age_s(context.rules, one)) - (_idle_s(context, one) or 0.0) for one in records),
        default=0.0,
    )


def _own_age_s(rules: Rules, record: BuildRecord) -> float:
    return rules.cache_mount_age_s if record.kind == _MOUNT_KIND else rules.build_cache_age_s


def _idle_s(context: PlanContext, record: BuildRecord) -> float | None:
    moments = [m.value for m in (record.created_at, record.last_used_at) if isinstance(m, Exact)]
    return context.idle_s(Owner(OwnerKind.BUILD, record.id), moments)


def steps_before(name: str, inside: Iterable[str], found: Groups, children: Children) -> Mapping[Owner, frozenset[str]]:
    """Per record, the other steps that remove what was built on it, which have to run first."""
    mine = frozenset(inside)
    return {
        Owner(OwnerKind.BUILD, i): frozenset(found.step_of[child] for child in children.get(i, frozenset()) - mine)
        - {name}
        for i in mine
    }


def children_of(records: Mapping[str, BuildRecord]) -> Children:
    """By the parents that the records name."""
    table: defaultdict[str, set[str]] = defaultdict(set)
    for record in records.values():
        for parent in record.parents:
            table[parent].add(record.id)
    return {parent: frozenset(young) for parent, young in table.items()}


def rounds(inside: Collection[str], children: Children) -> Mapping[str, int]:
    """For each of these records the round in which it can go, when in each all go that nothing is built on any more.

    Those of a circle, and what they were built on, go together in the last one.
    """
    mine = set(inside)
    held = {i: len(children.get(i, frozenset()) & mine) for i in inside}
    below: defaultdict[str, list[str]] = defaultdict(list)
    for parent in inside:
        for child in children.get(parent, frozenset()) & mine:
            below[child].append(parent)
    found: dict[str, int] = {}
    free, number = [i for i, count in held.items() if not count], 0
    while free:
        found.update(dict.fromkeys(free, number))
        number += 1
        above = Counter(parent for i in free for parent in below[i])
        for parent, gone in above.items():
            held[parent] -= gone
        free = [parent for parent in above if not held[parent]]
    return {i: found.get(i, number) for i in inside}


def before(children: Children) -> Mapping[Owner, frozenset[Owner]]:
    """Of each record that others were built on, those."""
    return {
        Owner(OwnerKind.BUILD, parent): frozenset(Owner(OwnerKind.BUILD, child) for child in young)
        for parent, young in children.items()
    }


def youngest_first(records: Iterable[BuildRecord], children: Children) -> tuple[BuildRecord, ...]:
    """Descendants before what they are built on; longest unused first where that leaves a choice."""
    mine = {record.id: record for record in records}
    number = rounds(mine, children)
    return tuple(sorted(mine.values(), key=lambda record: (number[record.id], _age_key(record))))


def _age_key(record: BuildRecord) -> tuple[float, str]:
    moments = [m.value.timestamp() for m in (record.last_used_at, record.created_at) if isinstance(m, Exact)]
    return (max(moments, default=0.0), record.id)
