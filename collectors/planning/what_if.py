"""What if exactly these things went: the bytes that come free together, and the steps that would remove them. Pure.

Whatever somebody marks is answered: the bytes are those of the set, from the release table, in use or not. The steps
are those of the causes, cut down to what was marked, so they are checked and carried out like any other plan's; what
no step removes is named with the reason. A step never takes along what nobody marked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from collectors.causes.base import Draft
from collectors.causes.deleted_open import with_open_files
from collectors.causes.plan_context import PlanContext
from collectors.ledger.charge import hidden_parents
from collectors.ledger.release_table import closure, freed_bytes
from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Books, Item, Ledger
from collectors.model.plan import MarkedSet, Plan
from collectors.model.reading import Exact, Origin, Size, Unavailable, Why, total
from collectors.planning import laid_out, proposals, refusal
from collectors.planning.order import ordered, promote
from collectors.planning.unlocks import Aliases, Sizes, reached, reduce

WhatIf = Callable[[frozenset[Owner]], MarkedSet]
_SMALL_LOG = "only large logs are cut"
_NOT_TOLD = "what they share is not known: no release table has all of them"


def what_if(context: PlanContext) -> WhatIf:
    """A function from marked things to what it would be if they went; asked often, it asks the causes once."""
    return _Answers(replace(context, books=with_open_files(context.books, context.study))).of


def what_if_recorded(ledger: Ledger, plan: Plan, at: datetime) -> WhatIf:
    """The same from a report alone, which has no release table.

    Exact for one thing, and for several where steps of the plan remove exactly these.
    """

    def of(marked: frozenset[Owner]) -> MarkedSet:
        gone = closure(marked)
        steps = tuple(step for step in plan.steps if step.targets and gone.issuperset(step.targets))
        persons = tuple(step for step in plan.for_person if step.targets and gone.issuperset(step.targets))
        ids = frozenset(step.id for step in (*steps, *persons))
        mine = Plan(steps, tuple(one for one in plan.unlocks if one.steps <= ids), (), plan.mount, persons)
        removed = closure(target for step in mine.every_step for target in step.targets)
        freed = _exactly(mine, at) if marked <= removed else None
        without = _without(ledger, (marked - removed) & owners_of(ledger), {})
        return MarkedSet(marked, freed or _together(ledger, marked, None, at), mine, without)

    return of


def _exactly(plan: Plan, at: datetime) -> Size | None:
    """What these steps free together; None where one of them was not measured."""
    measured = all(isinstance(step.frees, Exact) for step in plan.every_step)
    return Exact(plan.frees_bytes(frozenset(step.id for step in plan.every_step)), _origin(at)) if measured else None


@dataclass(frozen=True, slots=True)
class _Answers:
    context: PlanContext
    aliases: Aliases = field(init=False)
    drafts: tuple[Draft, ...] = field(init=False)  # of every cause, those that remove something
    refusal: str = field(init=False)  # why there are none at all, "" for nothing

    def __post_init__(self) -> None:
        object.__setattr__(self, "aliases", hidden_parents(self.context.snapshot))
        object.__setattr__(self, "refusal", refusal(self.context))
        drafts = () if self.refusal else proposals(self.context).drafts
        object.__setattr__(self, "drafts", tuple(draft for draft in drafts if draft.targets))

    def of(self, marked: frozenset[Owner]) -> MarkedSet:
        context, gone = self.context, closure(marked)
        gone |= {parent for parent, children in self.aliases.items() if children <= gone}
        drafts = _possible(self.drafts, gone)
        unlocks = reduce(context.books.releases, drafts, self.aliases).unlocks
        sizes = Sizes(context, unlocks)
        plan = laid_out(context, ordered(promote(drafts, unlocks), last=sizes.nothing_alone(drafts)), sizes)
        removed = closure(target for draft in drafts for target in draft.targets)
        freed = _together(context.ledger, gone, context.books, context.now)
        first: dict[Owner, str] = {}
        for draft in self.drafts:
            first |= dict.fromkeys(draft.targets, _needs(draft, gone))
        first |= dict.fromkeys(marked if self.refusal else (), self.refusal)
        return MarkedSet(marked, freed, plan, _without(context.ledger, marked - removed, first))


def _possible(drafts: Iterable[Draft], gone: frozenset[Owner]) -> tuple[Draft, ...]:
    """Those that remove nothing but what is in `gone`, cut down to it, as long as what each requires is among them."""
    able = [mine for draft in drafts if (mine := _cut(draft, gone)) is not None]
    there: set[str] = set()
    while len(there) != len(able):
        there = {draft.id for draft in able}
        able = [draft for draft in able if draft.requires <= there]
    return tuple(able)


def _cut(draft: Draft, gone: frozenset[Owner]) -> Draft | None:
    """The draft for its targets in `gone` alone; None where there are none, or where it takes all or nothing."""
    staying = frozenset(draft.targets) - gone
    if not staying:
        return draft
    staying = reached(staying, _turned(draft.trim or {}))  # and what they were made from
    left = tuple(target for target in draft.targets if target not in staying)
    if not left or draft.command_for is None:
        return None
    return draft.only_for(left)


def _turned(edges: Mapping[Owner, Iterable[Owner]]) -> Mapping[Owner, Sequence[Owner]]:
    found: defaultdict[Owner, list[Owner]] = defaultdict(list)
    for one, others in edges.items():
        for other in others:
            found[other].append(one)
    return found


def _needs(draft: Draft, gone: frozenset[Owner]) -> str:
    """Why a step that removes a marked thing cannot do so for what is marked alone."""
    others = len(frozenset(draft.targets) - gone)
    if others and draft.command_for is None:
        return f"goes only together with {others} more: {draft.title[:1].lower()}{draft.title[1:]}"
    return "what was made from it, or what holds it, has to go first"


def _together(ledger: Ledger, gone: frozenset[Owner], books: Books | None, at: datetime) -> Size:
    """What comes free once all of `gone` is gone; a lower bound where no table tells what its members share."""
    releases = books.releases if books is not None else ()
    known = frozenset[Owner]().union(*(release.owners for release in releases))
    others = [item.exclusive for item in _items(ledger, gone - known) if not _is_empty(item)]
    parts: list[Size] = [*others, *(_of_table(books, gone, at) if books is not None else ())]
    if others and len(parts) > 1:
        parts.append(Unavailable(Why.NOT_REPORTED, _NOT_TOLD, _origin(at)))
    return total(parts, _origin(at))


def _of_table(books: Books, gone: frozenset[Owner], at: datetime) -> Iterator[Size]:
    """What the release table says, and what it does not know."""
    if freed := freed_bytes(books, gone):
        yield Exact(freed, _origin(at))
    if isinstance(books.unread, Unavailable):
        yield books.unread


def _items(ledger: Ledger, wanted: frozenset[Owner]) -> list[Item]:
    """Each of these once, without what is counted with another of them: a container's log, a file in a folder."""
    found = {item.owner_id: item for items in ledger.items.values() for item in items if item.owner_id in wanted}
    logs = {Owner(OwnerKind.LOG, owner.id) for owner in found if owner.kind is OwnerKind.CONTAINER}
    folders = {owner.id for owner in found}
    return [item for owner, item in found.items() if owner not in logs and not _lies_in(owner.id, folders)]


def owners_of(ledger: Ledger) -> frozenset[Owner]:
    """What a filesystem lists: of several, each has its own things."""
    return frozenset(item.owner_id for items in ledger.items.values() for item in items)


def _is_empty(item: Item) -> bool:
    return isinstance(item.referenced, Exact) and not item.referenced.value


def _lies_in(path: str, folders: set[str]) -> bool:
    parts = path.split("/") if path.startswith("/") else []
    return any("/".join(parts[:depth]) in folders for depth in range(2, len(parts)))


def _without(ledger: Ledger, left: frozenset[Owner], first: Mapping[Owner, str]) -> Mapping[Owner, str]:
    """Why no step removes each of these: what has to go with it, else the state it is in."""
    items = (item for its in ledger.items.values() for item in its)
    states = {item.owner_id: item.note if item.note and _is_empty(item) else item.state for item in items}
    first = dict.fromkeys((owner for owner in left if owner.kind is OwnerKind.LOG), _SMALL_LOG) | dict(first)
    return {owner: first.get(owner) or states.get(owner) or "nothing here removes it" for owner in sorted(left)}


def _origin(at: datetime) -> Origin:
    return Origin("plan", "what the marked things free together", at, 0.0)
