"""What lies over a view: a page of text, the search for anything, the last question before something is removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, ClassVar, Protocol, runtime_checkable

from rich.cells import set_cell_size
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import Hit, Hits, Provider
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from collectors.model.ledger import Item
from collectors.model.reading import charged
from collectors.model.report import Report
from collectors.report.formatting import bytes_, safe, size, whole_percent
from tui.drawing import Line, Span, shorten_middle
from tui.view_models.categories import CategoryLabel, cell, label_of
from tui.view_models.state import DashboardState
from tui.widgets import Panel, TextLines
from tui.widgets.listing import Listing

# They do the same on what lies over a view, which then draws itself anew.
KEYS_OVER_ALL: tuple[BindingType, ...] = (
    Binding("u", "anew('units')", "Units", show=False),
    Binding("T", "anew('theme')", "Theme", show=False),
)


class Page(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter,c", "dismiss", "Close"),
        Binding("down,j", "roll(1)", show=False),
        Binding("up,k", "roll(-1)", show=False),
        Binding("pagedown,space", "roll(10)", show=False),
        Binding("pageup", "roll(-10)", show=False),
        Binding("g,home", "roll(-100000)", show=False),
        Binding("G,shift+g,end", "roll(100000)", show=False),
        *KEYS_OVER_ALL,
    ]

    def __init__(self, title: str, make: Callable[[bool], Iterable[Line]], state: DashboardState) -> None:
        """`make`: whether in SI → the lines."""
        super().__init__()
        self._heading, self._make, self._state = title, make, state

    def compose(self) -> ComposeResult:
        with Panel(id="page"):
            yield TextLines(id="page-text", wrap=True)

    def on_mount(self) -> None:
        panel = self.query_one(Panel)
        panel.set_title(self._heading)
        panel.set_note("j k scroll · Esc closes")
        lines = list(self._make(self._state.scale.si))
        panel.styles.height = min(max(12, len(lines) + 7), round(self.app.size.height * 0.9))
        self.query_one(TextLines).set_lines(lines, self._state.appearance)

    async def action_anew(self, action: str) -> None:
        self._state = await after(self, action, self._state)
        self.query_one(TextLines).set_lines(list(self._make(self._state.scale.si)), self._state.appearance)

    def action_roll(self, by: int) -> None:
        self.query_one(TextLines).scroll_relative(y=by, animate=False)


async def after(over: Screen[Any], action: str, state: DashboardState) -> DashboardState:
    """The state once an action has changed how everything is shown: what lies over the screen and what lies below."""
    await over.app.run_action(action)
    return over.app.state if isinstance(over.app, Goes) else state


class Confirm(ModalScreen[bool]):
    """Dismissed with True only for the exact name."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, state: DashboardState, host: str) -> None:
        super().__init__()
        self._state, self._host = state, host

    def compose(self) -> ComposeResult:
        with Panel(id="confirm"):
            yield TextLines(id="confirm-text")
            yield Input(placeholder=safe(self._host), id="confirm-name", compact=True)
            yield TextLines(id="confirm-answer")

    def on_mount(self) -> None:
        self.query_one(Panel).set_title("Apply the plan")
        self.query_one(Panel).set_note("Enter applies · Esc cancels")
        lines = list(question(self._state, self._host))
        text = self.query_one("#confirm-text", TextLines)
        text.styles.height = min(len(lines), max(3, self.app.size.height - 8))
        text.set_lines(lines, self._state.appearance)
        self._say("Nothing has run yet.", "muted")
        self.query_one(Input).focus()

    def _say(self, text: str, role: str) -> None:
        self.query_one("#confirm-answer", TextLines).set_lines(
            [(Span(f" {text}", role, 1, shrinks=True),)], self._state.appearance
        )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == safe(self._host):
            self.dismiss(True)
        else:
            self._say("That is not this host's name. Nothing has run.", "bad")

    def action_cancel(self) -> None:
        self.dismiss(False)


