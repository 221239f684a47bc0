"""A task of the vault is enough to act on: what, how much and where, why a person, and by which command."""

from __future__ import annotations

from collectors import causes
from collectors.model.finding import Severity
from collectors.pipeline.remember import tasks
from collectors.report import formatting
from tests.tui.incident import incident


def test_a_task_says_what_where_why_a_person_and_how() -> None:
    report = incident()
    findings = {finding.rule: finding for finding in report.findings if finding.severity >= Severity.P2}
    made = tasks(report, None)
    assert {task.rule for task in made} == findings.keys() != set()
    with_steps = alarms = 0
    for task in made:
        finding = findings[task.rule]
        assert task.needed.startswith(formatting.quoted(finding.claim, 200))
        assert task.needed.endswith(f" on {report.host}")
        assert finding.bytes is None or formatting.size(finding.bytes) in task.needed
        assert sum(line.startswith("Why the supervisor cannot do it itself: ") for line in task.what) == 1
        assert task.unblocks[0].startswith("- Factory health: ")
        cause = causes.find(task.rule)
        alarm = cause is not None and cause.short_of is not None
        steps = [step for step in report.plan.every_step if alarm or step.rule == task.rule]
        steps = [step for step in steps if not alarm or step in report.plan.steps]
        with_steps += bool(steps)
        alarms += alarm
        commands = [line for line in task.what if line.startswith("  Command: ")]
        assert commands == [f"  Command: {formatting.safe(step.command)}" for step in steps]
    assert with_steps > alarms > 0
