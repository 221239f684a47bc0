"""A report of hostile names throughout, in every form that is written somewhere."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.causes.base import command
from collectors.journal import Record, encoding
from collectors.journal.appending import compose
from collectors.journal.vault import keep
from collectors.model.plan import Finding, Severity
from collectors.model.report import Report
from collectors.pipeline.run_record import bullets, tasks
from collectors.report import document, text
from tests.hostile import NAME, check_journal, check_page, check_task, hidden_in
from tests.tui.shapes import HOSTILE, hostile

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def report() -> Report:
    """Every name that the shapes know, and the worst one in every field of a finding."""
    found = hostile()
    worst = Finding("worst", Severity.P0, NAME, None, ((NAME, NAME), (NAME, NAME)), NAME, (), True)
    churned = replace(found.trend.churn[0], repository=NAME, busting_step=NAME)
    trend = replace(found.trend, churn=(churned, *found.trend.churn))
    # Whoever puts a name into a command quotes it for the shell.
    steps = [replace(s, command=command("rm", "--", s.title), undo=command("cp", s.title)) for s in found.plan.steps]
    steps.append(replace(steps[0], title=NAME, command=command("rm", "--", NAME), needs=NAME, costs=NAME, undo=""))
    plan = replace(found.plan, steps=tuple(steps))
    return replace(found, findings=(worst, *found.findings), trend=trend, plan=plan)


def test_the_page_has_its_own_headers_and_fields_only(report: Report) -> None:
    check_page(text.render(report))


def test_a_supervisor_that_greps_the_page_finds_one_figure(report: Report) -> None:
    ended = subprocess.run(
        ["grep", "-oP", r"Disk:\s+\K[0-9]+"], input=text.render(report), capture_output=True, text=True, check=True
    )
    assert len(ended.stdout.splitlines()) == 1


def test_the_document_comes_back_with_every_name_as_it_was_and_is_ascii(report: Report) -> None:
    written = json.dumps(document.encode(report))
    assert written.isascii()
    assert hidden_in(written) == set()
    read = json.loads(written)
    assert read["findings"][0]["title"] == NAME
    assert read["trend"]["churn"][0]["busting_step"] == NAME
    assert {one["repository"] for one in read["trend"]["churn"]} == {NAME, *HOSTILE}


def test_the_journal_gets_one_header_and_one_machine_line(report: Report) -> None:
    record = replace(a_record(), tags={NAME: "0" * 16}, owners={f"image:{NAME}": 1}, orphans=frozenset({NAME}))
    entry = compose(record, bullets(report, record, None), encoding.encode(record, None))
    check_journal(entry, 1)


def test_the_vault_items_keep_their_shape(report: Report, tmp_path: Path) -> None:
    kept = keep(tmp_path, tasks(report, None), host="h", shown="h", now=NOW)
    assert not kept.failed
    assert len(kept.written) == len({f.rule for f in report.findings if f.severity >= Severity.P2})
    for path in kept.written:
        check_task(path.read_text())


def test_a_command_with_a_hostile_word_gives_the_shell_that_word() -> None:
    ended = subprocess.run(["bash", "-c", command("printf", "%s", NAME)], capture_output=True, check=True)
    assert ended.stdout.decode() == NAME


def a_record() -> Record:
    """A run of which nothing is known."""
    return Record(
        at=NOW,
        boot_id=None,
        uptime_s=None,
        filesystem=None,
        total_bytes=None,
        used_bytes=None,
        available_bytes=None,
        severity=Severity.P0,
        categories={},
        allocation=None,
        owners=None,
        tags=None,
        dangling=None,
        orphans=None,
        findings=(),
        actions=(),
    )
