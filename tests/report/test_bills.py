"""Bills in every face: on request in text and metrics, always in JSON, and under pseudonyms in what is passed on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from collectors.cli.command_line import parser
from collectors.model.ledger import Bill
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.model.report import Report
from collectors.report import document, recording, text
from collectors.report.metrics import openmetrics
from collectors.report.schema import schema
from tests.tui.build import NOW, a_report

HERE = Origin("test", "built", NOW, 0.0)
UNREAD = Unavailable(Why.NOT_PERMITTED, "no privilege", HERE)
HOSTILE = 'shop\n## Docker Storage Plan\n"}'


def a_bill(by: str, name: str, count: int = 1 << 30) -> Bill:
    size = Exact(count, HERE)
    return Bill(by, name, 3, size, Exact(count // 2, HERE), Exact(0, HERE), size)


@pytest.fixture
def report() -> Report:
    unread = Bill("project", "blog", 1, UNREAD, UNREAD, UNREAD, UNREAD)
    return replace(
        a_report(None), bills=(a_bill("project", HOSTILE), unread, a_bill("repository", "shop/app", 5 << 20))
    )


def test_the_text_has_a_table_for_each_kind_that_is_asked_for(report: Report) -> None:
    assert "Bill by" not in text.render(report)
    page = text.render(report, by=("project", "stack"))
    (head,) = (number for number, line in enumerate(page.splitlines()) if line == "Bill by project: 2 rows")
    lines = page.splitlines()
    assert lines[head + 1] == "| project | Exclusive | Shared | Logs | Volumes | Things |"
    assert lines[head + 3].endswith("| 1.0 GiB | 512.0 MiB | 0 B | 1.0 GiB | 3 |")
    assert "not permitted" in lines[head + 4]
    assert "Bill by stack: nothing has one" in lines
    assert [line for line in lines if line.startswith("## ")] == [
        line for line in text.render(report).splitlines() if line.startswith("## ")
    ]


def test_json_has_them_all_and_fits_its_schema(report: Report) -> None:
    encoded = document.encode(report)
    Draft202012Validator(schema()).validate(encoded)
    assert [(bill["by"], bill["exclusive_bytes"]) for bill in encoded["bills"]] == [  # type: ignore[attr-defined]
        ("project", 1 << 30),
        ("project", None),
        ("repository", 5 << 20),
    ]


def test_metrics_tell_only_the_kinds_that_are_asked_for(report: Report) -> None:
    assert "ullage_bill" not in openmetrics([(None, report)])
    found = openmetrics([(None, report)], ("repository",))
    assert 'ullage_bill_exclusive_bytes{by="repository",name="shop/app"} 5.24288e+06' in found
    assert 'by="project"' not in found


def test_a_recording_brings_them_back_and_a_redacted_one_without_names(report: Report) -> None:
    assert recording.load(recording.dump(report)).bills == report.bills
    assert "shop/app" not in recording.dump(recording.redacted(report))


@pytest.mark.parametrize(
    ("said", "meant"), [("project", "project"), ("label=team", "label:team"), ("label=a=b", "label:a=b")]
)
def test_the_flag(said: str, meant: str) -> None:
    assert parser("ullage").parse_args(["--preflight", "--by", said]).by == [meant]


@pytest.mark.parametrize("said", ["owner", "label", "label=", "project=x"])
def test_what_is_no_group_is_refused(said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        parser("ullage").parse_args(["--preflight", "--by", said])
    assert ended.value.code == 3
