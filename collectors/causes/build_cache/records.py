"""Which records of BuildKit's cache can go, in which of five steps, and in which order.

A record can only go after those that were built on it, so a record with a descendant that stays, stays.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collectors.causes.commands import KEPT, NO_AGE
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import BuildRecord
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact
from collectors.model.settings import Rules, matches

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
    todo = dict.fromkeys(group)  # in order, each once
    while todo:
        i = next(iter(todo))
        del todo[i]
        if i not in group:
            continue
        young = children.get(i, frozenset())
        if not young <= group.keys():
            del group[i]
            stays[BUILT_ON] += 1
        elif (later := _with_children(group[i], {group[child] for child in young})) != group[i]:
            group[i] = later
        else:
            continue
        todo.update(dict.fromkeys(parent for parent in records[i].parents if parent in group))
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


def descendants(inside: Iterable[str], children: Children) -> Mapping[Owner, frozenset[Owner]]:
    """Of each record of `inside`, those of `inside` that were built on it, directly or not."""
    mine = frozenset(inside)
    answer: dict[Owner, frozenset[Owner]] = {}
    for i in mine:
        seen: set[str] = set()
        todo = list(children.get(i, ()))
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(children.get(one, ()))
        answer[Owner(OwnerKind.BUILD, i)] = frozenset(Owner(OwnerKind.BUILD, one) for one in seen & mine)
    return answer


def youngest_first(records: Iterable[BuildRecord], children: Children) -> tuple[BuildRecord, ...]:
    """Descendants before what they are built on; longest unused first where that leaves a choice."""
    left = {record.id: record for record in records}
    ordered: list[BuildRecord] = []
    while left:
        free = [r for i, r in left.items() if not children.get(i, frozenset()) & left.keys()] or list(left.values())
        for record in sorted(free, key=_age_key):
            ordered.append(left.pop(record.id))
    return tuple(ordered)


def _age_key(record: BuildRecord) -> tuple[float, str]:
    moments = [m.value.timestamp() for m in (record.last_used_at, record.created_at) if isinstance(m, Exact)]
    return (max(moments, default=0.0), record.id)
