"""Build cache that nothing uses: old and young records, cache mounts, and records whose bytes an image holds too.

Repositories that are rebuilt all day: rebuilding one tag again and again leaves an image behind each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collectors.causes import base
from collectors.causes.base import Cause, Draft, Proposal, are, because, unread
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.plan_context import PlanContext
from collectors.causes.unneeded import (
    IN_USE,
    MOUNTS,
    OLD,
    RECENT,
    SHARED,
    STEPS,
    YOUNG,
    Children,
    Groups,
    before,
    children_of,
    groups,
    steps_before,
    young_s,
    youngest_first,
)
from collectors.model import Owner, OwnerKind
from collectors.model.engine import BuildRecord
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import Exact, charged, total
from collectors.model.settings import Rules
from collectors.model.store import UnitKind

ID = "build-cache"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All records together, as far as they are notable."""
    row = context.ledger.row(Category.BUILD_CACHE)
    free = [i for i in context.items(Category.BUILD_CACHE) if i.state not in ("in use", UnitKind.CACHE_MOUNTS.value)]
    if free and context.notable(charged(row.reclaimable)):
        claim = f"build cache in {count(len(free), 'record')} that no build is using"
        remedy = "docker builder prune, then set builder.gc in daemon.json so that it stays bounded"
        severity = context.severity(row.reclaimable)
        yield Finding(ID, severity, claim, row.reclaimable, largest(free), remedy, owners(free), True)


def propose(context: PlanContext) -> Proposal:
    """Up to five steps. Records in use, kept or of unknown age stay, and so does what they are built on."""
    if not isinstance(context.engine.build_cache, Exact):
        return Proposal((), unread("Build cache", context.engine.build_cache), reason="its records could not be listed")
    records = {record.id: record for record in context.engine.build_cache.value}
    children = children_of(records)
    found = groups(context, records, children)
    drafts = []
    for name in STEPS:
        mine = [records[i] for i, its in found.step_of.items() if its == name]
        if mine:
            drafts.append(_draft(context, name, youngest_first(mine, children), found, children))
    held = found.stays.get(IN_USE, 0)
    reason = because(found.stays, "the engine lists none any more")
    return Proposal(tuple(drafts), (_in_use(held),) if held else (), reason=reason)


def _draft(
    context: PlanContext, name: str, records: tuple[BuildRecord, ...], found: Groups, children: Children
) -> Draft:
    inside = {record.id for record in records}
    own = [record.size for record in records if not record.shared]
    steps = steps_before(name, inside, found, children)
    title, needs, costs, harm, risk, rank = _WORDS[name]
    any_record = name in (SHARED, RECENT, YOUNG)
    return Draft(
        id=name,
        action="build-cache.prune",
        title=title,
        command=_command(base.client(context), name, records, context.rules),
        targets=tuple(Owner(OwnerKind.BUILD, record.id) for record in records),
        rank=rank,
        within=(),
        harm=harm,
        risk=risk,
        needs=needs,
        costs=costs,
        undo="none needed: the next build makes it again",
        automatic=True,
        requires=frozenset[str]().union(*steps.values()),
        claimed=total(own, context.origin("sizes as the engine counts them")),
        trim=before(children) if any_record else None,
        requires_for=steps if any_record else None,
        command_for=lambda left: base.each_record(base.client(context), (t.id for t in left), all_=True),
        young_s=young_s(context, records) if name == YOUNG else 0.0,
    )


_WORDS: Mapping[str, tuple[str, str, str, Harm, Risk, int]] = {
    OLD: (
        "Remove build cache that no build used recently",
        "no build that uses these records",
        "slower builds until the cache is filled again",
        Harm.NONE,
        Risk.SAFE,
        20,
    ),
    MOUNTS: (
        "Remove build cache mounts that no build used recently",
        "no build that uses these records; a network for the next one",
        "package caches are downloaded again",
        Harm.TIME,
        Risk.CAREFUL,
        30,
    ),
    SHARED: (
        "Remove build cache that only removed images shared",
        "the images that hold the same bytes are gone",
        "slower builds until the cache is filled again",
        Harm.TIME,
        Risk.CAREFUL,
        80,  # its bytes come free only after tagged images
    ),
    RECENT: (
        "Remove build cache that builds used not long ago",
        "no build that uses these records",
        "the next builds start without a cache: slower, and package caches are downloaded again",
        Harm.TIME,
        Risk.CAREFUL,
        82,
    ),
    YOUNG: (
        "Remove young build cache",
        "no build that uses these records",
        "the next builds start without a cache: slower, and package caches are downloaded again",
        Harm.TIME,
        Risk.CAREFUL,
        84,
    ),
}


