"""The top line: host, views, how far the scan is, live or replay, and the moment that is shown."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from textual import events
from textual.message import Message

from collectors.report.words import safe
from tui.fit import Bit, shorten_middle, width_of
from tui.scene import Mode, Scene
from tui.widgets.drawn import Drawn

VIEWS = (("overview", "Overview"), ("explore", "Explore"), ("history", "History"), ("plan", "Plan"), ("churn", "Churn"))


class Tabs(Drawn):
    """One line. Clicking a view's name switches to it."""

    class Picked(Message):
        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self) -> None:
        super().__init__(id="tabs", classes="mast")
        self._spans: list[tuple[int, int, str]] = []

    def lines(self, scene: Scene, width: int, height: int) -> Iterable[tuple[Bit, ...]]:
        right = _state(scene, width)
        room = width - width_of(right) - 1
        names, host = _names(scene, 99), ""
        for letters, shortest in ((99, 99), (4, 99), (0, 99), (0, 8)):
            names = _names(scene, letters)
            host = _host(scene, room - sum(len(name) + 2 for name in names) - 2, shortest)
            if host:
                break
        left: list[Bit] = [Bit(f" {host}  ", "host")] if host else [Bit(" ")]
        at, self._spans = width_of(left), []
        for (view, _), name in zip(VIEWS, names, strict=True):
            left.append(Bit(f" {name} ", "tabon" if scene.view == view else "tab"))
            self._spans.append((at, at + len(name) + 2, view))
            at += len(name) + 2
        blank = width - at - width_of(right)
        yield (*left, Bit(" " * max(0, blank)), *right)

    def on_click(self, event: events.Click) -> None:
        for begin, end, view in self._spans:
            if begin <= event.x < end:
                self.post_message(self.Picked(view))


def _names(scene: Scene, letters: int) -> list[str]:
    """The view that is open in full, the others in so many letters."""
    return [
        f"{number} {title if view == scene.view else title[:letters]}".rstrip()
        for number, (view, title) in enumerate(VIEWS, 1)
    ]


def _host(scene: Scene, room: int, shortest: int) -> str:
    """The host's name in `room` cells; "" where not even `shortest` of them are left."""
    name = safe(scene.report.host) if scene.report is not None else "ullage"
    if cell_len(name) <= room:
        return name
    return shorten_middle(name, room) if room >= shortest else ""


def _state(scene: Scene, width: int) -> tuple[Bit, ...]:
    """How far the scan is, live or replay, and the moment that is on screen."""
    bits: list[Bit] = []
    frame = scene.frame
    if scene.mode is Mode.REPLAY:
        number, count = scene.position
        if width >= 100 and count:
            bits.append(Bit(f"{number}/{count}  ", "muted"))
        bits.append(Bit(" « REPLAY ", "replay"))
    else:
        if width >= 100 and frame is not None:
            read = len(frame.report.coverage)
            bits.append(Bit(f"scan {read}/{read + len(frame.waiting)}  ", "muted"))
        busy = scene.scanning or (frame is None and not scene.failure)
        bits.append(Bit("◌ READING" if busy else "● LIVE", "warn" if busy else "live"))
        if scene.read_only and width >= 78:
            bits.append(Bit(" read-only", "muted"))
    if frame is not None:
        at = frame.report.taken_at
        form = " %d %b %H:%M:%SZ " if width >= 100 else " %H:%MZ "
        bits.append(Bit(at.strftime(form), "text"))
    return tuple(bits)