def question(state: DashboardState, host: str) -> Iterator[Line]:
    """The steps with bytes, risk and undo, the sum of the set, and what to type."""
    plan, after, si = state.steps, state.after_plan, state.scale.si
    yield (Span(" This changes ", "text"), Span(safe(host), "strong"), Span(" permanently:", "text"))
    yield ()
    for number, step in enumerate(
        (step for step in plan.every_step if step.id in state.chosen) if plan is not None else (), 1
    ):
        yield (Span(f" {number:>2}  ", "muted"), Span(f"{size(step.frees, si=si):>12}", "goodstrong"),
               Span(f"  {safe(step.title)}", "strong", 1, shrinks=True))  # fmt: skip
        yield (
            Span(" " * 18, "muted"),
            Span(f"{step.risk.value} · undo: {safe(step.undo)}", "muted", 1, shrinks=True),
        )
    yield ()
    if after is not None:
        yield (Span(" Together ", "text"), Span(bytes_(after.freed_bytes, si=si), "goodstrong"),
               Span(f" promised, {whole_percent(after.used_percent)} used afterwards", "text", 1))  # fmt: skip
    yield (
        Span(" Each item is checked again before it is removed; freed bytes are measured.", "muted", 1, shrinks=True),
    )
    yield ()
    yield (Span(" Type the host's name to apply:", "text"),)


_SHOWN = 400
_STATE = 16


@dataclass(frozen=True, slots=True)
class Match:
    """`where`: the path inside the item that matched, "" where its own name, owner, state or id did.

    `mount`: of the filesystem whose books have it.
    """

    label: CategoryLabel
    item: Item
    where: str
    mount: str


def matches(report: Report, text: str) -> Iterator[Match]:
    """Everything that contains `text` (any case), by category, largest first."""
    wanted = text.casefold()
    for ledger in report.ledgers:
        for category, items in ledger.items.items():
            label = label_of(category)
            for item in items:
                where = _where(item, wanted)
                if where is not None:
                    yield Match(label, item, where, ledger.filesystem.mount.mountpoint)


def _where(item: Item, wanted: str) -> str | None:
    if any(wanted in part.casefold() for part in (item.name, item.owner, item.state, item.id)):
        return ""
    return next((place.path for place in item.inside or () if wanted in place.path.casefold()), None)


class FoundTable(Listing[Match]):
    """Letter of the category, bytes, name with the path inside it, state."""

    has_head = False

    def key_of(self, row: Match) -> str:
        return f"{row.label.key} {row.item.owner_id.text()}{row.item.id}"

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return False

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        return (Span(" Nothing that is known contains this.", "muted"),)

    def draw(self, row: Match, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        number = state.scale.width + 1
        told = max(_STATE, width // 4)
        room = width - 3 - number - told - 5
        name = f"{row.item.name}: {row.where}" if row.where else row.item.name
        return [
            (
                Span(f" {row.label.letter} ", f"on:{row.label.letter}"),
                Span(f"{cell(row.item.referenced, state.scale):>{number}}  ", "strong"),
                Span(set_cell_size(shorten_middle(safe(name, 4 * width), room), room), "text"),
                Span(f"  {shorten_middle(safe(row.item.state), told)}", "muted"),
            )
        ]


@runtime_checkable
class Goes(Protocol):
    """An application that can go to a thing."""

    @property
    def state(self) -> DashboardState: ...

    async def go_to(self, match: Match | None) -> None: ...


class Things(Provider):
    """Every thing by its name, in the command palette."""

    async def search(self, query: str) -> Hits:
        app, matcher = self.app, self.matcher(query)
        if not isinstance(app, Goes) or app.state.report is None:
            return
        for found in islice(matches(app.state.report, query), _SHOWN):
            name = safe(found.item.name, 120)
            if score := matcher.match(name):
                held = size(found.item.referenced, si=app.state.scale.si)
                about = f"{found.label.title}, {held}, {safe(found.item.state, 40)}"
                yield Hit(score, matcher.highlight(name), partial(app.go_to, found), help=about)


class Find(ModalScreen[Match | None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close"),
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("pageup", "move(-10)", show=False),
    ]

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state

    def compose(self) -> ComposeResult:
        with Panel(id="find"):
            yield Input(id="find-text", placeholder="any part of a name, path, owner, state or id", compact=True)
            yield FoundTable(id="found")

    def on_mount(self) -> None:
        self.query_one(Panel).set_title("Find")
        self._narrow("")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._narrow(event.value)

    def _narrow(self, text: str) -> None:
        report, panel = self._state.report, self.query_one(Panel)
        found = list(islice(matches(report, text), _SHOWN + 1)) if report is not None else []
        found.sort(key=lambda one: -charged(one.item.referenced))
        self.query_one(FoundTable).fill(found[:_SHOWN], self._state)
        many = f"more than {_SHOWN}" if len(found) > _SHOWN else f"{len(found)}"
        panel.set_note(f"{many} found · Enter goes there · Esc closes")

    def action_move(self, by: int) -> None:
        self.query_one(FoundTable).action_move(by)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(self.query_one(FoundTable).row)

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        message.stop()
        self.dismiss(self.query_one(FoundTable).row)
