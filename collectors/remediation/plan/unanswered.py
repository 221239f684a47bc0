"""No finding that names bytes stays without an answer: a step, a sentence of its own, or what a person has to do."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.diagnosis.culprit import SYMPTOMS
from collectors.model.owner import Owner
from collectors.model.store import UnitKind
from collectors.model.sums import charged
from collectors.remediation.plan import explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft

# What lies inside containers and volumes goes with them.
_INSIDE = {"container-core-dumps": UnitKind.CORE_DUMP, "nested-root": UnitKind.NESTED_ROOT}
# These tell how full it is, not what could go; the balance has its own sentences. ext's reserve is a remedy though.
_NOT_ABOUT_THINGS = (SYMPTOMS - {"ext-reserve"}) | {"btrfs-metadata", "btrfs-unallocated"}


def unanswered(case: Case, drafts: Iterable[Draft], answered: frozenset[str]) -> tuple[str, ...]:
    """One sentence for each finding with bytes that neither a step nor a sentence (`answered`) is about."""
    rules, targets = set(answered), set[Owner]()
    for draft in drafts:
        rules.update(draft.rules)
        targets.update(draft.targets)
    return tuple(
        explain.no_step(finding.claim, finding.remedy)
        for finding in case.findings
        if finding.bytes is not None
        and charged(finding.bytes)
        and finding.rule not in _NOT_ABOUT_THINGS
        and finding.rule not in rules
        and targets.isdisjoint(finding.owners)
        and not _gone(case, finding.rule, targets)
    )


def _gone(case: Case, rule: str, targets: set[Owner]) -> bool:
    """Does everything that the finding is about go with something else?"""
    kind = _INSIDE.get(rule)
    inside = [unit for unit in case.units if unit.kind is kind]
    return bool(inside) and all(unit.owners and unit.owners <= targets for unit in inside)
