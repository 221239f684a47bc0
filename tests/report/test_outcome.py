"""What came of a reclaim as a document: a step done in part counts to the byte, and what is not known has a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jsonschema import Draft202012Validator

from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Category
from collectors.model.plan import Risk
from collectors.model.reading import AtLeast, Exact, Origin, Unavailable, Why, charged_or_none
from collectors.reclaim import Ended, ReclaimOutcome, StepResult, TargetResult
from collectors.report.plan_document import Told, reclaim_document
from collectors.report.plan_text import applied
from collectors.report.schema import schema
from tests.tui.incident import incident

HERE = Origin("test", "now", datetime(2026, 11, 23, tzinfo=UTC), 0.0)
NONE = Unavailable(Why.NOT_REPORTED, "the engine names no figure", HERE)


def what_came(targets: tuple[TargetResult, ...]) -> ReclaimOutcome:
    """A run of one step with these results."""
    sizes = (Exact(700, HERE), NONE, Exact(-3, HERE), NONE)
    step = StepResult("images", "remove images", "Remove 2 images", *sizes, targets, 0.25, "", True)
    total = AtLeast(700, (Unavailable(Why.TIMED_OUT, "no answer in 2 s", HERE),), HERE)
    return ReclaimOutcome(Ended.ALL_DONE, "", (step,), total, NONE, Exact(-3, HERE), NONE, 91, 90, ("a note",))


def test_each_thing_says_whether_it_went_and_each_figure_why_it_is_not_there() -> None:
    gone, kept = (Owner(OwnerKind.IMAGE, f"sha256:{name}") for name in "ab")
    targets = (TargetResult(gone, True, ""), TargetResult(kept, False, "web-1 uses it"))
    told = reclaim_document(Told(incident(), Risk.CAREFUL, 1, (), what_came(targets)))
    Draft202012Validator({"$ref": "#/$defs/reclaim", "$defs": schema()["$defs"]}).validate(told)
    assert (told["predicted_bytes"], told["engine_reported_bytes"], told["measured_bytes"]) == (700, None, -3)
    assert "the engine names no figure" in str(told["reason"])
    assert "at least: " in str(told["reason"])
    steps: Any = told["steps"]
    assert steps[0]["targets"] == [
        {"id": "image:sha256:a", "removed": True, "reason": ""},
        {"id": "image:sha256:b", "removed": False, "reason": "web-1 uses it"},
    ]
    assert (told["mode"], told["exit_status"], told["used_percent_before"], told["notes"]) == (
        "applied",
        1,
        91,
        ["a note"],
    )


def test_a_dry_run_promises_what_the_plan_does() -> None:
    report = incident()
    steps = report.plan.steps[:2]
    told = reclaim_document(Told(report, Risk.CAREFUL, 2, steps))
    Draft202012Validator({"$ref": "#/$defs/reclaim", "$defs": schema()["$defs"]}).validate(told)
    assert told["predicted_bytes"] == report.plan.frees_bytes(frozenset(step.id for step in steps)) != 0
    told_steps: Any = told["steps"]
    assert [step["predicted_bytes"] for step in told_steps] == [charged_or_none(step.frees) for step in steps]
    assert {t["reason"] for step in told_steps for t in step["targets"]} == {"nothing has run"}


def test_what_is_left_alone_is_told_by_its_name_where_one_is_known() -> None:
    report = incident()
    assert report.ledger is not None
    image, volume = (report.ledger.items[one][0] for one in (Category.IMAGES, Category.VOLUMES))
    stranger = Owner(OwnerKind.IMAGE, "sha256:b")
    kept = tuple(TargetResult(owner, False, "in use") for owner in (image.owner_id, volume.owner_id, stranger))
    page = applied(report, what_came(kept), Risk.CAREFUL)
    assert [line for line in page.splitlines() if "left alone" in line] == [
        f"  - left alone: image {image.name}: in use",
        f"  - left alone: volume {volume.name}: in use",
        "  - left alone: image:sha256:b: in use",
    ]