def _command(client: str, name: str, records: tuple[BuildRecord, ...], rules: Rules) -> str:
    if name in (SHARED, RECENT, YOUNG):
        return base.each_record(client, (record.id for record in records), all_=True)
    if rules.build_cache:  # a prune by age would not respect the patterns
        return base.each_record(client, (record.id for record in records), all_=False)
    least = rules.cache_mount_age_s if name == MOUNTS else rules.build_cache_age_s
    return base.old_cache(client, sorted({record.kind for record in records}), max(least, rules.least_s(least)))


def _in_use(count: int) -> str:
    records = "record" if count == 1 else "records"
    return f"{count} build cache {records} {are(count)} {IN_USE}: left alone."


LINE = "build cache that no build is using"
REMOVER = "collectors.causes.build_cache.remove:Records"
CAUSE = Cause(ID, Category.BUILD_CACHE, OwnerKind.BUILD, Harm.NONE, LINE, detect, propose, REMOVER)


MOUNTS_ID = "cache-mounts"


def detect_mounts(context: FindingContext) -> Iterable[Finding]:
    """Those of Podman and Buildah: BuildKit's are records like others."""
    items = context.in_state(Category.BUILD_CACHE, UnitKind.CACHE_MOUNTS.value)
    amount = context.freed(owners(items))
    if items and context.notable(charged(amount)):
        claim = f"cache mounts of builds (RUN --mount=type=cache) in {', '.join(item.name for item in items)}"
        remedy = "podman image prune --force --build-cache empties them, and removes dangling images too"
        yield Finding(MOUNTS_ID, context.severity(amount), claim, amount, largest(items), remedy, owners(items), True)


def propose_mounts(context: PlanContext) -> Proposal:
    """One step for all: their names do not tell what is in them."""
    units = sorted((unit for unit in context.units if unit.kind is UnitKind.CACHE_MOUNTS), key=lambda unit: unit.path)
    draft = Draft(
        id=MOUNTS_ID,
        action="cache-mounts.remove",
        title="Remove the cache mounts of builds",
        command=base.remove_trees(*(unit.path for unit in units)),
        targets=tuple(owner for unit in units for owner in sorted(unit.owners)),
        rank=86,
        within=(),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs=f"no build that runs: what it has mounted is seen in its own namespace alone; {base.NOTHING_MOUNTED}",
        costs="the next builds start without them: package caches are downloaded again",
        undo="none needed: the next build makes them again",
        automatic=False,
    )
    return Proposal((draft,) if units else ())


MOUNTS_LINE = "what builds of Podman or Buildah keep for one another, in a folder that no listing counts"
CACHE_MOUNTS = Cause(
    MOUNTS_ID,
    Category.BUILD_CACHE,
    OwnerKind.BUILD,
    Harm.TIME,
    MOUNTS_LINE,
    detect_mounts,
    propose_mounts,
    no_step="they were gone when the plan was made",
)


CHURN_ID = "churn"


def detect_churn(context: FindingContext) -> Iterable[Finding]:
    """One finding a repository, from the journal and the engine's events."""
    for one in context.trend.churn:
        if one.rebuilds >= 3 and context.notable(charged(one.dangling_bytes)):
            claim = f"{one.repository} rebuilt {one.rebuilds} times since {one.since.strftime('%Y-%m-%d %H:%M UTC')}"
            evidence = (("new bytes come from", one.busting_step),) if one.busting_step else ()
            remedy = "order the Dockerfile so that what changes most comes last; prune dangling images and build cache"
            yield Finding(
                CHURN_ID, Severity.P3, claim, one.dangling_bytes, evidence, remedy, (), True, subject=one.repository
            )


CHURN_LINE = "one tag is rebuilt again and again, and each time leaves an image behind"
NO_STEP = "the step for dangling images removes what the rebuilds leave, and only its Dockerfile can stop them"
CHURN = Cause(CHURN_ID, Category.IMAGES, None, None, CHURN_LINE, detect_churn, of_engine=True, no_step=NO_STEP)
