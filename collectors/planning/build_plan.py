"""The plan: what each cause proposes, reduced to steps that free something, in order, trimmed to the target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from collectors import causes
from collectors.causes.base import Draft
from collectors.causes.deleted_open import with_open_files
from collectors.causes.plan_context import PlanContext
from collectors.ledger.charge import hidden_parents
from collectors.model.finding import Finding
from collectors.model.ledger import Books, Ledger
from collectors.model.owner import Owner
from collectors.model.plan import Plan, Step, Unlock
from collectors.model.reading import Exact
from collectors.model.settings import Rules
from collectors.model.snapshot import Snapshot
from collectors.planning.left_out import blocked, frees_nothing, read_only, remote, unanswered
from collectors.planning.order import Preparation, for_metadata, order_with_balance, prepare, promote
from collectors.planning.target import trim_to_target
from collectors.planning.unlocks import Aliases, Reduced, Sizes, in_turn, reduce


@dataclass(frozen=True, slots=True)
class Proposed:
    """What all causes propose together. `answered` are ids of causes that a sentence is about."""

    drafts: tuple[Draft, ...]
    left_out: tuple[str, ...]
    answered: frozenset[str]


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
    """What would help on this filesystem, safest first.

    `last_used` maps owners to when the journal last saw them in use (or, never used, first saw them at all).
    `until_percent` keeps only the shortest safest steps that bring used down to it, and says so where nothing can.
    """
    context = PlanContext(snapshot, ledger, books, findings, rules, last_used, now)
    context = replace(context, books=with_open_files(books, context.study))
    if isinstance(snapshot.engine.local, Exact) and not snapshot.engine.local.value:
        return Plan((), (), (remote(),))
    if "ro" in ledger.filesystem.mount.super_options:
        return Plan((), (), (read_only(ledger.filesystem.mount.mountpoint),))
    proposed = _proposed(context)
    aliases = hidden_parents(snapshot)
    preparation = prepare(context, proposed.drafts, aliases)
    drafts = tuple(draft for draft in proposed.drafts if draft.metadata is None)
    drafts, reduced, useless = _useful(context, drafts, aliases, preparation)
    left_out = [*proposed.left_out, *useless]
    order = order_with_balance(promote(drafts, reduced.unlocks), preparation)
    if order.refused:
        left_out.append(order.refused)
    left_out += unanswered(context, order.steps, proposed.answered)
    sizes = Sizes(context, reduced.unlocks)
    steps = order.steps
    if until_percent is not None:
        trimmed = trim_to_target(context.space, until_percent, steps, sizes)
        steps = trimmed.steps
        left_out += trimmed.left_out
    return Plan(_steps(context, steps, sizes), _kept(reduced.unlocks, steps), tuple(dict.fromkeys(left_out)))


def _proposed(context: PlanContext) -> Proposed:
    """A draft that several causes propose is one, and answers all of them."""
    drafts: dict[str, Draft] = {}
    left_out: list[str] = []
    answered: set[str] = set()
    for cause in causes.CAUSES:
        proposal = context.once(cause.propose)
        for draft in proposal.drafts:
            before = drafts[draft.id].causes if draft.id in drafts else ()
            drafts[draft.id] = replace(draft, causes=(*before, cause.id))
        left_out += proposal.left_out
        if proposal.answered:
            answered.add(cause.id)
    return Proposed(tuple(drafts.values()), tuple(left_out), frozenset(answered))


def _useful(
    context: PlanContext, drafts: tuple[Draft, ...], aliases: Aliases, preparation: Preparation
) -> tuple[tuple[Draft, ...], Reduced, tuple[str, ...]]:
    """Without the steps, and without the targets of groups, that free nothing even together with all the others.

    Where something was not measured nothing is called useless.
    """
    reduced = reduce(context.books.releases, drafts, aliases)
    if not isinstance(context.books.unread, Exact):
        return drafts, reduced, ()
    useful = reduced.useful | preparation.useful
    trimmed = tuple(_trim(draft, useful) for draft in drafts)
    reduced = reduce(context.books.releases, trimmed, aliases)
    helps = frozenset[str]().union(*(unlock.steps for unlock in reduced.unlocks))
    kept = [d for d in trimmed if d.id in helps or d.frees_elsewhere or d.estimate is not None]
    freeing = {draft.id for draft in kept}
    helps = preparation.helps - freeing
    kept += [for_metadata(d, preparation, context) for d in trimmed if d.id in helps]
    left = {draft.id for draft in kept}
    useless: defaultdict[str, list[str]] = defaultdict(list)
    for draft in trimmed:
        if draft.id not in left:
            useless[blocked(reduced.blockers.get(draft.id, frozenset()))].append(draft.title)
    sentences = tuple(frees_nothing(tuple(titles), why) for why, titles in useless.items())
    return tuple(replace(d, requires=d.requires & left) for d in kept), reduced, sentences


def _trim(draft: Draft, useful: frozenset[Owner]) -> Draft:
    if draft.trim is None:
        return draft
    wanted = {target for target in draft.targets if target in useful}
    wanted |= {before for target in wanted for before in draft.trim[target]}
    left = tuple(target for target in draft.targets if target in wanted)
    if left == draft.targets or not left:
        return draft
    requires = draft.requires
    if draft.requires_for is not None:
        requires = frozenset[str]().union(*(draft.requires_for[target] for target in left))
    command = draft.command_for(left) if draft.command_for else draft.command
    return replace(draft, targets=left, requires=requires, command=command)


def _steps(context: PlanContext, order: Sequence[Draft], sizes: Sizes) -> tuple[Step, ...]:
    frees = in_turn(sizes.unlocks, [draft.id for draft in order])
    return tuple(
        Step(
            id=draft.id,
            action=draft.action,
            title=draft.title,
            command=draft.command,
            targets=draft.targets,
            frees=sizes.of(draft, frees[draft.id]),
            risk=draft.risk,
            needs=draft.needs,
            costs=draft.costs,
            undo=draft.undo,
            rule=context.finding_of(draft.targets, draft.causes),
            automatic=draft.automatic,
            cause=draft.causes[0],
        )
        for draft in order
    )


def _kept(unlocks: Sequence[Unlock], order: Sequence[Draft]) -> tuple[Unlock, ...]:
    steps = {draft.id for draft in order}
    return tuple(unlock for unlock in unlocks if unlock.steps <= steps)
