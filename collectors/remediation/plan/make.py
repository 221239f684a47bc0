"""The plan: what each kind of thing offers, reduced to steps that free something, in order, cut at the target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from collectors.model.finding import Finding
from collectors.model.ledger import Books, Ledger
from collectors.model.owner import Owner
from collectors.model.plan import Plan, Step, Unlock
from collectors.model.reading import Exact
from collectors.model.snapshot import Snapshot
from collectors.remediation.plan import explain
from collectors.remediation.plan.btrfs import filesystem
from collectors.remediation.plan.build_cache import build_cache
from collectors.remediation.plan.builders import builders
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.containers import containers, removed_by
from collectors.remediation.plan.cut import cut
from collectors.remediation.plan.draft import Draft, Found
from collectors.remediation.plan.half_done import half_done
from collectors.remediation.plan.host_logs import host_logs
from collectors.remediation.plan.images import hidden, images
from collectors.remediation.plan.keep import Rules
from collectors.remediation.plan.leftovers import leftovers
from collectors.remediation.plan.logs import logs
from collectors.remediation.plan.metadata import Ladder, climb, for_metadata, with_balance
from collectors.remediation.plan.open_files import open_files, with_open_files
from collectors.remediation.plan.order import promote
from collectors.remediation.plan.sizes import Sizes
from collectors.remediation.plan.unanswered import unanswered
from collectors.remediation.plan.unlocks import Aliases, Reduced, in_turn, reduce
from collectors.remediation.plan.volumes import volumes


def plan(
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
    case = Case(snapshot, ledger, books, findings, rules, last_used, now)
    case = replace(case, books=with_open_files(books, case.study))
    if isinstance(snapshot.engine.local, Exact) and not snapshot.engine.local.value:
        return Plan((), (), (explain.remote(),))
    found = _offers(case)
    aliases = hidden(case)
    ladder = climb(case, found.drafts, aliases)
    drafts, reduced, useless = _useful(case, found.drafts, aliases, ladder)
    left_out = [*found.left_out, *useless, *ladder.refused]
    order = with_balance(promote(drafts, reduced.unlocks), ladder)
    if order.refused:
        left_out.append(order.refused)
    left_out += unanswered(case, order.steps, found.answered)
    sizes = Sizes(case, reduced.unlocks)
    steps = order.steps
    if until_percent is not None:
        steps, said = cut(case.space, until_percent, steps, sizes)
        left_out += said
    return Plan(_steps(case, steps, sizes), _kept(reduced.unlocks, steps), tuple(dict.fromkeys(left_out)))


def _offers(case: Case) -> Found:
    stopped = containers(case)
    gone = frozenset(t.id for draft in stopped.drafts for t in draft.targets)
    parts = (
        filesystem(case),
        build_cache(case),
        stopped,
        images(case, removed_by(stopped)),
        logs(case, gone),
        half_done(case),
        leftovers(case),
        open_files(case),
        builders(case, (t for draft in stopped.drafts for t in draft.targets)),
        volumes(case),
        host_logs(case),
    )
    return Found(
        tuple(draft for part in parts for draft in part.drafts),
        tuple(sentence for part in parts for sentence in part.left_out),
        frozenset[str]().union(*(part.answered for part in parts)),
    )


def _useful(
    case: Case, drafts: tuple[Draft, ...], aliases: Aliases, ladder: Ladder
) -> tuple[tuple[Draft, ...], Reduced, tuple[str, ...]]:
    """Without the steps, and without the targets of groups, that free nothing even together with all the others.

    Where something was not measured nothing is called useless.
    """
    reduced = reduce(case.books.releases, drafts, aliases)
    if not isinstance(case.books.unread, Exact):
        return drafts, reduced, ()
    useful = reduced.useful | ladder.useful
    trimmed = tuple(_trim(draft, useful) for draft in drafts)
    reduced = reduce(case.books.releases, trimmed, aliases)
    helps = frozenset[str]().union(*(unlock.steps for unlock in reduced.unlocks))
    kept = [d for d in trimmed if d.id in helps or d.frees_elsewhere or d.estimate is not None]
    freeing = {draft.id for draft in kept}
    kept += [for_metadata(d, ladder, case) for d in trimmed if d.id in ladder.helps and d.id not in freeing]
    left = {draft.id for draft in kept}
    useless: defaultdict[str, list[str]] = defaultdict(list)
    for draft in trimmed:
        if draft.id not in left:
            useless[explain.blocked(reduced.blockers.get(draft.id, frozenset()))].append(draft.title)
    sentences = tuple(explain.frees_nothing(tuple(titles), why) for why, titles in useless.items())
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


def _steps(case: Case, order: Sequence[Draft], sizes: Sizes) -> tuple[Step, ...]:
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
            rule=case.rule_for(draft.targets, draft.rules),
            automatic=draft.automatic,
        )
        for draft in order
    )


def _kept(unlocks: Sequence[Unlock], order: Sequence[Draft]) -> tuple[Unlock, ...]:
    steps = {draft.id for draft in order}
    return tuple(unlock for unlock in unlocks if unlock.steps <= steps)
