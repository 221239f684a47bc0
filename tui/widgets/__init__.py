"""What screens are made of. A widget draws the state it is given and reports what was pointed at.

Here are the small ones that all others use: a frame, lines drawn from a state, lines of text; and what stands below
every view: what the marked things come to together, and the keys that work here and now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.containers import Vertical
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from collectors.model.reading import Size as Bytes
from collectors.model.reading import Unavailable, floor
from collectors.report.formatting import count, doubt, safe, size, whole_percent
from tui.drawing import Appearance, Line, Span, fit, shorten_middle, wrapped
from tui.pages import KEYS, Key, action_name, footer_keys
from tui.view_models import space_of
from tui.view_models.state import DashboardState, Mode


class Panel(Vertical):
    """`name_it` and `note_it` set the two texts on the frame."""

    def set_title(self, title: str) -> None:
        self.border_title = Text(title) if title else None

    def set_note(self, note: str) -> None:
        self.border_subtitle = Text(note) if note else None


def strip_of(spans: Iterable[Span], appearance: Appearance, width: int, base: Style) -> Strip:
    """A line of exactly `width` cells on the ground of `base`."""
    segments = [Segment(piece.text, base + appearance.style(piece.role)) for piece in spans if piece.text]
    length = sum(cell_len(segment.text) for segment in segments)
    if length < width:
        segments.append(Segment(" " * (width - length), base))
    return Strip(segments).crop(0, width) if length > width else Strip(segments, width)


class LineWidget(Widget):
    """A widget of whole lines: subclasses give `lines`."""

    state: reactive[DashboardState | None] = reactive(None, always_update=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._lines: list[tuple[Span, ...]] | None = None

    def show(self, state: DashboardState) -> None:
        """Draw `state` from now on."""
        self.state = state

    def show_if_changed(self, state: DashboardState) -> None:
        """Draw `state` where that looks different: once a second most of the screen does not."""
        size = self.size
        lines = list(self.lines(state, size.width, size.height))
        if lines != self.drawn_lines():
            self.state = state
            self._lines = lines

    def watch_state(self) -> None:
        self._lines = None
        self.refresh()

    def on_resize(self) -> None:
        self._lines = None

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        """The lines from top to bottom; what is missing is left blank."""
        raise NotImplementedError

    def drawn_lines(self) -> list[tuple[Span, ...]]:
        if self._lines is None:
            size = self.size
            state = self.state
            self._lines = [] if state is None else list(self.lines(state, size.width, size.height))
        return self._lines

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        lines = self.drawn_lines()
        if self.state is None or y >= len(lines):
            return Strip.blank(width, base)
        return strip_of(lines[y], self.state.appearance, width, base)


class TextLines(ScrollView, can_focus=False):
    """`wrap`: long text runs on in the next line; else it is cut, one line each."""

    def __init__(self, *, id: str | None = None, wrap: bool = False) -> None:
        super().__init__(id=id)
        self._given: Sequence[Line] = ()
        self._lines: Sequence[Line] = ()
        self._appearance: Appearance | None = None
        self._wrap = wrap

    def set_lines(self, lines: Sequence[Line], appearance: Appearance) -> None:
        """Show `lines` from the top."""
        if lines == self._given and appearance is self._appearance:
            return
        self._given, self._appearance = lines, appearance
        self._lay_out()
        self.scroll_to(y=0, animate=False)
        self.refresh()

    def _lay_out(self) -> None:
        # A cell is kept for the scrollbar, so that it does not change what fits when it appears.
        width = max(1, self.size.width - 1)
        self._lines = [part for line in self._given for part in wrapped(line, width)] if self._wrap else self._given
        self.virtual_size = Size(self.size.width, len(self._lines))

    def on_resize(self) -> None:
        self._lay_out()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        at = y + self.scroll_offset.y
        if self._appearance is None or at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        return strip_of(fit(self._lines[at], width), self._appearance, width, self.rich_style)


class KeyBar(LineWidget):
    def __init__(self) -> None:
        super().__init__(id="keys", classes="surround")
        self._spans: list[tuple[int, int, Key]] = []

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        if self.app.screen_stack[0].has_class("-too-small"):
            yield fit(
                (Span(" q", "key"), Span(" Quit", "muted"), Span("  a larger window shows more", "muted", 1)), width
            )
            return
        names = {action_name(key) for key in KEYS}
        allowed = [name for name in names if self.app.check_action(name, ()) is True]
        keys = list(footer_keys(state.view, replay=state.mode is Mode.REPLAY, allowed=allowed))
        while keys and sum(_cells(key) for key in keys) > width - 1:
            keys.remove(max(keys, key=lambda key: key.rank))
        spans: list[Span] = [Span(" ")]
        at, self._spans = 1, []
        for key in keys:
            self._spans.append((at, at + _cells(key) - 2, key))
            spans += [Span(key.shown, "key"), Span(f" {key.label}  ", "muted")]
            at += _cells(key)
        yield tuple(spans)

    async def on_click(self, event: events.Click) -> None:
        for begin, end, key in self._spans:
            if begin <= event.x < end:
                await self.app.run_action(key.action)


def _cells(key: Key) -> int:
    return len(key.shown) + len(key.label) + 3


class MarkLine(LineWidget):
    """Shown while something is marked. A click opens the plan of it."""

    def __init__(self) -> None:
        super().__init__(id="marks", classes="surround")

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        if state.marked:
            keys = "p whole plan" if state.of_marked else "p their plan · Space unmarks"
            yield fit((Span(" ● ", "accent"), *marked_spans(state), Span(f" · {keys}", "muted", 6)), width)

    async def on_click(self) -> None:
        await self.app.run_action("view('plan')")


def marked_spans(state: DashboardState) -> Line:
    """`3 marked: 1.2 GiB come free together → 82%, harm: time · 1 has no step: web-1 (running)`."""
    found, si = state.marked_set, state.scale.si
    spans = [Span(f"{count(len(state.marked), 'thing')} marked: ", "strong")]
    if found is None:
        return (*spans, Span("what they free is being worked out …", "muted", 1))
    spans += _freed(found.frees, state)
    if found.harm is not None:
        spans.append(Span(f", harm: {found.harm.word}", "text"))
    if found.without:
        spans.append(Span(f" · {_without(state)}", "warn", 4, shrinks=True, least=12))
    if said := doubt(found.frees, si=si):
        spans.append(Span(f" · {said}", "muted", 5, shrinks=True, least=40))
    return tuple(spans)


def _freed(frees: Bytes, state: DashboardState) -> Iterator[Span]:
    """How much that is, and how full the disk is then."""
    space = space_of(state.report) if state.report is not None else None
    if isinstance(frees, Unavailable):
        yield Span("what they free is not known", "warn")
        return
    yield Span(size(frees, si=state.scale.si), "goodstrong")
    yield Span(f" come free{' together' if len(state.marked) > 1 else ''}", "text", 3)
    if len(state.mounts) > 1:
        yield Span(f" on {shorten_middle(safe(state.mounted_at), 28)}", "text", 5)
    if space is not None:
        yield Span(f" → {whole_percent(space.used_percent_after(floor(frees)))}", "good")


def _without(state: DashboardState) -> str:
    """How many of them no step removes, and why not the first."""
    found = state.marked_set
    if found is None or not found.without:
        return ""
    owner, why = next(iter(found.without.items()))
    many = len(found.without)
    return f"{many} {'has' if many == 1 else 'have'} no step: {safe(state.name_of(owner), 40)} ({safe(why)})"
