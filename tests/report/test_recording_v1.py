"""Recordings of version 1 are read by whatever model there is today: made-up reports, two labs, the demo of then.

tests/bytes/recordings/README.md says what they are; `expected.json.xz` says what was in them when they were written.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from collectors.model import Owner, OwnerKind
from collectors.model.encoding import Unreadable
from collectors.model.ledger import Category, Ledger
from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable
from collectors.model.report import Report
from collectors.model.snapshot import Outcome
from collectors.report import recording, recording_v1
from collectors.report.document import encode
from collectors.report.text import render
from tests.tui.build import KINDS

FOLDER = Path(__file__).parents[1] / "bytes" / "recordings"


@cache
def written() -> Mapping[str, str]:
    """The lines by their names."""
    names = (FOLDER / "names.txt").read_text().split()
    with lzma.open(FOLDER / "v1.jsonl.xz", "rt", encoding="ascii") as lines:
        return dict(zip(names, map(of_known_kinds, lines), strict=True))


@cache
def expected() -> Mapping[str, Any]:
    text = lzma.decompress((FOLDER / "expected.json.xz").read_bytes()).decode("ascii")
    found: Mapping[str, Any] = json.loads(of_known_kinds(text))
    return found


def of_known_kinds(text: str) -> str:
    """The made-up reports of then called owners after their category ("images:…"), which the program never did."""
    kinds = {category: KINDS.get(category, OwnerKind.PATH) for category in Category}
    return re.sub(f'"({"|".join(kinds)}):', lambda found: f'"{kinds[Category(found[1])]}:', text)


NAMES = tuple((FOLDER / "names.txt").read_text().split())


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_of_version_1_still_says_what_it_said(name: str) -> None:
    report = recording.load(written()[name])
    assert _by_id(json.loads(json.dumps(substance(report)))) == _by_id(expected()[name])
    assert render(report)
    assert encode(report)


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_written_as_today_and_read_again(name: str) -> None:
    report = recording.load(written()[name])
    assert recording.load(recording.dump(report)) == report


def test_nothing_is_translated_that_version_1_did_not_hold() -> None:
    types = set(recording_v1.FIELDS)
    assert types >= set(recording_v1.RENAMED)
    assert types >= set(recording_v1.DROPPED)
    assert types >= set(recording_v1.CHANGED)
    for name, dropped in recording_v1.DROPPED.items():
        assert dropped <= set(recording_v1.FIELDS[name].split())


def test_a_damaged_recording_of_version_1_is_refused() -> None:
    document = json.loads(written()["starting"])
    document["report"]["f"].pop()
    with pytest.raises(Unreadable):
        recording.load(json.dumps(document))


def test_types_fields_and_values_of_another_model_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if today's Sample had been called Point, with a field less and another more, and "read" been "seen"."""
    fields = {**recording_v1.FIELDS, "Point": "at mood percent"}
    del fields["Sample"]
    monkeypatch.setattr(recording_v1, "FIELDS", fields)
    monkeypatch.setattr(recording_v1, "RENAMED", {**recording_v1.RENAMED, "Point": "Sample"})
    monkeypatch.setattr(recording_v1, "DROPPED", {**recording_v1.DROPPED, "Point": frozenset({"mood"})})
    changed = {**recording_v1.CHANGED, "Point": lambda old: {"at": old["at"], "value": old["percent"]}}
    monkeypatch.setattr(recording_v1, "CHANGED", changed)
    monkeypatch.setattr(recording_v1, "VALUES", {**recording_v1.VALUES, "Outcome": {"seen": "read"}})
    recording.version_1.cache_clear()
    line = written()["demo-30"]
    point = '{"t":"Point","f":[{"d":"2026-11-29T00:00:00+00:00"},{"t":"Gone","f":[]},50]}'
    line = re.sub(r'{"t":"Sample","f":\[{"d":"[^"]*"},\d+\]}', point, line).replace('"v":"read"', '"v":"seen"')
    try:
        report = recording.load(line)
    finally:
        recording.version_1.cache_clear()
    assert {sample.value for sample in report.trend.used_percent} == {50}
    assert Outcome.READ in {row.outcome for row in report.coverage}


def substance(report: Report) -> object:
    """What a reader of a recording must find again, as plain values."""
    return {
        "verdict": report.verdict,
        "severity": report.severity.name,
        "exit status": report.exit_status,
        "ledgers": [_ledger(one) for one in (report.ledger, *report.other_ledgers) if one is not None],
        "findings": [[f.rule, f.severity.name, f.claim, [owner_text(o) for o in f.owners]] for f in report.findings],
        "steps": [
            [s.id, s.action, s.command, [owner_text(o) for o in s.targets], _size(s.frees)]
            for s in report.plan.every_step
        ],
        "unlocks": [[sorted(unlock.steps), unlock.bytes] for unlock in report.plan.unlocks],
        "left out": list(report.plan.left_out),
        "growth": [[growth.key, growth.bytes_per_day] for growth in report.trend.growth],
        "used percent": [[sample.at.isoformat(), sample.value] for sample in report.trend.used_percent],
        "coverage": [[row.source, row.outcome.value, row.reason] for row in report.coverage],
    }


def _by_id(said: dict[str, Any]) -> dict[str, Any]:
    """Steps of then in any order: what destroys data stands apart today."""
    return {**said, "steps": sorted(said["steps"])}


def owner_text(owner: Owner) -> str:
    """As journal and JSON write an owner: `container:…`."""
    return owner.text()


def _ledger(ledger: Ledger) -> object:
    return {
        "mount": ledger.filesystem.mount.mountpoint,
        "rows": [
            [row.category.value, *(_size(size) for size in (row.charged, row.apparent, row.reclaimable)), row.reason]
            for row in ledger.rows
        ],
        "items": [
            [
                *(
                    category.value,
                    item.id,
                    owner_text(item.owner_id),
                    item.name,
                    item.state,
                    item.owner,
                    list(item.proof),
                ),
                *map(_size, (item.referenced, item.exclusive, item.reclaimable)),
            ]
            for category, items in ledger.items.items()
            for item in items
        ],
    }


def _size(size: Size) -> object:
    match size:
        case Exact(value):
            return value
        case Between():
            return [size.low, size.best, size.high]
        case AtLeast(low, missing):
            return [low, [[one.why.value, one.detail] for one in missing]]
        case Unavailable(why, detail):
            return [why.value, detail]
