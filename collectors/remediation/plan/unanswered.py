"""No finding that names bytes stays without an answer: a step, a sentence of its own, or what a person has to do."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.diagnosis.culprit import SYMPTOMS
from collectors.remediation.plan import explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft

# These tell how full it is, not what could go; the balance has its own sentences. ext's reserve is a remedy though.
_NOT_ABOUT_THINGS = (SYMPTOMS - {"ext-reserve"}) | {"btrfs-metadata", "btrfs-unallocated"}


def unanswered(case: Case, drafts: Iterable[Draft], answered: frozenset[str]) -> tuple[str, ...]:
    """One sentence for each finding with bytes that neither a step nor a sentence (`answered`) is about."""
    rules, targets = set(answered), set[str]()
    for draft in drafts:
        rules.update(draft.rules)
        targets.update(draft.targets)
    return tuple(
        explain.no_step(finding.claim, finding.remedy)
        for finding in case.findings
        if finding.bytes is not None
        and finding.rule not in _NOT_ABOUT_THINGS
        and finding.rule not in rules
        and targets.isdisjoint(finding.owners)
    )
