"""What does rebuilding cost? Repositories, and for one of them the step that breaks the cache and what helps."""

from __future__ import annotations

from rich.cells import set_cell_size
from textual.app import ComposeResult

from collectors.report.words import count, percent, safe
from tui.drawing.bars import dual
from tui.drawing.spans import Bit, shorten_middle
from tui.screens.view import View
from tui.view_models.churn import ChurnRow, _about, churn_rows
from tui.view_models.state import Scene
from tui.view_models.units import cell, number
from tui.widgets.lines import Panel, Prose
from tui.widgets.listing import Listing


class ChurnView(View):
    def __init__(self) -> None:
        super().__init__(id="churn")
        self._scene: Scene | None = None

    def compose(self) -> ComposeResult:
        with Panel(id="churn-list"):
            yield ChurnTable(id="repositories")
        with Panel(id="churn-detail"):
            yield Prose(id="repository", wrap=True)

    def focus_first(self) -> None:
        self.query_one(ChurnTable).focus()

    def show(self, scene: Scene) -> None:
        self._scene = scene
        if scene.report is None:
            return
        table = self.query_one(ChurnTable)
        table.fill(churn_rows(scene.report, scene.churn_order, scene.needle), scene)
        panel = self.query_one("#churn-list", Panel)
        panel.name_it(f"What rebuilding costs: {count(len(table.rows), 'repository', 'repositories')}")
        panel.note_it(f"{scene.scale.label} · by {scene.churn_order}")
        self._detail(scene)

    def on_listing_moved(self, message: Listing.Moved) -> None:
        if message.listing.id == "repositories" and self._scene is not None:
            message.stop()
            self._detail(self._scene)

    def _detail(self, scene: Scene) -> None:
        table, panel = self.query_one(ChurnTable), self.query_one("#churn-detail", Panel)
        row = table.row
        panel.name_it((safe(row.churn.repository, 80) or "(untagged)") if row is not None else "Repository")
        lines = (
            list(_about(row, scene.report, si=scene.scale.si)) if row is not None and scene.report is not None else []
        )
        self.query_one("#repository", Prose).set_lines(lines, scene.look)


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
