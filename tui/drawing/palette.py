"""The colours: dark, light, safe for colour-blind people, sixteen and none. Data only.

Every category and severity also has a letter or glyph, so a palette may repeat itself where a terminal has few colours.
Text roles keep a contrast of 4.5:1 and more on their ground; a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Palette:
    """Rich style strings by role. `fills` are category colours, `labels` what is written on them."""

    name: str
    dark: bool
    ansi: bool
    ground: str
    panel: str
    edge: str
    roles: Mapping[str, str]
    fills: Mapping[str, str]
    labels: Mapping[str, str]
    severities: tuple[tuple[str, str], ...]  # (ground, ink) from OK to P0
    cursor: str
    cursor_blurred: str


def _labels(fills: Mapping[str, str], ink: str, quiet: str) -> dict[str, str]:
    """`ink` on every colour, `quiet` on the two quiet ones that stand for space not used."""
    return {letter: quiet if letter in "FR" else ink for letter in fills}


_DARK_FILLS = {
    "O": "#ff6b7f",
    "I": "#6ea8fe",
    "V": "#a992ff",
    "B": "#5dd6a4",
    "L": "#f4bd50",
    "S": "#e58fd8",
    "C": "#4fc6dd",
    "E": "#7fb8a6",
    "N": "#8c9bb0",
    "M": "#b3becd",
    "D": "#f0955c",
    "X": "#d49a78",
    "?": "#f1f5f9",
    "=": "#64748a",
    "R": "#2b3746",
    "F": "#1a232e",
}
_LIGHT_FILLS = {
    "O": "#c41f3c",
    "I": "#1d62c9",
    "V": "#6746cc",
    "B": "#17754d",
    "L": "#8f5d00",
    "S": "#932c88",
    "C": "#0a7288",
    "E": "#3a685f",
    "N": "#566476",
    "M": "#475463",
    "D": "#a54a12",
    "X": "#7d4a33",
    "?": "#141d28",
    "=": "#5a6778",
    "R": "#c3cdd9",
    "F": "#dfe6ee",
}
_ANSI_FILLS = {
    "O": "red",
    "I": "blue",
    "V": "magenta",
    "B": "green",
    "L": "yellow",
    "S": "magenta",
    "C": "cyan",
    "E": "green",
    "N": "white",
    "M": "cyan",
    "D": "yellow",
    "X": "red",
    "?": "white",
    "=": "white",
    "R": "default",
    "F": "default",
}

DARK = Palette(
    name="ullage-dark",
    dark=True,
    ansi=False,
    ground="#0b0f15",
    panel="#10161e",
    edge="#263140",
    roles={
        "text": "#cfd8e3",
        "strong": "bold #f4f7fb",
        "muted": "#8292a6",
        "faint": "#3a4656",
        "accent": "#6ea8fe",
        "good": "#5dd6a4",
        "goodstrong": "bold #5dd6a4",
        "warn": "#f4bd50",
        "bad": "bold #ff6b7f",
        "rise": "#f0955c",
        "tab": "#8292a6",
        "tabon": "bold #0b0f15 on #cfd8e3",
        "host": "bold #f4f7fb",
        "live": "bold #5dd6a4",
        "replay": "bold #0b0f15 on #f4bd50",
        "key": "bold #f4bd50",
        "head": "#8292a6",
        "track": "#1d2733",
    },
    fills=_DARK_FILLS,
    labels=_labels(_DARK_FILLS, "#0b0f15", "#9fb0c4"),
    severities=(
        ("#5dd6a4", "#0b0f15"),
        ("#8c9bb0", "#0b0f15"),
        ("#6ea8fe", "#0b0f15"),
        ("#f2d25c", "#0b0f15"),
        ("#ff9650", "#0b0f15"),
        ("#ff5470", "#0b0f15"),
    ),
    cursor="on #1c3150",
    cursor_blurred="on #161f2b",
)

LIGHT = Palette(
    name="ullage-light",
    dark=False,
    ansi=False,
    ground="#fbfcfe",
    panel="#f2f5f9",
    edge="#c9d3df",
    roles={
        "text": "#233040",
        "strong": "bold #0c141e",
        "muted": "#586779",
        "faint": "#c2ccd8",
        "accent": "#1d62c9",
        "good": "#17754d",
        "goodstrong": "bold #17754d",
        "warn": "#8a5a00",
        "bad": "bold #c41f3c",
        "rise": "#a54a12",
        "tab": "#586779",
        "tabon": "bold #fbfcfe on #233040",
        "host": "bold #0c141e",
        "live": "bold #17754d",
        "replay": "bold #fbfcfe on #8a5a00",
        "key": "bold #8a5a00",
        "head": "#586779",
        "track": "#e4e9f0",
    },
    fills=_LIGHT_FILLS,
    labels=_labels(_LIGHT_FILLS, "#ffffff", "#3b4857"),
    severities=(
        ("#17754d", "#ffffff"),
        ("#566476", "#ffffff"),
        ("#1d62c9", "#ffffff"),
        ("#7a6200", "#ffffff"),
        ("#b04a08", "#ffffff"),
        ("#b81436", "#ffffff"),
    ),
    cursor="on #d3e4fd",
    cursor_blurred="on #e6ecf4",
)

ANSI = Palette(
    name="ullage-ansi",
    dark=True,
    ansi=True,
    ground="ansi_default",
    panel="ansi_default",
    edge="ansi_white",
    roles={
        "text": "default",
        "strong": "bold",
        "muted": "default",
        "faint": "default",
        "accent": "cyan",
        "good": "green",
        "goodstrong": "bold green",
        "warn": "yellow",
        "bad": "bold red",
        "rise": "yellow",
        "tab": "default",
        "tabon": "reverse bold",
        "host": "bold",
        "live": "bold green",
        "replay": "black on yellow",
        "key": "bold yellow",
        "head": "cyan",
        "track": "default",
    },
    fills=_ANSI_FILLS,
    labels={letter: "default" if fill == "default" else "black" for letter, fill in _ANSI_FILLS.items()}
    | {letter: "bright_white" for letter in "OIVSX"},
    severities=(
        ("green", "black"),
        ("white", "black"),
        ("blue", "bright_white"),
        ("yellow", "black"),
        ("yellow", "black"),
        ("red", "bright_white"),
    ),
    cursor="not bold black on white",
    cursor_blurred="underline",
)

# Blue against yellow and orange, light against dark: what no kind of colour-blindness takes for the same. The hues are
# those of Okabe and Ito; what is said to be bad or good in green and red elsewhere is orange and blue here.
_SAFE_FILLS = _DARK_FILLS | {
    "O": "#e8743b",
    "I": "#56b4e9",
    "V": "#d9a3c4",
    "B": "#2fa784",
    "L": "#f0e442",
    "S": "#b5739d",
    "C": "#a6d8f0",
    "E": "#7fcdb6",
    "N": "#8c9bb0",
    "M": "#cbd5e1",
    "D": "#e69f00",
    "X": "#c29a5b",
}
COLOUR_BLIND = replace(
    DARK,
    name="ullage-colour-blind",
    roles={
        **DARK.roles,
        "accent": "#56b4e9",
        "good": "#7cc7f2",
        "goodstrong": "bold #7cc7f2",
        "warn": "#f0e442",
        "bad": "bold #f08a4b",
        "rise": "#e69f00",
        "live": "bold #7cc7f2",
        "replay": "bold #0b0f15 on #f0e442",
        "key": "bold #f0e442",
    },
    fills=_SAFE_FILLS,
    labels=_labels(_SAFE_FILLS, "#0b0f15", "#9fb0c4"),
    severities=(
        ("#c4e6fa", "#0b0f15"),
        ("#8c9bb0", "#0b0f15"),
        ("#4a97d9", "#0b0f15"),
        ("#f5ec7a", "#0b0f15"),
        ("#e69f00", "#0b0f15"),
        ("#d55e00", "#0b0f15"),
    ),
)

PALETTES = {palette.name: palette for palette in (DARK, LIGHT, COLOUR_BLIND, ANSI)}

# Without colour a segment of the bar is told apart by its letter and by what fills it.
PATTERNS = {
    "O": "█",
    "I": "▒",
    "V": "▓",
    "B": "░",
    "L": "=",
    "S": "+",
    "C": ":",
    "E": "%",
    "N": "-",
    "M": "~",
    "D": "*",
    "X": "x",
    "?": "?",
    "=": "^",
    "R": "_",
    "F": " ",
}
