"""Time as a line: what was run, what happened, where we are. Clicking it goes there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from textual import events
from textual.message import Message

from collectors.report.words import age, percent
from tui.fit import Bit, fit
from tui.frame import percent_of, space_of
from tui.scene import Mode, Scene
from tui.severity import glyph
from tui.widgets.drawn import Drawn


class Slider(Drawn):
    """Two lines: the track with its marks, and the moment in words."""

    class Sought(Message):
        """`share` of the way from the oldest to the newest run, 0 to 1."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def lines(self, scene: Scene, width: int, height: int) -> Iterable[tuple[Bit, ...]]:
        if scene.span is None or scene.report is None:
            yield (Bit(" No journal: only this run is known. --journal keeps one.", "muted", 1, cut=True),)
            return
        room = max(2, width - 2)
        here = _column(scene, scene.report.taken_at, room)
        cells = [("━", "accent")] * (here + 1) + [("─", "muted")] * (room - here - 1)
        for event in scene.marked:
            cells[_column(scene, event.at, room)] = (glyph(event.severity), f"ink:{int(event.severity)}")
        cells[here] = ("●", "strong")
        yield (Bit(" "), *(Bit(text, role) for text, role in cells))
        yield fit(_words(scene), width)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0 and self.size.width > 3:
            self.post_message(self.Sought(min(1.0, max(0.0, (event.x - 1) / (self.size.width - 3)))))


def _column(scene: Scene, at: datetime, room: int) -> int:
    if scene.span is None:
        return 0
    begin, end = scene.span
    whole = (end - begin).total_seconds()
    share = (at - begin).total_seconds() / whole if whole > 0 else 1.0
    return min(room - 1, max(0, round(share * (room - 1))))


def _words(scene: Scene) -> list[Bit]:
    report = scene.report
    if report is None or scene.span is None:
        return []
    space = space_of(report)
    bits = [Bit(f" {report.taken_at:%a %d %b %H:%MZ}  ", "strong")]
    if space is not None:
        bits.append(Bit(f"{percent(percent_of(space.used_bytes, space))} used", "strong"))
    back = (scene.span[1] - report.taken_at).total_seconds()
    if scene.mode is Mode.REPLAY:
        number, count = scene.position
        when = f"{age(back)} before the newest" if back > 0 else "the newest"
        bits.append(Bit(f"   run {number} of {count}, {when}", "muted", 1))
    bits.append(Bit("   ← → 1 h   [ ] event   Home End", "muted", 2))
    return bits
