"""Words: only a measured zero reads as zero, and foreign strings are harmless."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.reading import AtLeast, Between, Exact, Origin, Size, Unavailable, Why
from collectors.report import formatting

HERE = Origin("test", "words", datetime(2026, 1, 1, tzinfo=UTC), 0.0)
QUOTAS_OFF = Unavailable(Why.NOT_ENABLED, "quotas are off", HERE)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (Exact(0, HERE), "0 B"),
        (Exact(2**30 * 3 // 2, HERE), "1.5 GiB"),
        (Between(2**20, 0, 2**21, 0.95, "sampled", HERE), "~1.0 MiB"),
        (AtLeast(0, (QUOTAS_OFF,), HERE), "≥ 0 B"),
        (QUOTAS_OFF, "? not enabled"),
    ],
)
def test_only_a_measured_zero_reads_as_zero(size: Size, text: str) -> None:
    assert formatting.size(size) == text


@given(st.text())
def test_no_foreign_string_carries_a_control_or_a_second_line(foreign: str) -> None:
    shown = formatting.safe(foreign)
    assert shown == "" or len(shown.splitlines()) == 1
    assert shown.isprintable() or all(c.isprintable() or c.isspace() for c in shown)
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("a\n## Escalation", "a␊## Escalation"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("caf\udce9", "caf\\xe9"),
        ("\x9b31m", "\\u009b31m"),
        ("nul\x00", "nul␀"),
    ],
)
def test_controls_become_visible(foreign: str, shown: str) -> None:
    assert formatting.safe(foreign) == shown


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("my_app-1", "my_app-1"),
        ("<!-- ullage {} -->", "\\<!-- ullage {} -->"),
        ("a|b`c`", "a|b\\`c\\`"),
        ("[x](y)", "\\[x\\](y)"),
        ("a [[x]][y]", "a \\[\\[x\\]\\]\\[y\\]"),
        ("\\[x](y)", "\\\\\\[x\\](y)"),
        ("[x]: y", "\\[x\\]: y"),
        ("*a* **b**", "\\*a\\* \\*\\*b\\*\\*"),
        ("> a", "\\> a"),
        ("# a", "\\# a"),
        ("a <b>c</b>", "a \\<b>c\\</b>"),
    ],
)
def test_foreign_markdown_is_disarmed(foreign: str, shown: str) -> None:
    assert formatting.quoted(foreign) == shown


@pytest.mark.parametrize("plain", ["cat /a > /b && [ -s /b ]", "2 * 3 < 7", "a | b", "x[0] - y", "v1.2_rc"])
def test_what_means_nothing_in_markdown_stands_as_it_is(plain: str) -> None:
    assert formatting.quoted(plain) == plain


def test_a_pipe_ends_no_cell() -> None:
    assert formatting.cell("a|b*c*") == "a\\|b\\*c\\*"


def test_a_long_string_keeps_both_its_ends() -> None:
    shown = formatting.safe("a" * 5000 + "z" * 5000, 40)
    assert len(shown) == 40
    assert shown.startswith("aaa")
    assert shown.endswith("zzz")


def test_almost_full_never_reads_as_full() -> None:
    assert formatting.percent(99.97) == "99.9%"
    assert formatting.percent(100.0) == "100.0%"
