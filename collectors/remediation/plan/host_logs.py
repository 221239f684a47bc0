"""What the host itself piles up beside Docker: the system journal and core dumps. Proposed to a person, never done."""

from __future__ import annotations

from collectors.model.finding import Finding
from collectors.model.plan import Risk
from collectors.model.reading import Between, Origin
from collectors.model.sums import charged
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft, Found, Rank

JOURNAL, CORES = "journald", "core-dumps"
_KEPT_BYTES, _KEPT = 500 << 20, "500M"
_CORE_DAYS = 3


def host_logs(case: Case) -> Found:
    """A step for each of the two findings, as far as anything would come free."""
    by_rule = {finding.rule: finding for finding in case.findings if finding.bytes is not None and finding.evidence}
    drafts: list[Draft] = []
    journal, cores = by_rule.get(JOURNAL), by_rule.get(CORES)
    if cores is not None:
        drafts.append(_cores(case, cores))
    if journal is None:
        return Found(tuple(drafts))
    if _bytes(journal) <= _KEPT_BYTES:
        return Found(tuple(drafts), (explain.nothing_to_vacuum(_KEPT),), frozenset({JOURNAL}))
    return Found((*drafts, _journal(case, journal)))


def _journal(case: Case, finding: Finding) -> Draft:
    count = _bytes(finding)
    return Draft(
        id=JOURNAL,
        action="journal.vacuum",
        title=f"Shorten the system journal to {_KEPT}",
        command=commands.line("journalctl", f"--directory={finding.evidence[0][0]}", f"--vacuum-size={_KEPT}"),
        targets=(),
        rank=Rank.HOST,
        within=(JOURNAL,),
        risk=Risk.DESTRUCTIVE,
        needs="somebody who does not need the older entries; then SystemMaxUse= in journald.conf, or it grows back",
        costs="the oldest entries are lost; files in use stay",
        undo="none",
        automatic=False,
        rules=(JOURNAL,),
        estimate=_between(case, JOURNAL, count - _KEPT_BYTES, count, "whole archived files go, those in use stay"),
    )


def _cores(case: Case, finding: Finding) -> Draft:
    count = _bytes(finding)
    words = ("-xdev", "-type", "f", "-name", "core.*", "-mtime", f"+{_CORE_DAYS}", "-delete")
    return Draft(
        id=CORES,
        action="core-dumps.remove",
        title=f"Remove core dumps older than {_CORE_DAYS} days",
        command=commands.line("find", finding.evidence[0][0], *words),
        targets=(),
        rank=Rank.HOST,
        within=(CORES,),
        risk=Risk.DESTRUCTIVE,
        needs="somebody who has looked at them (coredumpctl list); then MaxUse= in coredump.conf",
        costs="what crashed can no longer be looked into",
        undo="none",
        automatic=False,
        rules=(CORES,),
        estimate=_between(case, CORES, count, count, "how old each of them is was not read"),
    )


def _bytes(finding: Finding) -> int:
    return charged(finding.bytes) if finding.bytes is not None else 0


def _between(case: Case, what: str, best: int, most: int, method: str) -> Between:
    return Between(best, 0, most, 0.9, method, Origin("plan", what, case.snapshot.ended_at, 0.0))
