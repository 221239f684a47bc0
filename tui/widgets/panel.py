"""A frame with a title and a footnote around its children. Titles may quote names: they are set without markup."""

from __future__ import annotations

from rich.text import Text
from textual.containers import Vertical


class Panel(Vertical):
    """`name_it` and `note_it` set the two texts on the frame."""

    def name_it(self, title: str) -> None:
        self.border_title = Text(title) if title else None

    def note_it(self, note: str) -> None:
        self.border_subtitle = Text(note) if note else None
