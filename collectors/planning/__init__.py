"""Findings and books → ordered steps, safest first, each with what it frees and why it is where it is. Pure.

What each cause proposes is reduced to steps that free something, and trimmed to the target where there is one; what
only a person may do stands apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from collectors import causes
from collectors.causes.base import Draft, Proposal
from collectors.causes.deleted_open import with_open_files
from collectors.causes.plan_context import PlanContext
from collectors.ledger.charge import hidden_parents
from collectors.model import Owner, dataclass
from collectors.model.ledger import Books, Ledger
from collectors.model.plan import Finding, Harm, Plan, Step, Unlock
from collectors.model.reading import Exact, charged
from collectors.model.settings import Rules
from collectors.model.snapshot import Snapshot
from collectors.planning.order import Preparation, for_metadata, order_with_balance, ordered, prepare, promote
from collectors.planning.target import (
    TrimmedPlan,
    blocked,
    frees_nothing,
    not_read,
    read_only,
    remote,
    trim_to_target,
    unanswered,
)
from collectors.planning.unlocks import Aliases, Reduced, Sizes, closures, in_turn, inodes_in_turn, reached, reduce


@dataclass(frozen=True, slots=True)
class Proposed:
    """What all causes propose together; `by_cause` what each of them did."""

    drafts: tuple[Draft, ...]
    left_out: tuple[str, ...]
    by_cause: Mapping[str, Proposal]


@dataclass(frozen=True, slots=True)
class Useful:
    """The drafts that free something. `useless` maps a cause to the sentence on its remedies that free nothing."""

    drafts: tuple[Draft, ...]
    reduced: Reduced
    left_out: tuple[str, ...]
    useless: Mapping[str, str]


def build_plan(
    snapshot: Snapshot,
    ledger: Ledger,
    books: Books,
    findings: tuple[Finding, ...],
    rules: Rules,
    last_used: Mapping[Owner, datetime],
    now: datetime,
    *,
    until_percent: float | None,
) -> Plan:
    """What would help on this filesystem, least harm first; what destroys data stands apart, for a person.

    `last_used` maps owners to when the journal last saw them in use (or, never used, first saw them at all).
    `until_percent` keeps only the steps of least harm that bring used down to it, and says so where nothing can.
    """
    context = PlanContext(snapshot, ledger, books, findings, rules, last_used, now)
    context = replace(context, books=with_open_files(books, context.study))
    if why := refusal(context):
        return Plan((), (), (why,))
    proposed = proposals(context)
    aliases = hidden_parents(snapshot)
    preparation = prepare(context, proposed.drafts, aliases)
    drafts = tuple(draft for draft in proposed.drafts if draft.metadata is None)
    useful = _useful(context, drafts, aliases, preparation)
    unlocks = useful.reduced.unlocks
    sizes = Sizes(context, unlocks)
    order = order_with_balance(promote(useful.drafts, unlocks), preparation, sizes.nothing_alone(useful.drafts))
    left_out = [*proposed.left_out, *useful.left_out]
    if order.refused:
        left_out.append(order.refused)
    steps, unread = _told(order.steps, sizes)
    left_out += unread
    answers = unanswered(context, order.steps, proposed.by_cause, useful.useless)
    left_out += answers.values()
    plan = laid_out(context, steps, sizes, until_percent)
    return replace(plan, left_out=tuple(dict.fromkeys((*left_out, *plan.left_out))), answers=answers)


def refusal(context: PlanContext) -> str:
    """Why nothing at all can be removed; "" where something can."""
    local, mount = context.engine.local, context.ledger.filesystem.mount
    if isinstance(local, Exact) and not local.value:
        return remote()
    return read_only(mount.mountpoint) if mount.takes_no_writes else ""


def laid_out(context: PlanContext, order: tuple[Draft, ...], sizes: Sizes, until_percent: float | None = None) -> Plan:
    """These drafts as a plan: each with what it frees in its turn, those that destroy data apart."""
    trimmed = _trimmed(context, order, sizes, until_percent)
    chosen, unlocks = [draft.id for draft in trimmed.steps], sizes.unlocks
    return Plan(
        _steps(context, trimmed.steps, in_turn(unlocks, chosen), inodes_in_turn(unlocks, chosen), sizes),
        _kept(unlocks, (*trimmed.steps, *trimmed.for_person)),
        trimmed.left_out,
        for_person=_for_person(context, trimmed, sizes),
        target=trimmed.target,
    )


def _told(order: tuple[Draft, ...], sizes: Sizes) -> tuple[tuple[Draft, ...], tuple[str, ...]]:
    """Without what destroys data where neither the disk nor the engine tells what would come free; and its sentence."""
    unread = {draft.id: draft for draft in order if draft.harm is Harm.DATA and not sizes.told(draft)}
    said = (not_read(tuple(draft.title for draft in unread.values())),) if unread else ()
    return tuple(draft for draft in order if draft.id not in unread), said


def _trimmed(context: PlanContext, order: tuple[Draft, ...], sizes: Sizes, until_percent: float | None) -> TrimmedPlan:
    if until_percent is not None:
        return trim_to_target(context.space, until_percent, order, sizes)
    steps = tuple(draft for draft in order if draft.harm < Harm.DATA)
    return TrimmedPlan(steps, tuple(draft for draft in order if draft.harm is Harm.DATA), None, ())


def _for_person(context: PlanContext, trimmed: TrimmedPlan, sizes: Sizes) -> tuple[Step, ...]:
    """Largest first, each with what it alone frees after all the steps."""
    before, frees = frozenset(draft.id for draft in trimmed.steps), Counter[str]()
    alone = [
        Unlock(left, unlock.bytes, unlock.inodes) for unlock in sizes.unlocks if len(left := unlock.steps - before) == 1
    ]
    for unlock in alone:
        frees.update(dict.fromkeys(unlock.steps, unlock.bytes))
    inodes = inodes_in_turn(alone, [draft.id for draft in trimmed.for_person])
    drafts = trimmed.for_person
    place = {draft.id: -charged(sizes.of(draft, frees[draft.id])) for draft in drafts}
    nothing = frozenset(step for step, count in place.items() if not count)
    return _steps(context, ordered(drafts, place, nothing), frees, inodes, sizes)


def proposals(context: PlanContext) -> Proposed:
    """A draft that several causes propose is one, and answers all of them."""
    drafts: dict[str, Draft] = {}
    left_out: list[str] = []
    by_cause: dict[str, Proposal] = {}
    for cause in causes.CAUSES:
        proposal = context.once(cause.propose)
        for draft in proposal.drafts:
            before = drafts[draft.id].causes if draft.id in drafts else ()
            drafts[draft.id] = replace(draft, causes=(*before, cause.id))
        left_out += proposal.left_out
        by_cause[cause.id] = proposal
    return _here(context, Proposed(tuple(drafts.values()), tuple(left_out), by_cause))


def _here(context: PlanContext, proposed: Proposed) -> Proposed:
    """Without what lies on other filesystems only, unless something of this one requires it.

    What causes say beside their remedies stands with the filesystem on which they were found or have one.
    """
    elsewhere = context.elsewhere
    if not elsewhere:
        return proposed
    needed = closures(proposed.drafts)
    mine = [draft for draft in proposed.drafts if not draft.targets or not elsewhere.issuperset(draft.targets)]
    kept = frozenset[str]().union(*(needed[draft.id] for draft in mine))
    return replace(
        proposed,
        drafts=tuple(draft for draft in proposed.drafts if draft.id in kept),
        left_out=proposed.left_out if context.of_root else _said_here(context, mine, proposed.by_cause),
    )


def _said_here(context: PlanContext, mine: Iterable[Draft], by_cause: Mapping[str, Proposal]) -> tuple[str, ...]:
    """The sentences of causes with a finding on this filesystem, or with one of its drafts."""
    told = {finding.rule for finding in context.findings}.union(*(draft.causes for draft in mine))
    return tuple(text for cause, its in by_cause.items() if cause in told for text in its.left_out)


def _useful(context: PlanContext, drafts: tuple[Draft, ...], aliases: Aliases, preparation: Preparation) -> Useful:
    """Without the steps, and without the targets of groups, that free nothing even together with all the others.

    Where something was not measured nothing is called useless.
    """
    reduced = reduce(context.books.releases, drafts, aliases)
    if not isinstance(context.books.unread, Exact):
        return Useful(drafts, reduced, (), {})
    useful = reduced.useful | preparation.useful
    trimmed = tuple(_trim(draft, useful) for draft in drafts)
    reduced = reduce(context.books.releases, trimmed, aliases)
    kept = _freeing(context, trimmed, reduced, preparation)
    left = {draft.id for draft in kept}
    said, useless = _useless([draft for draft in trimmed if draft.id not in left], reduced)
    there = tuple(d if d.requires <= left else replace(d, requires=d.requires & left) for d in kept)
    return Useful(there, reduced, said, useless)


def _freeing(context: PlanContext, drafts: Sequence[Draft], reduced: Reduced, preparation: Preparation) -> list[Draft]:
    """Those that free bytes, or whose point is another; and, while metadata is lacking, those that free some of it."""
    helps = frozenset[str]().union(*(unlock.steps for unlock in reduced.unlocks))
    kept = [d for d in drafts if d.id in helps or d.frees_elsewhere or d.estimate is not None]
    only_metadata = preparation.helps.difference(draft.id for draft in kept)
    return [*kept, *(for_metadata(d, preparation, context) for d in drafts if d.id in only_metadata)]


def _useless(drafts: Iterable[Draft], reduced: Reduced) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """One sentence for each reason why some of these free nothing; and which of them is about which cause."""
    by_reason: defaultdict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        by_reason[blocked(reduced.blockers.get(draft.id, frozenset()))].append(draft)
    said: list[str] = []
    useless: dict[str, str] = {}
    for why, mine in by_reason.items():
        said.append(frees_nothing(tuple(draft.title for draft in mine), why))
        useless.update((cause, said[-1]) for draft in mine for cause in draft.causes)
    return tuple(said), useless


def _trim(draft: Draft, useful: frozenset[Owner]) -> Draft:
    if draft.trim is None:
        return draft
    wanted = reached((target for target in draft.targets if target in useful), draft.trim)
    left = tuple(target for target in draft.targets if target in wanted)
    return draft if left == draft.targets or not left else draft.only_for(left)


def _steps(
    context: PlanContext,
    order: Sequence[Draft],
    frees: Mapping[str, int],
    inodes: Mapping[str, int],
    sizes: Sizes,
) -> tuple[Step, ...]:
    found = {draft.id: context.findings_of(draft.targets, draft.causes) for draft in order}
    return tuple(
        Step(
            id=draft.id,
            action=draft.action,
            title=draft.title,
            command=draft.command,
            targets=draft.targets,
            frees=sizes.of(draft, frees[draft.id]),
            frees_inodes=inodes.get(draft.id),
            risk=draft.risk,
            harm=draft.harm,
            needs=draft.needs,
            costs=draft.costs,
            undo=draft.undo,
            rule=next((finding.rule for finding in found[draft.id]), ""),
            automatic=draft.automatic,
            cause=draft.causes[0],
            young_s=draft.young_s,
            answers=tuple(finding.id for finding in found[draft.id]),
        )
        for draft in order
    )


def _kept(unlocks: Sequence[Unlock], order: Sequence[Draft]) -> tuple[Unlock, ...]:
    steps = {draft.id for draft in order}
    return tuple(unlock for unlock in unlocks if unlock.steps <= steps)
