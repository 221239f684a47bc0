"""Every key of the dashboard, once: the bindings, the line at the foot and the help are all made from this table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding


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
    Key("p", "p", "view('plan')", "Plan", "the plan", rank=1),
    Key("h", "h", "view('history')", "History", "the history", rank=8),
    Key(
        "enter",
        "Enter",
        "drill",
        "Open",
        "open the row at the cursor",
        ("overview", "explore", "history", "churn"),
        3,
    ),
    Key("escape", "Esc", "back", "Back", "back, close, clear the filter; never quits"),
    Key("slash", "/", "filter", "Filter", "show only rows that contain a text", rank=10),
    Key("s", "s", "sort", "Sort", "change the sort order", ("overview", "explore", "churn"), 11),
    Key("space", "Space", "include", "Include", "include a step or leave it out", ("plan",), 2),
    Key("d", "d", "dry_run", "Dry run", "what each step would do, without doing it", ("plan",), 3),
    Key("a", "a", "apply", "Apply", "run the chosen steps; asks for the host's name", ("plan",), 4),
    Key("x", "x", "stop", "Stop", "stop the scan, or the plan after the current item", rank=5),
    Key("r", "r", "rescan", "Rescan", "scan again", rank=9),
    Key("left", "←", "hour(-1)", "-1 h", "an hour earlier", ("history", "replay"), 6),
    Key("right", "→", "hour(1)", "+1 h", "an hour later", ("history", "replay"), 6),
    Key("left_square_bracket", "[", "event(-1)", "Prev event", "the event before", ("history", "replay"), 7),
    Key("right_square_bracket", "]", "event(1)", "Next event", "the next event", ("history", "replay"), 7),
    Key("home", "Home", "edge(0)", "First", "the oldest run", ("history", "replay"), 15),
    Key("end", "End", "edge(1)", "Last", "the newest run; live again", ("history", "replay"), 15),
    Key("c", "c", "coverage", "Sources", "what was read, how long it took, and why something is missing", rank=13),
    Key("u", "u", "units", "Units", "GiB, GB or exact bytes", rank=12),
    Key("y", "y", "copy", "Copy", "copy the id, path or command under the cursor", rank=15),
    Key("e", "e", "export", "Export", "this screen as SVG and the report as Markdown", rank=14),
    Key("T", "T", "theme", "Theme", "dark, light or the terminal's own colours", rank=16),
    Key("question_mark", "?", "help", "Help", "this page", rank=2),
    Key("ctrl+p", "^p", "palette", "Commands", "every command by name", rank=17),
    Key("q", "q", "quit", "Quit", "quit at once", rank=1),
)
VIEWS = (("overview", "Overview"), ("explore", "Explore"), ("history", "History"), ("plan", "Plan"), ("churn", "Churn"))
VIEW_KEYS = tuple(
    Key(str(number), str(number), f"view('{view}')", title, f"view {title}")
    for number, (view, title) in enumerate(VIEWS, 1)
)
MOVES = (
    ("↑ ↓  k j", "up and down"),
    ("PgUp PgDn", "a page"),
    ("g  G", "first and last row"),
    ("Tab", "the next panel"),
    ("1 … 5", "the views"),
)


def bindings() -> list[Binding]:
    return [Binding(key.keys, key.action, key.label, show=False) for key in (*VIEW_KEYS, *KEYS)]


def action_name(key: Key) -> str:
    return key.action.partition("(")[0]


def applies_in(action: str, view: str, *, replay: bool) -> bool:
    """Does an action make sense in this view at all?"""
    places = [key.views for key in KEYS if action_name(key) == action]
    return not places or any(not views or view in views or (replay and "replay" in views) for views in places)


def footer_keys(view: str, *, replay: bool, allowed: Iterable[str]) -> tuple[Key, ...]:
    """The keys to name at the foot of a view, in the table's order."""
    names = set(allowed)
    here = (key for key in KEYS if key.rank and key.action != f"view('{view}')" and action_name(key) in names)
    return tuple(key for key in here if applies_in(action_name(key), view, replay=replay))
