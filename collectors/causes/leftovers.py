"""What the engine began and never finished, and what it no longer uses: for the causes that find and remove these."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.finding_context import FindingContext, largest, owners
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import charged
from collectors.model.store import Unit, UnitKind

ENGINE_STOPPED = "the engine stopped, and its socket unit too, so that nothing starts it meanwhile"


def detect_leftovers(
    context: FindingContext, cause: str, kind: UnitKind, claim: str, remedy: str, *, at_any_size: bool = False
) -> Iterable[Finding]:
    """All things of this kind together; small ones for information, where they are worth it `at_any_size`.

    Of temporary files only those that nobody has open and nothing touched for long.
    """
    items = context.in_state(Category.DOCKER_OTHER, kind.value)
    items = tuple(i for i in items if kind is not UnitKind.TEMPORARY or i.owner_id.kind is OwnerKind.LEFTOVER)
    amount = context.sum(item.referenced for item in items)
    notable = context.notable(charged(amount))
    if items and (notable or at_any_size):
        severity = context.severity(amount, Severity.P3 if notable else Severity.P4)
        yield Finding(cause, severity, claim, amount, largest(items), remedy, owners(items), True)


def leftovers(context: PlanContext, kind: UnitKind) -> tuple[Unit, ...]:
    """Those of this kind that are proved to be left behind."""
    mine = (unit for unit in context.units if unit.kind is kind)
    return tuple(unit for unit in mine if any(who.kind is OwnerKind.LEFTOVER for who in unit.owners))


def targets(units: Iterable[Unit]) -> tuple[Owner, ...]:
    """All their owners."""
    return tuple(sorted(frozenset[Owner]().union(*(unit.owners for unit in units))))
