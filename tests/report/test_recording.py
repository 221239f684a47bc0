"""A recording loads back to an equal report, another line is refused, and a redacted one holds no name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from collectors.model import OwnerKind
from collectors.model.reading import Exact, Origin
from collectors.model.report import Report
from collectors.report import recording
from collectors.report.document import encode
from collectors.report.recording import Unreadable, dump, load, redacted
from collectors.report.schema import schema
from collectors.report.text import SECTIONS, render
from tests.tui.incident import incident
from tests.tui.shapes import hostile, no_engine, not_btrfs, not_root, nothing_found, starting

REPORTS: tuple[Callable[[], Report], ...] = (
    incident, not_root, no_engine, not_btrfs, starting, nothing_found, hostile,
)  # fmt: skip

HERE = Origin("test", "test", datetime(2026, 11, 23, tzinfo=UTC), 0.0)


@pytest.mark.parametrize("make", REPORTS)
def test_a_recording_loads_back_to_an_equal_report(make: Callable[[], Report]) -> None:
    report = make()
    line = dump(report)
    assert "\n" not in line
    assert line.isascii()
    again = load(line)
    assert again == report
    assert dump(again) == line


def test_a_recording_is_read_by_the_names_of_its_fields_whatever_their_order() -> None:
    report = not_btrfs()
    document = json.loads(dump(report))
    document["fields"] = {name: fields[::-1] for name, fields in document["fields"].items()}
    assert load(json.dumps(_reversed(document))) == report


def _reversed(value: Any) -> Any:
    """The fields of every object the other way round."""
    if isinstance(value, list):
        return [_reversed(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "t" in value:
        return {"t": value["t"], "f": [_reversed(one) for one in value["f"][::-1]]}
    return {key: one if key == "fields" else _reversed(one) for key, one in value.items()}


@pytest.mark.parametrize("fields", [{}, [], None, {"Report": []}, {"Report": "host"}, {"Report": [[]]}])
def test_a_recording_with_other_fields_is_refused(fields: object) -> None:
    document = json.loads(dump(not_btrfs()))
    with pytest.raises(Unreadable):
        load(json.dumps({**document, "fields": fields}))


def test_a_recording_of_a_later_model_is_refused_and_not_half_understood() -> None:
    document = json.loads(dump(not_btrfs()))
    document["fields"]["Report"].append("mood")
    document["report"]["f"].append("good")
    with pytest.raises(Unreadable):
        load(json.dumps(document))
    with pytest.raises(Unreadable):
        load(json.dumps({**document, "ullage_recording": 3}))


def shorter(report: Report) -> Report:
    assert report.ledger is not None
    return replace(report, ledger=replace(report.ledger, rows=report.ledger.rows[1:]))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: replace(report, exit_status="0"),
        lambda report: replace(report, exit_status=True),
        lambda report: replace(report, exit_status=10**40),
        lambda report: replace(report, took_s=float("nan")),
        lambda report: replace(report, severity=None),
        lambda report: replace(report, severity=report.trend),
        lambda report: replace(report, taken_at=datetime(2026, 11, 23)),  # noqa: DTZ001 - in which zone?
        lambda report: replace(report, taken_at=datetime.min.replace(tzinfo=UTC)),
        lambda report: replace(report, docker_root=Exact(5, HERE)),
        lambda report: replace(report, explained_percent=Exact("5", HERE)),
        lambda report: replace(report, findings=("x",)),
        lambda report: replace(report, findings=None),
        lambda report: replace(report, trend=replace(report.trend, runs=None)),
        shorter,
    ],
)
def test_a_recording_whose_values_are_of_another_kind_is_refused_before_it_is_shown(
    spoil: Callable[[Report], Report],
) -> None:
    line = dump(spoil(incident()))
    with pytest.raises(Unreadable):
        load(line)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_other_line_is_refused(line: str) -> None:
    with pytest.raises(Unreadable):
        load(line)


@given(st.integers(min_value=0), st.data())
def test_a_recording_that_was_cut_or_changed_is_refused_or_still_a_report(at: int, data: st.DataObject) -> None:
    line = dump(not_btrfs())
    position = at % len(line)
    damaged = line[:position] + data.draw(st.characters(codec="ascii")) + line[position + 1 :]
    try:
        report = load(damaged)
    except Unreadable:
        return
    assert render(report)
    assert encode(report)


@pytest.mark.parametrize("make", REPORTS)
def test_every_kind_of_report_has_a_valid_document_and_a_whole_page(make: Callable[[], Report]) -> None:
    report = make()
    document = json.loads(json.dumps(encode(report)))
    Draft202012Validator(schema()).validate(document)
    page = render(report)
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == list(SECTIONS)
    assert "\x1b" not in page
    assert all(line.isprintable() for line in page.splitlines())


def test_a_redacted_recording_holds_no_name_and_every_size() -> None:
    report = incident()
    hidden = redacted(report)
    text = dump(hidden)
    assert report.ledger is not None
    assert hidden.ledger is not None
    for items in report.ledger.items.values():
        for item in items:
            if len(item.name) >= 3:
                assert json.dumps(item.name)[1:-1] not in text, item.name
    assert report.host not in text
    assert [row.charged for row in hidden.ledger.rows] == [row.charged for row in report.ledger.rows]
    assert recording.load(text) == hidden


def test_a_name_like_a_kind_of_owner_is_redacted_and_the_kind_is_not() -> None:
    hidden = redacted(replace(incident(), host="orphan"))
    assert hidden.host != "orphan"
    kinds = {owner.kind for finding in hidden.findings for owner in finding.owners}
    assert kinds == {OwnerKind.ORPHAN}
