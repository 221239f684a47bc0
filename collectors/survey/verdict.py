"""One sentence that names the biggest culprit and what frees it."""

from __future__ import annotations

from collectors.causes.detection import culprit, is_symptom
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category, Ledger
from collectors.model.plan import Plan
from collectors.model.reading import Unavailable
from collectors.model.sums import charged
from collectors.report import words


def verdict(ledger: Ledger | None, findings: tuple[Finding, ...], plan: Plan, severity: Severity) -> str:
    """The sentence, foreign names already escaped."""
    if ledger is None:
        return "The disk could not be read; see Coverage."
    space = ledger.filesystem.space
    if isinstance(space, Unavailable):
        return f"How full the disk is could not be read: {words.quoted(words.unread(space), None)}."
    used = f"{words.whole_percent(space.value.used_percent)} used"
    remedy = _remedy(plan)
    writes_fail = next((f for f in findings if f.severity is Severity.P0 and not is_symptom(f)), None)
    if writes_fail is not None:
        return f"{_sentence(writes_fail)}; {words.quoted(writes_fail.remedy, 200)}."
    named = culprit(findings)
    if severity >= Severity.P2 and named is not None and named.bytes is not None:
        amount = words.size(named.bytes)
        return f"{used}; {amount} in {words.quoted(named.claim, 200)}{remedy}."
    largest = max(
        (row for row in ledger.rows if row.category is not Category.UNATTRIBUTED), key=lambda row: charged(row.charged)
    )
    name = largest.category.value.replace("_", " ")
    if severity >= Severity.P2:
        return f"{used}; the largest category is {name} ({words.size(largest.charged)}){remedy}."
    return f"No action needed: {used}; the largest category is {name} ({words.size(largest.charged)})."


def _sentence(finding: Finding) -> str:
    claim = words.quoted(finding.claim, 240)
    return claim[:1].upper() + claim[1:]


def _remedy(plan: Plan) -> str:
    steps = [step for step in plan.steps if step.automatic]
    freed = plan.frees_bytes(frozenset(step.id for step in steps))
    if freed:
        return f"; the plan frees {words.bytes_(freed)} in {words.count(len(steps), 'step')}"
    if plan.steps:
        return "; what would help needs a decision by a person: see the plan"
    return "; nothing that could be removed would help"
