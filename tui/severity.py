"""How a severity is written: glyph, code and word, so that hue alone never says anything. Pure."""

from __future__ import annotations

from collectors.model.finding import Severity

_MARKS = {
    Severity.P0: ("✖", "CRITICAL"),
    Severity.P1: ("▲", "HIGH"),
    Severity.P2: ("◆", "MEDIUM"),
    Severity.P3: ("●", "LOW"),
    Severity.P4: ("○", "INFO"),
    Severity.OK: ("✔", "OK"),
}


def chip(severity: Severity, *, word: bool) -> str:
    """` P0 ✖ CRITICAL `, or ` P0 ✖ ` without the word."""
    glyph, name = _MARKS[severity]
    if severity is Severity.OK:
        return f" {glyph} OK " if word else f" {glyph}  "
    return f" {severity.name} {glyph} {name} " if word else f" {severity.name} {glyph} "


def word(severity: Severity) -> str:
    return _MARKS[severity][1]


def glyph(severity: Severity) -> str:
    return _MARKS[severity][0]
