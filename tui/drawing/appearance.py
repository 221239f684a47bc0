"""Roles to Rich styles under one palette, with or without colour. Refuses to decide what a thing means.

Roles: the names in a palette, `cat:O` a category's colour as ink, `on:O` its label on its colour, `pick:O` the same
selected, `sev:5` a severity's
chip, `ink:5` its colour as ink.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

from rich.style import Style

from tui.drawing.palette import PALETTES, PATTERNS, Palette


class Appearance:
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


@lru_cache(16)
def appearance_of(theme: str, mono: bool) -> Appearance:
    """The appearance of a theme by name."""
    return Appearance(PALETTES[theme], mono=mono)
