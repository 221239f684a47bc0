"""A cause is its folder and one entry of the tuple: a made-up one is seen everywhere, and nothing else was touched."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import jsonschema
import pytest

from collectors import causes
from collectors.causes.base import Cause
from collectors.model import Owner, OwnerKind
from collectors.model.filesystem import Occupancy
from collectors.model.plan import Step
from collectors.model.reading import Exact
from collectors.model.report import Report
from collectors.model.settings import DEFAULTS
from collectors.pipeline.judge import Ruling, close_books, judge, report
from collectors.pipeline.memory import blank
from collectors.reclaim import REMOVED
from collectors.reclaim import step as one_step
from collectors.reclaim.step import by_hand
from collectors.reclaim.tools import Remover, Tools
from collectors.report.document import encode
from collectors.report.metrics import alerts, openmetrics
from collectors.report.schema import schema
from collectors.report.text import render
from tests.causes.laws import LAWS, NO_MESS, Where, here
from tests.planning.build import HERE, Scene
from tests.tui.screen import replay, settle, shown, text

NOTES = '''
"""Sticky notes that nobody reads any more."""

from collectors.causes.base import Alert, Cause, Draft, Proposal
from collectors.model.plan import Finding, Severity
from collectors.model.ledger import Category
from collectors.model import Owner, OwnerKind
from collectors.model.plan import Harm, Risk

ID = "sticky-notes"
WHO = Owner(OwnerKind.LEFTOVER, "/docker/notes")


def detect(context):
    bytes_ = context.exact(5 << 30)
    yield Finding(ID, Severity.P2, "notes that nobody reads", bytes_, (), "tear them off", (WHO,), True)


def propose(context):
    estimate = context.found(ID) and context.found(ID).bytes
    return Proposal((Draft(
        ID, "notes.remove", "Tear off the notes", "rm -r /docker/notes", (WHO,), 55, (), Harm.TIME, Risk.CAREFUL,
        "", "", "write them again", automatic=True, estimate=estimate,
    ),) if estimate else ())


ALERT = Alert("DockerDiskNotes", Severity.P2, "9m", "warning", "notes fill the disk")
REMOVER = f"{__name__}.remove:Notes"
CAUSE = Cause(
    ID, Category.DOCKER_OTHER, OwnerKind.LEFTOVER, Harm.TIME, "notes that nobody reads", detect, propose, REMOVER,
    alert=ALERT,
)
'''
REMOVE = """
from collectors.reclaim import REMOVED
from collectors.reclaim.tools import Remover


class Notes(Remover):
    def act(self, step, target):
        return REMOVED
"""
SEALED = '''
"""Letters that only a person may open."""

from collectors.causes.base import Cause
from collectors.model.plan import Finding, Severity
from collectors.model.ledger import Category

ID = "sealed-letters"


def detect(context):
    yield Finding(ID, Severity.P3, "letters under seal", context.exact(3 << 30), (), "ask who sealed them", (), True)


CAUSE = Cause(ID, Category.DOCKER_OTHER, None, None, "letters under seal", detect,
              no_step="only their writer may open them")
'''


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cause, ...]]:
    """Two causes in folders of their own, and at the end of the tuple."""
    package = tmp_path / "toy_causes"
    for name, files in (
        ("sticky_notes", {"__init__.py": NOTES, "remove.py": REMOVE}),
        ("sealed_letters", {"__init__.py": SEALED}),
    ):
        (package / name).mkdir(parents=True)
        for file, code in files.items():
            (package / name / file).write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = tuple(importlib.import_module(f"toy_causes.{name}").CAUSE for name in ("sticky_notes", "sealed_letters"))
    monkeypatch.setattr(causes, "CAUSES", (*causes.CAUSES, *made))
    yield made
    for module in [name for name in sys.modules if name.startswith("toy_causes")]:
        del sys.modules[module]


@pytest.fixture
def told(toys: tuple[Cause, ...]) -> Report:
    """What a run says of a quiet machine with both."""
    quiet = Scene(used=10 << 30).snapshot()
    read = Exact(Occupancy("walk", {}, (), (), (), 0, 0.0, None), HERE)
    snapshot = replace(quiet, studies=(replace(quiet.studies[0], occupancy=read),))
    accounts, memory = close_books(snapshot), blank("no journal")
    judged = judge(snapshot, accounts, memory, Ruling(DEFAULTS, {}, None))
    return report(snapshot, judged, memory.trend, DEFAULTS)


def test_it_is_found_in_its_category_and_planned(told: Report) -> None:
    (notes,) = (finding for finding in told.findings if finding.rule == "sticky-notes")
    assert notes.category == "docker_other"
    (step,) = (step for step in told.plan.steps if step.rule == "sticky-notes")
    assert (step.cause, step.frees, by_hand(step)) == ("sticky-notes", notes.bytes, False)
    sealed = "letters under seal: no step, because only their writer may open them; ask who sealed them."
    assert sealed in told.plan.left_out


def test_text_json_metrics_and_alerts_have_it(told: Report) -> None:
    page = render(told)
    assert "[P2] notes that nobody reads, 5.0 GiB" in page
    assert "Tear off the notes" in page
    assert "Left out: letters under seal: no step, because only their writer" in page
    assert "alarm: notes that nobody reads, 5.0 GiB" in page
    document = json.loads(json.dumps(encode(told)))
    jsonschema.validate(document, schema())
    assert "sticky-notes" in {finding["rule"] for finding in document["findings"]}
    (step,) = (step for step in document["plan"] if step["action"] == "notes.remove")
    assert step["answers"] == ["sticky-notes"]
    assert "  - id: sticky-notes\n" in page
    assert "   - Answers: sticky-notes\n" in page
    reasons = {finding["id"]: finding["no_step"] for finding in document["findings"]}
    assert reasons["sticky-notes"] == ""
    assert reasons["sealed-letters"].startswith("letters under seal: no step, because")
    assert 'finding_severity{rule="sticky-notes"} 3.0' in openmetrics([(None, told)])
    assert "alert: DockerDiskNotes" in alerts(DEFAULTS.thresholds)


async def test_the_dashboard_shows_it(told: Report) -> None:
    app = replay(told)
    async with shown(app, (120, 36)) as pilot:
        assert "notes that nobody reads" in text(app)
        await pilot.press("4")
        await settle(pilot)
        assert "Tear off the notes" in text(app)
        assert "letters under seal" in text(app)


def test_the_executor_finds_what_removes_it(toys: tuple[Cause, ...], told: Report) -> None:
    (mine,) = (step for step in told.plan.steps if step.cause == "sticky-notes")
    remover = one_step.remover_of(mine, cast(Tools, None))
    assert isinstance(remover, Remover)
    assert remover.act(mine, Owner(OwnerKind.LEFTOVER, "/docker/notes")) == REMOVED
    unknown: Step = replace(mine, cause="of another version")
    assert by_hand(unknown)


def test_it_keeps_the_laws(toys: tuple[Cause, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    program = here()
    where = Where(causes.table(), program.sources, {**program.made, "office": ("sticky-notes",)})
    monkeypatch.setitem(NO_MESS, "sealed-letters", "a lab has no post")
    for cause in toys:
        for law in LAWS:
            law(cause, where)
