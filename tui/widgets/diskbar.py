"""The bar of the whole disk. Clicking a segment selects its category."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual.message import Message

from tui.diskbar import Segment, after_line, label_rows, scale_line, segments
from tui.fit import Bit
from tui.frame import space_of
from tui.scene import Scene
from tui.widgets.drawn import Drawn


class DiskBar(Drawn):
    """Scale, bar, and what is left after the plan where there is a line for it. Height 2 to 5."""

    class Picked(Message):
        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__(id="diskbar", classes="mast")
        self._parts: tuple[Segment, ...] = ()

    def lines(self, scene: Scene, width: int, height: int) -> Iterable[tuple[Bit, ...]]:
        report = scene.report
        room = width - 2
        if report is None:
            return
        self._parts = segments(scene.rows, room)
        space = space_of(report)
        with_scale, with_after = height >= 3, height >= 4
        margin = (Bit(" "),)
        if with_scale:
            yield (*margin, *scale_line(scene, room))
        for line in label_rows(scene, self._parts, max(1, height - with_scale - with_after)):
            yield (*margin, *line)
        if with_after and space is not None and scene.after is not None and scene.after.freed_bytes > 0:
            yield (*margin, *after_line(scene.look, scene.after, space.total_bytes, room, si=scene.scale.si))

    def on_click(self, event: events.Click) -> None:
        for part in self._parts:
            if part.begin <= event.x - 1 < part.begin + part.cells:
                self.post_message(self.Picked(part.row.face.key))
