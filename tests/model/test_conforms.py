"""What was loaded from outside has the types that the model declares, or is not taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.model import UnitId
from collectors.model.encoding import FOREIGN, conforms, decode, encode, fingerprint
from collectors.model.reading import Exact, Size, Unavailable
from collectors.model.report import Report
from collectors.model.snapshot import Outcome, SourceReport
from tests.ledger.build import HERE, NOT_READ
from tests.tui.incident import incident
from tests.tui.shapes import hostile


@pytest.mark.parametrize("make", [incident, hostile])
def test_whole_reports_conform_after_a_round_trip(make: Any) -> None:
    assert conforms(decode(encode(make())), Report)


@pytest.mark.parametrize(
    ("value", "declared", "right"),
    [
        (1, int, True),
        (True, int, False),
        (1, float, True),
        ("1", int, False),
        (None, int | None, True),
        (("a", "b"), tuple[str, ...], True),
        (["a"], tuple[str, ...], False),
        (("a", 1), tuple[str, int], True),
        (("a",), tuple[str, int], False),
        (frozenset({1}), frozenset[UnitId], False),
        ({UnitId("a"): 1}, Mapping[UnitId, int], True),
        (Outcome.READ, Outcome, True),
        ("read", Outcome, False),
        (Exact(1, HERE), Exact[int] | Unavailable, True),
        (Exact("1", HERE), Exact[int] | Unavailable, False),
        (Exact("1", HERE), Size, False),
        (NOT_READ, Size, True),
        (SourceReport("a", Outcome.READ, "", 1.0), SourceReport, True),
        (SourceReport("a", Outcome.READ, "", "soon"), SourceReport, False),  # type: ignore[arg-type]
    ],
)
def test_each_annotation_of_the_model_is_understood(value: object, declared: object, right: bool) -> None:
    assert conforms(value, declared) is right


def test_an_annotation_that_the_model_does_not_use_is_refused() -> None:
    with pytest.raises(TypeError):
        conforms([1], list[int])


def test_a_wrong_type_is_found_however_deep_it_lies() -> None:
    report = incident()
    assert report.ledger is not None
    row = replace(report.ledger.rows[0], charged=Exact("many", HERE))  # type: ignore[arg-type]
    ledger = replace(report.ledger, rows=(row, *report.ledger.rows[1:]))
    assert not conforms(replace(report, ledger=ledger), Report)


@settings(max_examples=300)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(
    st.sampled_from(["t", "f", "e", "v", "d", "m", "s", "x"]), s | st.sampled_from(["Exact", "Why", "Origin"])
)))  # fmt: skip
def test_whatever_is_decoded_is_refused_or_judged(value: object) -> None:
    try:
        loaded = decode(value)
    except FOREIGN:
        return
    assert isinstance(conforms(loaded, Report), bool)


def test_the_fingerprint_is_that_of_this_model() -> None:
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 16
