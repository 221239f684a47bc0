"""The last line: the keys that work here and now. Clicking one presses it."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events

from tui.drawing.spans import Span, fit
from tui.keys import KEYS, Key, action_name, footer_keys
from tui.view_models.state import DashboardState, Mode
from tui.widgets.lines import LineWidget


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
