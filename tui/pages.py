"""The pages of text: the keys and signs, one finding explained, the sources of a run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collectors.model.finding import Finding, Severity
from collectors.model.report import Report
from collectors.model.snapshot import Outcome
from collectors.report.words import doubt, safe, size
from tui.drawing.bars import SOLID, THIN, Line, Span, shorten
from tui.keys import KEYS, MOVES
from tui.view_models.categories import ALL
from tui.view_models.verdict import chip

_MEANING = {
    Severity.P0: "90% full or more, or writes are about to fail",
    Severity.P1: "80% or more, or 90% within 4 hours",
    Severity.P2: "70% or more, 80% within a day, or a proven leak above 5% of the disk",
    Severity.P3: "worth knowing: misconfiguration, churn",
    Severity.P4: "for information, or resolved",
}


def keys_and_signs() -> Iterator[Line]:
    """The whole help, made from the tables that also drive the keys and the colours."""
    yield (Span(" Keys", "accent"),)
    for shown, text in MOVES:
        yield _key(shown, text)
    for key in KEYS:
        where = f"  ({', '.join(view for view in key.views if view != 'replay')})" if key.views else ""
        yield (*_key(key.shown, key.help), Span(where, "muted", 2))
    yield ()
    yield (Span(" Severity", "accent"),)
    for severity, text in _MEANING.items():
        yield (
            Span("  "),
            Span(f"{chip(severity, word=True):<15}", f"sev:{int(severity)}"),
            Span(f"  {text}", "text", 1, shrinks=True),
        )
    yield ()
    yield (Span(" Bars", "accent"),)
    yield (Span(f"  {SOLID * 4}", "cat:I"), Span("  freed when it is deleted", "text", 1, shrinks=True))
    yield (
        Span(f"  {THIN * 4}", "cat:I"),
        Span("  shared with something that stays, or in use", "text", 1, shrinks=True),
    )
    yield (Span("     ?", "warn"), Span("  not measured, with the reason; never a zero", "text", 1, shrinks=True))
    yield ()
    yield (Span(" Letters", "accent"),)
    for label in ALL:
        yield (Span("  "), Span(f" {label.letter} ", f"on:{label.letter}"), Span(f" {label.title:<20}", "strong"),
               Span(label.about, "muted", 1, shrinks=True))  # fmt: skip


def _key(shown: str, text: str) -> tuple[Span, ...]:
    return (Span(f"  {shown:>10}  ", "key"), Span(text, "text", 1, shrinks=True))


def finding(of: Finding, *, si: bool) -> Iterator[Line]:
    """Everything that is known of one finding."""
    mark = Span(chip(of.severity, word=True), f"sev:{int(of.severity)}")
    yield (mark, Span("  "), Span(safe(of.claim), "strong", 1, shrinks=True))
    yield ()
    if of.bytes is not None:
        yield _labelled("bytes", size(of.bytes, si=si), "goodstrong" if of.certain else "warn")
        if found := doubt(of.bytes, si=si):
            yield _labelled("", found, "muted")
    if not of.certain:
        yield _labelled("certain", "no: not enough to remove anything", "warn")
    for label, value in of.evidence:
        yield _labelled(label, safe(value) if isinstance(value, str) else size(value, si=si))
    yield _labelled("remedy", safe(of.remedy), "accent")
    yield _labelled("rule", safe(of.rule), "muted")


_OUTCOMES = {Outcome.READ: ("✔", "good"), Outcome.PARTIAL: ("◆", "warn"), Outcome.UNREAD: ("✖", "bad")}


def sources(report: Report, waiting: Sequence[str]) -> Iterator[Line]:
    """What was asked, what answered, how long it took, and why something is missing."""
    for row in report.coverage:
        glyph, role = _OUTCOMES[row.outcome]
        yield (
            Span(f" {glyph} ", role),
            Span(f"{shorten(safe(row.source), 24):<24}", "strong"),
            Span(f"{row.took_s:>7.2f} s  ", "muted"),
            Span(safe(row.reason) or row.outcome.value, "text" if row.reason else "muted", 1, shrinks=True),
        )
    for name in waiting:
        yield (
            Span(" ◌ ", "warn"),
            Span(f"{shorten(safe(name), 24):<36}", "strong"),
            Span("still being read", "muted", 1),
        )


def _labelled(label: str, text: str, role: str = "text") -> Line:
    return (Span(f" {shorten(safe(label), 12):<13}", "muted"), Span(text, role, 1, shrinks=True))
