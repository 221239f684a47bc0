"""What leaves the screen or lies over it: help, the command palette, copies, exports."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from io import StringIO
from pathlib import Path

from textual.app import SystemCommand
from textual.screen import Screen

from collectors.model.finding import Finding
from collectors.report.words import safe
from tui.actions.replay import ReplayActions
from tui.drawing.spans import Line, shorten_middle
from tui.keys import KEYS, VIEW_KEYS
from tui.pages import finding, keys_and_signs, sources
from tui.screens.modals import Page
from tui.widgets.listing import Listing


class OutputActions(ReplayActions):
    _export_to = Path()

    def action_help(self) -> None:
        self._page("ullage: keys and signs", keys_and_signs())

    def action_coverage(self) -> None:
        frame = self.state.frame
        if frame is not None:
            self._page("Sources", sources(frame.report, frame.waiting))

    def explain(self, of: Finding) -> None:
        """Everything that is known of one finding."""
        self._page("Finding", finding(of, si=self.state.scale.si))

    def _page(self, title: str, lines: Iterable[Line]) -> None:
        self.push_screen(Page(title, list(lines), self.state.appearance))

    def action_palette(self) -> None:
        self.action_command_palette()

    def action_copy(self) -> None:
        listing = self.focused
        row = listing.row if isinstance(listing, Listing) else None
        # Escaped: what is pasted into a shell must not hold a line break that somebody put into a name.
        text = safe(listing.copy_text(row)) if isinstance(listing, Listing) and row is not None else ""
        if text:
            self.copy_to_clipboard(text)
            self.notify(shorten_middle(text, 200), title="Copied", markup=False)

    def action_export(self) -> None:
        from tui.export import local, markdown, write

        report, frame = self.state.report, self.state.frame
        if report is None or frame is None:
            return
        stem = f"ullage-{report.taken_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{self.state.view}"
        page, drawing = markdown(report, frame.history), local(self.export_screenshot(title="ullage"))
        if self.is_web:  # the browser saves it: a visitor writes nothing where the server runs
            self.deliver_text(StringIO(page), save_filename=f"{stem}.md", mime_type="text/markdown")
            self.deliver_text(StringIO(drawing), save_filename=f"{stem}.svg", mime_type="image/svg+xml")
            return
        try:
            paths = write(self._export_to, stem, drawing, page)
        except OSError as error:
            self.notify(f"not written: {safe(str(error))}", severity="error", markup=False)
            return
        self.notify("\n".join(safe(str(path)) for path in paths), title="Written", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> list[SystemCommand]:
        """Every key as a command by name."""
        return [
            SystemCommand(key.label, key.help, lambda action=key.action: self.call_later(self.run_action, action))
            for key in (*VIEW_KEYS, *KEYS)
            if key.action not in ("palette", "drill", "back")
            and self.check_action(key.action.partition("(")[0], ()) is True
        ]
