"""Repositories that are rebuilt: how often, what each build leaves behind, what that came to."""

from __future__ import annotations

from rich.cells import set_cell_size

from collectors.report.words import percent, safe
from tui.bars import dual
from tui.churn import ChurnRow
from tui.figures import cell, number
from tui.fit import Bit, shorten_middle
from tui.scene import Scene
from tui.widgets.listing import Listing

_BUILDS = 7
_DAILY = 8
_SHARED = 8


class ChurnTable(Listing[ChurnRow]):
    def key_of(self, row: ChurnRow) -> str:
        return row.churn.repository

    def copy_text(self, row: ChurnRow) -> str:
        return row.churn.repository

    def columns(self, width: int, figures: int) -> tuple[int, int, int, int]:
        """Cells of (name, per day, shared, bar); builds, new per build and cost are always there."""
        room = width - _BUILDS - 2 * (figures + 3) - 2
        daily = _DAILY if room >= 30 else 0
        shared = _SHARED if room >= 40 else 0
        bar = min(30, (room - 48) if room >= 62 else 0)
        return room - daily - shared - (bar + 2 if bar else 0), daily, shared, bar

    def head(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        figures = scene.scale.width
        name, daily, shared, _ = self.columns(width, figures)
        text = f" {'Repository':<{name}}{'Builds':>{_BUILDS}}"
        text += f"{'a day':>{daily}}" if daily else ""
        text += f"{'a build':>{figures + 3}}"
        text += f"{'shared':>{shared}}" if shared else ""
        return (Bit(text + f"{'cost':>{figures + 3}}", "head"),)

    def empty(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        reason = "no repository was rebuilt in the runs of the journal"
        if scene.report is not None and scene.report.trend.reason:
            reason = safe(scene.report.trend.reason)
        return (Bit(f" Nothing to show: {reason}.", "muted", 1, cut=True),)

    def draw(self, row: ChurnRow, scene: Scene, width: int) -> list[tuple[Bit, ...]]:
        figures = scene.scale.width
        name, daily, shared, bar = self.columns(width, figures)
        new = "?" if row.per_build_bytes is None else number(row.per_build_bytes, scene.scale.divisor)
        title = shorten_middle(safe(row.churn.repository, 4 * width) or "(untagged)", name - 1)
        bits = [Bit(f" {set_cell_size(title, name)}", "strong"), Bit(f"{row.churn.rebuilds:>{_BUILDS},}", "text")]
        if daily:
            bits.append(Bit(f"{row.builds_per_day:>{daily}.1f}", "muted"))
        bits.append(Bit(f"{new:>{figures + 3}}", "text"))
        if shared:
            text = "?" if row.shared_percent is None else percent(row.shared_percent, 0)
            bits.append(Bit(f"{text:>{shared}}", "muted"))
        bits.append(Bit(f"{cell(row.cost, scene.scale):>{figures + 3}}", "goodstrong"))
        if bar:
            largest = max((other.cost_bytes for other in self.rows), default=0)
            bits += [Bit("  "), *dual(row.cost_bytes, row.cost_bytes, largest, bar, "cat:I")]
        return [tuple(bits)]
