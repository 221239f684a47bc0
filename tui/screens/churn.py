"""What does rebuilding cost? Repositories, and for one of them the step that breaks the cache and what helps."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult

from collectors.model.report import Report
from collectors.model.sums import charged, floor
from collectors.report.words import age, count, safe, size
from tui.bars import dual
from tui.churn import ChurnRow, churn_rows
from tui.fit import Bit, Line
from tui.scene import Scene
from tui.screens.view import View
from tui.widgets.churn_table import ChurnTable
from tui.widgets.listing import Listing
from tui.widgets.panel import Panel
from tui.widgets.prose import Prose

_BAR = 24


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


def _about(row: ChurnRow, report: Report, *, si: bool) -> Iterator[Line]:
    churn = row.churn
    span = age((report.taken_at - churn.since).total_seconds())
    yield (
        Bit(f" {count(churn.rebuilds, 'rebuild')} in {span}", "strong"),
        Bit(f" left {count(churn.dangling_images, 'image')} behind: ", "text", 1),
        Bit(size(churn.dangling_bytes, si=si), "goodstrong"),
    )
    if churn.busting_step:
        yield (Bit(" cache breaks at  ", "muted"), Bit(safe(churn.busting_step), "rise", 1, cut=True))
        yield (
            Bit(" ", "muted"),
            Bit("every layer from there on is written anew with each build", "muted", 1, cut=True),
        )
    else:
        yield (Bit(" which step breaks the cache is not known: no build record names it", "muted", 1, cut=True),)
    remedy = next(
        (
            finding.remedy
            for finding in report.findings
            if finding.rule == "churn" and churn.repository in finding.claim
        ),
        "",
    )
    if remedy:
        yield (Bit(" fix              ", "goodstrong"), Bit(safe(remedy), "text", 1, cut=True))
    if row.images:
        yield ()
        yield (Bit(" images that are still here", "head"), Bit(": exclusive, then shared", "head", 1))
        largest = max(charged(item.referenced) for item in row.images)
        for item in row.images:
            bar = dual(charged(item.referenced), floor(item.exclusive), largest, _BAR, "cat:I")
            used = sum(len(bit.text) for bit in bar)
            yield (
                Bit(f"{size(item.exclusive, si=si):>12}  ", "strong"),
                *bar,
                Bit(" " * (_BAR + 2 - used), "text", 9),
                Bit(safe(item.name), "text", 1, cut=True, middle=True),
            )
