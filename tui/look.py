"""Roles to Rich styles under one palette, with or without colour. Refuses to decide what a thing means.

Roles: the names in a palette, `cat:O` a category's colour as ink, `on:O` its label on its colour, `pick:O` the same
selected, `sev:5` a severity's
chip, `ink:5` its colour as ink.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.theme import Theme

from tui.fit import Bit
from tui.palette import PALETTES, PATTERNS, Palette


class Look:
    """How things are drawn. `mono`: no colour may carry meaning, so patterns and reverse video do."""

    def __init__(self, palette: Palette, *, mono: bool = False) -> None:
        self.palette = palette
        self.mono = mono
        self._styles: dict[str, Style] = {}

    def style(self, role: str) -> Style:
        """The style of a role; KeyError for one that no palette has."""
        found = self._styles.get(role)
        if found is None:
            found = self._styles[role] = self._make(role)
        return found

    def _make(self, role: str) -> Style:
        palette = self.palette
        kind, _, what = role.partition(":")
        if kind == "cat":
            return Style.null() if self.mono else Style.parse(palette.fills[what])
        if kind in ("on", "pick"):
            extra = "bold underline " if kind == "pick" else ""
            if self.mono:
                return Style.parse(extra)
            return Style.parse(f"{extra}{palette.labels[what]} on {palette.fills[what]}")
        if kind in ("sev", "ink"):
            ground, ink = palette.severities[int(what)]
            if self.mono:
                return Style.parse("reverse bold" if kind == "sev" else "bold")
            return Style.parse(f"bold {ink} on {ground}" if kind == "sev" else f"bold {ground}")
        return Style.parse(palette.roles[role])

    @property
    def flat_cursor(self) -> bool:
        """Does the cursor row drop its own colours? With few colours ink and ground could be the same."""
        return self.mono or self.palette.ansi

    @cached_property
    def cursor(self) -> Style:
        return Style.parse("reverse" if self.mono else self.palette.cursor)

    @cached_property
    def cursor_blurred(self) -> Style:
        return Style.parse("underline" if self.mono else self.palette.cursor_blurred)

    def fill(self, letter: str) -> str:
        """The character that fills a segment of the bar: blank on a ground of colour, a pattern without one."""
        return PATTERNS[letter] if self.mono else " "

    def strip(self, bits: Iterable[Bit], width: int, base: Style) -> Strip:
        """A line of exactly `width` cells on the ground of `base`."""
        segments = [Segment(bit.text, base + self.style(bit.role)) for bit in bits if bit.text]
        length = sum(cell_len(segment.text) for segment in segments)
        if length < width:
            segments.append(Segment(" " * (width - length), base))
        return Strip(segments).crop(0, width) if length > width else Strip(segments, width)


@lru_cache(16)
def look_of(theme: str, mono: bool) -> Look:
    """The look of a theme by name."""
    return Look(PALETTES[theme], mono=mono)


def textual_theme(palette: Palette) -> Theme:
    """The same colours for what Textual draws itself: borders, scrollbars, the command palette."""
    if palette.ansi:
        return Theme(
            name=palette.name, ansi=True, dark=True, primary="ansi_cyan", secondary="ansi_cyan", accent="ansi_cyan",
            warning="ansi_yellow", error="ansi_red", success="ansi_green", foreground="ansi_default",
            background="ansi_default", surface="ansi_default", panel="ansi_default", boost="ansi_default",
            variables={
                "edge": "ansi_white", "edge-focus": "ansi_cyan", "muted": "ansi_default", "bar": "ansi_default",
                "ansi-background": "ansi_black", "ansi-foreground": "ansi_white",
                "scrollbar": "ansi_white", "scrollbar-hover": "ansi_white", "scrollbar-active": "ansi_white",
                "scrollbar-background": "ansi_black", "scrollbar-background-hover": "ansi_black",
                "scrollbar-background-active": "ansi_black", "border": "ansi_cyan",
                "block-cursor-foreground": "ansi_black", "block-cursor-background": "ansi_white",
                "input-cursor-background": "ansi_white", "input-cursor-foreground": "ansi_black",
            },
        )  # fmt: skip
    roles = palette.roles
    return Theme(
        name=palette.name, dark=palette.dark, primary=roles["accent"], secondary=roles["accent"],
        accent=roles["accent"], warning=roles["warn"], error=palette.severities[5][0], success=roles["good"],
        foreground=roles["text"], background=palette.ground, surface=palette.panel, panel=palette.panel,
        variables={
            "edge": palette.edge, "edge-focus": roles["accent"], "muted": roles["muted"], "bar": palette.panel,
            "scrollbar": palette.edge, "scrollbar-hover": roles["muted"], "scrollbar-active": roles["accent"],
            "scrollbar-background": palette.ground, "scrollbar-background-hover": palette.ground,
            "scrollbar-background-active": palette.ground, "scrollbar-corner-color": palette.ground,
        },
    )  # fmt: skip
