"""The keys of the dashboard, once, and its pages of text: help, one finding explained, the sources of a run. Pure.

The bindings, the line at the foot and the help are all made from the one table of keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from textual.binding import Binding

from collectors.model.plan import Finding, Severity
from collectors.model.report import Report
from collectors.model.snapshot import Outcome
from collectors.report.formatting import doubt, safe, size
from tui import VIEWS
from tui.drawing import SOLID, THIN, Line, Span, shorten
from tui.view_models.categories import ALL
from tui.view_models.verdict import chip


@dataclass(frozen=True, slots=True)
class Key:
    """`views` empty: in every view. `rank` 0: not in the footer; the smallest is dropped last."""

    keys: str
    shown: str
    action: str
    label: str
    help: str
    views: tuple[str, ...] = ()
    rank: int = 0


KEYS: tuple[Key, ...] = (
    Key("p", "p", "view('plan')", "Plan", "the plan; of what is marked, where something is", rank=1),
    Key("h", "h", "view('history')", "History", "the history", rank=8),
    Key(
        "enter",
        "Enter",
        "drill",
        "Open",
        "open the row at the cursor",
        ("overview", "explore", "history", "churn", "changes"),
        3,
    ),
    Key("escape", "Esc", "back", "Back", "back, close, clear the filter; never quits"),
    Key("slash", "/", "filter", "Find", "find any thing or path and go there; in a list, narrow it", rank=10),
    Key("s", "s", "sort", "Sort", "change the sort order", ("overview", "explore", "churn"), 11),
    Key(
        "b", "b", "bills", "Bills", "what each project, stack, repository or label holds, then the items", ("explore",)
    ),
    Key("space", "Space", "include", "Include", "include a step, or all of a harm, or leave it out", ("plan",), 2),
    Key("space", "Space", "mark", "Mark", "what if it went? mark a thing, or a category", ("overview", "explore"), 6),
    Key(
        "f",
        "f",
        "filesystem",
        "Filesystem",
        "the next filesystem that was judged: its books and its plan",
        rank=5,
    ),
    Key("w", "w", "way", "Way", "choose just the steps that reach the target named above them", ("plan",), 6),
    Key("m", "m", "lift_age", "Min. age", "let young things go too, or no longer: the minimum ages", ("plan",), 7),
    Key("d", "d", "dry_run", "Dry run", "what each step would do, without doing it", ("plan",), 3),
    Key("a", "a", "apply", "Apply", "run the chosen steps; asks for the host's name", ("plan",), 4),
    Key("x", "x", "stop", "Stop", "stop the scan, or the plan after the current item", rank=5),
    Key("r", "r", "rescan", "Rescan", "scan again", rank=9),
    Key("left", "←", "hour(-1)", "-1 h", "an hour earlier", ("history", "changes", "replay"), 6),
    Key("right", "→", "hour(1)", "+1 h", "an hour later", ("history", "changes", "replay"), 6),
    Key("left_square_bracket", "[", "event(-1)", "Prev event", "the event before", ("history", "changes", "replay"), 7),
    Key("right_square_bracket", "]", "event(1)", "Next event", "the next event", ("history", "changes", "replay"), 7),
    Key("home", "Home", "edge(0)", "First", "the oldest run", ("history", "changes", "replay"), 15),
    Key("end", "End", "edge(1)", "Last", "the newest run; live again", ("history", "changes", "replay"), 15),
    Key("comma", ",", "since(1)", "Earlier", "compare with an earlier moment", ("changes",), 2),
    Key("full_stop", ".", "since(-1)", "Later", "compare with a later moment", ("changes",), 2),
    Key(
        "left_curly_bracket", "{", "picked(-1)", "Earlier run", "compare with the run before that one", ("changes",), 8
    ),
    Key("right_curly_bracket", "}", "picked(1)", "Later run", "compare with the run after", ("changes",), 8),
    Key("space", "Space", "play", "Play", "play the runs, or stop", ("history", "changes"), 4),
    Key("0", "0", "view('hosts')", "Hosts", "all hosts in one line each, where there are several"),
    Key("less_than_sign", "<", "host(-1)", "Prev host", "the host before", rank=18),
    Key("greater_than_sign", ">", "host(1)", "Next host", "the host after", rank=18),
    Key("c", "c", "coverage", "Sources", "what was read, how long it took, and why something is missing", rank=13),
    Key("u", "u", "units", "Units", "GiB, GB or exact bytes", rank=12),
    Key("y", "y", "copy", "Copy", "copy the id, path or command under the cursor", rank=15),
    Key("e", "e", "export", "Export", "this screen as SVG and the report as Markdown", rank=14),
    Key("T", "T", "theme", "Theme", "dark, light, colour-blind or the terminal's own colours", rank=16),
    Key("question_mark", "?", "help", "Help", "this page", rank=2),
    Key("ctrl+p", "^p", "palette", "Commands", "every command by name", rank=17),
    Key("q", "q", "quit", "Quit", "quit at once", rank=1),
)
VIEW_KEYS = tuple(
    Key(str(number), str(number), f"view('{view}')", title, f"view {title}")
    for number, (view, title) in enumerate(VIEWS, 1)
)
MOVES = (
    ("↑ ↓  k j", "up and down"),
    ("PgUp PgDn", "a page"),
    ("g  G", "first and last row"),
    ("Tab", "the next panel"),
    ("1 … 6", "the views"),
)


def bindings() -> list[Binding]:
    return [Binding(key.keys, key.action, key.label, show=False) for key in (*VIEW_KEYS, *KEYS)]


def action_name(key: Key) -> str:
    return key.action.partition("(")[0]


def applies_in(action: str, view: str, *, replay: bool) -> bool:
    """Does an action make sense in this view at all?"""
    keys = [key for key in KEYS if action_name(key) == action]
    return not keys or any(_works_in(key, view, replay=replay) for key in keys)


def _works_in(key: Key, view: str, *, replay: bool) -> bool:
    return not key.views or view in key.views or (replay and "replay" in key.views)


def footer_keys(view: str, *, replay: bool, allowed: Iterable[str]) -> tuple[Key, ...]:
    """The keys to name at the foot of a view, in the table's order."""
    names = set(allowed)
    here = (key for key in KEYS if key.rank and key.action != f"view('{view}')" and action_name(key) in names)
    return tuple(key for key in here if _works_in(key, view, replay=replay))


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
