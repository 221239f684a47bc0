"""Which records of BuildKit's cache can go, in which of three steps, and in which order.

A record can only go after those that were built on it, so a record with a descendant that stays, stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from collectors.causes.plan_context import PlanContext
from collectors.model.engine import BuildRecord
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact
from collectors.model.settings import matches

OLD, MOUNTS, SHARED = "build-cache.old", "build-cache.mounts", "build-cache.shared"
_LATER = {OLD: 0, MOUNTS: 1, SHARED: 2}
_MOUNT_KIND = "exec.cachemount"
_ONLY_WITH_ALL = frozenset({"internal", "frontend"})  # a plain prune passes these over

Children = Mapping[str, frozenset[str]]  # id of a record → those that were built on it


def groups(context: PlanContext, records: Mapping[str, BuildRecord], children: Children) -> Mapping[str, str]:
    """Record id → group, for those that can go. A parent goes in the group of its latest child, or later."""
    group = {i: name for i, record in records.items() if (name := _wanted(context, record))}
    changed = True
    while changed:
        changed = False
        for i in tuple(group):
            young = children.get(i, frozenset())
            if not young <= group.keys():
                del group[i]
                changed = True
            elif any(_LATER[group[child]] > _LATER[group[i]] for child in young):
                group[i] = SHARED
                changed = True
    return group


def _wanted(context: PlanContext, record: BuildRecord) -> str:
    if record.in_use or matches((record.description,), context.rules.build_cache):
        return ""
    moments = [m.value for m in (record.created_at, record.last_used_at) if isinstance(m, Exact)]
    idle = context.idle_s(Owner(OwnerKind.BUILD, record.id), moments)
    mount = record.kind == _MOUNT_KIND
    least = context.rules.cache_mount_age_s if mount else context.rules.build_cache_age_s
    if idle is None or idle < least:
        return ""
    if mount:
        return MOUNTS
    return SHARED if record.shared or record.kind in _ONLY_WITH_ALL else OLD


def steps_before(
    name: str, inside: Iterable[str], children: Children, kinds: Mapping[str, str]
) -> Mapping[Owner, frozenset[str]]:
    """Per record, the other steps that remove what was built on it, which have to run first."""
    mine = frozenset(inside)
    return {
        Owner(OwnerKind.BUILD, i): frozenset(
            MOUNTS if kinds[child] == _MOUNT_KIND else OLD for child in children.get(i, frozenset()) - mine
        )
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
