"""BuildKit's cache: old records, cache mounts, and records whose bytes an image holds too.

A record can only go after those that were built on it, so a record with a descendant that stays, stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from collectors.model.engine import BuildRecord
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.model.reading import Exact, Origin
from collectors.model.sums import total
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft, Found, Rank
from collectors.remediation.plan.keep import Rules, matches

OLD, MOUNTS, SHARED = "build-cache.old", "build-cache.mounts", "build-cache.shared"
_LATER = {OLD: 0, MOUNTS: 1, SHARED: 2}
_MOUNT_KIND = "exec.cachemount"
_ONLY_WITH_ALL = frozenset({"internal", "frontend"})  # a plain prune passes these over


def build_cache(case: Case) -> Found:
    """Up to three steps. Records in use, kept, young or of unknown age stay, and so does what they are built on."""
    if not isinstance(case.engine.build_cache, Exact):
        return Found(left_out=(explain.unread("Build cache", case.engine.build_cache),))
    records = {record.id: record for record in case.engine.build_cache.value}
    children = _children(records)
    kinds = {i: record.kind for i, record in records.items()}
    group = _groups(case, records, children)
    drafts = [
        _draft(
            case, name, _youngest_first([records[i] for i, g in group.items() if g == name], children), children, kinds
        )
        for name in (OLD, MOUNTS, SHARED)
        if name in group.values()
    ]
    held = sum(1 for record in records.values() if record.in_use)
    return Found(tuple(drafts), (explain.cache_in_use(held),) if held else ())


def _groups(
    case: Case, records: Mapping[str, BuildRecord], children: Mapping[str, frozenset[str]]
) -> Mapping[str, str]:
    """Record id → group, for those that can go. A parent goes in the group of its latest child, or later."""
    group = {i: name for i, record in records.items() if (name := _wanted(case, record))}
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


def _wanted(case: Case, record: BuildRecord) -> str:
    if record.in_use or matches((record.description,), case.rules.build_cache):
        return ""
    moments = [m.value for m in (record.created_at, record.last_used_at) if isinstance(m, Exact)]
    idle = case.idle_s(Owner(OwnerKind.BUILD, record.id), moments)
    mount = record.kind == _MOUNT_KIND
    least = case.rules.cache_mount_age_s if mount else case.rules.build_cache_age_s
    if idle is None or idle < least:
        return ""
    if mount:
        return MOUNTS
    return SHARED if record.shared or record.kind in _ONLY_WITH_ALL else OLD


def _draft(
    case: Case,
    name: str,
    records: tuple[BuildRecord, ...],
    children: Mapping[str, frozenset[str]],
    kinds: Mapping[str, str],
) -> Draft:
    targets = tuple(Owner(OwnerKind.BUILD, record.id) for record in records)
    inside = {record.id for record in records}
    own = [record.size for record in records if not record.shared]
    before = _groups_before(name, inside, children, kinds)
    title, needs, costs, risk, rank = _WORDS[name]
    return Draft(
        id=name,
        action="build-cache.prune",
        title=title,
        command=_command(case.tool, name, records, case.rules),
        targets=targets,
        rank=rank,
        within=(),
        risk=risk,
        needs=needs,
        costs=costs,
        undo="none needed: the next build makes it again",
        automatic=True,
        rules=("build-cache",),
        requires=frozenset[str]().union(*before.values()),
        claimed=total(own, Origin("plan", "sizes as the engine counts them", case.snapshot.ended_at, 0.0)),
        trim=_descendants(inside, children) if name == SHARED else None,
        requires_for=before if name == SHARED else None,
        command_for=lambda left: commands.each_record(case.tool, (t.id for t in left), all_=True),
    )


_WORDS: Mapping[str, tuple[str, str, str, Risk, Rank]] = {
    OLD: (
        "Remove build cache that no build used lately",
        "no build that uses these records",
        "slower builds until the cache is warm again",
        Risk.SAFE,
        Rank.BUILD_CACHE,
    ),
    MOUNTS: (
        "Remove build cache mounts that no build used lately",
        "no build that uses these records; a network for the next one",
        "package caches are downloaded again",
        Risk.CAREFUL,
        Rank.CACHE_MOUNTS,
    ),
    SHARED: (
        "Remove build cache that only removed images shared",
        "the images that hold the same bytes are gone",
        "slower builds until the cache is warm again",
        Risk.CAREFUL,
        Rank.SHARED_CACHE,
    ),
}


def _groups_before(
    name: str, inside: Iterable[str], children: Mapping[str, frozenset[str]], kinds: Mapping[str, str]
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


def _command(tool: str, name: str, records: tuple[BuildRecord, ...], rules: Rules) -> str:
    if name == SHARED:
        return commands.each_record(tool, (record.id for record in records), all_=True)
    if rules.build_cache:  # a prune by age would not respect the patterns
        return commands.each_record(tool, (record.id for record in records), all_=False)
    least = rules.cache_mount_age_s if name == MOUNTS else rules.build_cache_age_s
    return commands.old_cache(tool, sorted({record.kind for record in records}), least)


def _children(records: Mapping[str, BuildRecord]) -> Mapping[str, frozenset[str]]:
    table: defaultdict[str, set[str]] = defaultdict(set)
    for record in records.values():
        for parent in record.parents:
            table[parent].add(record.id)
    return {parent: frozenset(young) for parent, young in table.items()}


def _descendants(inside: Iterable[str], children: Mapping[str, frozenset[str]]) -> Mapping[Owner, frozenset[Owner]]:
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


def _youngest_first(records: Iterable[BuildRecord], children: Mapping[str, frozenset[str]]) -> tuple[BuildRecord, ...]:
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
