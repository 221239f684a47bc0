"""What happened, newest first: when, how full it was, how bad, and what."""

from __future__ import annotations

from collectors.report.words import moment, percent, safe
from tui.fit import Bit, shorten
from tui.frame import Event
from tui.scene import Scene
from tui.severity import chip
from tui.widgets.listing import Listing


class EventTable(Listing[Event]):
    has_head = False

    def key_of(self, row: Event) -> str:
        return f"{row.at.isoformat()} {row.kind} {row.text}"

    def copy_text(self, row: Event) -> str:
        return f"{moment(row.at)} {row.text}"

    def empty(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        return (Bit(" Nothing happened yet in the runs that are known.", "muted"),)

    def draw(self, row: Event, scene: Scene, width: int) -> list[tuple[Bit, ...]]:
        full = "" if row.used_percent is None else percent(row.used_percent)
        when = f" {row.at:%a %d %b %H:%MZ} " if width >= 60 else f" {row.at:%d %H:%MZ} "
        bits = [
            Bit(when, "muted"),
            Bit(f"{full:>6} ", "strong"),
            Bit(chip(row.severity, word=False), f"sev:{int(row.severity)}"),
        ]
        used = sum(len(bit.text) for bit in bits)
        return [(*bits, Bit(f" {shorten(safe(row.text), max(0, width - used - 2))}", "text"))]
