"""The dashboard's key that lifts the age rule: the same look planned anew, with nothing asked of the machine."""

from __future__ import annotations

from dataclasses import replace

from collectors.model.settings import DEFAULTS
from collectors.pipeline import FinishedRun, judged_again
from collectors.pipeline.judge import Ruling, close_books, judge, report
from collectors.pipeline.memory import blank
from tests.planning.build import Scene, ago, record


def test_without_ages_what_was_young_goes_unasked_and_the_way_back_is_the_same_report() -> None:
    snapshot = Scene(build_cache=(record("r", used=ago(hours=1)),)).snapshot()
    accounts, memory, ruling = close_books(snapshot), blank("no journal"), Ruling(DEFAULTS, {}, None)
    judged = judge(snapshot, accounts, memory, ruling)
    first = FinishedRun(report(snapshot, judged, memory.trend, DEFAULTS), snapshot, judged, memory, ruling)
    assert [(step.id, step.unasked) for step in first.report.plan.steps] == [("build-cache.young", False)]
    settings = replace(DEFAULTS, keep=replace(DEFAULTS.keep, min_age_s=0.0))
    lifted = judged_again(first, settings)
    assert [(step.id, step.unasked) for step in lifted.report.plan.steps] == [("build-cache.recent", True)]
    assert lifted.report.settings == settings
    assert judged_again(lifted, DEFAULTS) == first
