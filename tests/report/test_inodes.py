"""Inodes and what is inside things, in every face; and a recording from before they were counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from collectors.model.filesystem import PathUsage
from collectors.model.ledger import Category
from collectors.model.reading import AtLeast, Exact, Size, Unavailable
from collectors.model.report import Report
from collectors.report import recording
from collectors.report.document import encode
from collectors.report.metrics import openmetrics
from collectors.report.schema import schema
from collectors.report.text import render
from tests.tui.build import HERE, exact, missing
from tests.tui.shapes import not_btrfs

HELD: Mapping[Category, Size] = {
    Category.VOLUMES: exact(14_003),
    Category.IMAGES: AtLeast(412, (missing(),), HERE),
    Category.LOGS: missing(),
    Category.METADATA: exact(9),
}
INSIDE = (PathUsage("/queue", True, 4096, 0, 14_001, ""), PathUsage("/q\x1b[2J\n## Forged", False, 1, 1, 1, ""))


def counted() -> Report:
    report = not_btrfs()
    ledger = report.ledger
    assert ledger is not None
    assert isinstance(ledger.filesystem.space, Exact)
    space = replace(ledger.filesystem.space.value, inodes=16_000, inodes_free=1_500, inodes_available=1_500)
    rows = tuple(replace(row, inodes=HELD.get(row.category, exact(0))) for row in ledger.rows)
    left = 14_500 - 14_003 - 412 - 9
    rows = tuple(replace(r, inodes=exact(left)) if r.category is Category.UNATTRIBUTED else r for r in rows)
    items = {
        category: tuple(replace(item, inodes=exact(7), inside=INSIDE) for item in listed)
        for category, listed in ledger.items.items()
    }
    filesystem = replace(ledger.filesystem, space=Exact(space, HERE))
    return replace(report, ledger=replace(ledger, filesystem=filesystem, rows=rows, items=items))


def test_the_page_has_a_line_of_who_holds_them() -> None:
    (line,) = [line for line in render(counted()).splitlines() if line.startswith("Inodes: ")]
    assert line == (
        "Inodes: 14,500 of 16,000 used: volumes 14,003, images ≥ 412, metadata 9, unattributed 76; not counted: logs"
    )


def test_a_filesystem_without_a_limit_says_so_and_has_no_sample() -> None:
    report = not_btrfs()
    assert "\nInodes: not limited: this filesystem makes them as it goes\n" in render(report)
    assert "ullage_category_inodes" not in openmetrics([(None, report)])
    assert {row["inodes"] for row in _list(encode(report)["ledger"])} == {None}


def test_the_document_counts_them_in_rows_and_items() -> None:
    document = json.loads(json.dumps(encode(counted())))
    Draft202012Validator(schema()).validate(document)
    rows = {row["category"]: row["inodes"] for row in document["ledger"]}
    assert rows["logs"] is None
    assert sum(count or 0 for count in rows.values()) == document["filesystem"]["inodes_used"] == 14_500
    first = next(one for listed in document["items"].values() for one in listed)
    assert first["inodes"] == 7
    assert first["inside"][0] == {
        "path": "/queue", "directory": True, "bytes": 4096, "apparent_bytes": 0, "inodes": 14_001,
    }  # fmt: skip


def test_each_known_category_is_a_sample() -> None:
    text = openmetrics([(None, counted())])
    assert 'ullage_category_inodes{category="volumes"} 14003.0' in text
    assert 'ullage_category_inodes{category="logs"}' not in text


def test_it_is_recorded_and_comes_back() -> None:
    assert recording.load(recording.dump(counted())) == counted()


def test_under_pseudonyms_nobody_reads_what_is_inside() -> None:
    assert "queue" not in recording.dump(recording.redacted(counted()))


@pytest.mark.parametrize("gone", [{"Row": ["inodes"], "Item": ["inodes", "inside"]}])
def test_a_recording_from_before_they_were_counted_is_read_and_knows_none(gone: dict[str, list[str]]) -> None:
    document = json.loads(recording.dump(counted()))
    report = recording.load(json.dumps(_without(document, document["fields"], gone)))
    assert report.ledger is not None
    assert all(isinstance(row.inodes, Unavailable) for row in report.ledger.rows)
    for item in (item for listed in report.ledger.items.values() for item in listed):
        assert isinstance(item.inodes, Unavailable)
        assert item.inside == ()
    assert "not counted: images" in render(report)


def _without(value: Any, fields: Mapping[str, list[str]], gone: Mapping[str, list[str]]) -> Any:
    """The same line as a model without some fields wrote it."""
    if isinstance(value, list):
        return [_without(one, fields, gone) for one in value]
    if not isinstance(value, dict):
        return value
    if "t" in value:
        names, left_out = fields[value["t"]], gone.get(value["t"], [])
        kept = [one for name, one in zip(names, value["f"], strict=True) if name not in left_out]
        return {"t": value["t"], "f": [_without(one, fields, gone) for one in kept]}
    if "fields" in value:
        short = {kind: [n for n in names if n not in gone.get(kind, [])] for kind, names in value["fields"].items()}
        return {**value, "fields": short, "report": _without(value["report"], fields, gone)}
    return {key: _without(one, fields, gone) for key, one in value.items()}


def _list(rows: object) -> list[dict[str, Any]]:
    assert isinstance(rows, list)
    return rows
