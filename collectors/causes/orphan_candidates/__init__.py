"""Directories that nobody knows and that are not proven to be orphans: too young, or a source could not be read."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause, Proposal
from collectors.causes.commands import are
from collectors.causes.finding_context import FindingContext, count, largest
from collectors.causes.orphans import proved
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import charged
from collectors.model.store import Orphanhood

ID = "orphan-candidates"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    unproven = context.in_state(Category.DOCKER_OTHER, Orphanhood.YOUNG.value, Orphanhood.UNKNOWN.value)
    amount = context.sum(item.referenced for item in unproven)
    if unproven and context.notable(charged(amount)):
        directories = count(len(unproven), "layer directory", "layer directories")
        claim = f"{directories} apparently unreferenced, not proven to be orphans"
        evidence = (*largest(unproven), ("why", unproven[0].note or unproven[0].state))
        remedy = "wait: a later run proves it once they are old enough and every owner source was read"
        yield Finding(ID, Severity.P4, claim, amount, evidence, remedy, (), False)


def propose(context: PlanContext) -> Proposal:
    """Nothing: the sentence says what they wait for."""
    _, unproved = context.once(proved)
    return Proposal((), (_left_alone(unproved),), answered=True) if unproved else Proposal()


def _left_alone(count: int) -> str:
    return (
        f"{count} {'layer' if count == 1 else 'layers'} apparently unreferenced {are(count)} not proved to be "
        f"{'an orphan' if count == 1 else 'orphans'} (too young, seen once, or an owner source could not be read): "
        "left alone."
    )


LINE = "layer directories apparently unreferenced, not proven to be orphans"
CAUSE = Cause(ID, Category.ORPHANS, None, None, LINE, detect, propose)
