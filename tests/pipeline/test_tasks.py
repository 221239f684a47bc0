"""A task of the vault is enough to act on: what, how much and where, why a person, and by which command."""

from __future__ import annotations

from dataclasses import replace

from collectors.model.plan import Severity
from collectors.pipeline.run_record import tasks
from collectors.report import formatting
from tests.tui.incident import incident


def test_a_task_says_what_where_why_a_person_and_how() -> None:
    report = incident()
    findings = {finding.rule: finding for finding in report.findings if finding.severity >= Severity.P2}
    made = tasks(report, None)
    assert {task.rule for task in made} == findings.keys() != set()
    with_steps = 0
    for task in made:
        finding = findings[task.rule]
        assert task.needed.startswith(formatting.quoted(finding.claim, 200))
        assert task.needed.endswith(f" on {report.host}")
        assert finding.bytes is None or formatting.size(finding.bytes) in task.needed
        assert sum(line.startswith("Why the supervisor cannot do it itself: ") for line in task.what) == 1
        assert task.unblocks[0].startswith("- Factory health: ")
        steps = [step for step in report.plan.every_step if step.rule == task.rule]
        with_steps += bool(steps)
        commands = [line for line in task.what if line.startswith("  Command: ")]
        assert commands == [f"  Command: {formatting.safe(step.command)}" for step in steps]
    assert with_steps


def test_the_task_of_an_alarm_holds_the_plan_and_not_what_destroys_data() -> None:
    report = incident()
    alarm = replace(report.findings[0], rule="disk-full", severity=Severity.P0, claim="the disk is above 90%")
    first, *others = report.plan.steps
    report = replace(report, findings=(alarm,), plan=replace(report.plan, steps=tuple(others), for_person=(first,)))
    (task,) = tasks(report, None)
    told = [line for line in task.what if line.startswith("- ") and ", frees " in line]
    assert [line[2:].partition(", frees")[0] for line in told] == [step.title for step in report.plan.steps][:10]
    assert not any("no step of the plan" in line for line in task.what)
