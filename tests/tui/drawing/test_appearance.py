"""Every theme can be read: contrast, the cursor row with sixteen colours and with none, ASCII alone."""

import math
from collections.abc import Sequence
from itertools import combinations

import pytest
from rich.color import Color
from rich.style import Style

from collectors.model.plan import Severity
from tests.tui.incident import incident
from tests.tui.screen import VIEW_KEYS, lines, replay, settle, shown, styled, text
from tests.tui.shapes import hostile
from tui.drawing import SOLID, THIN, Appearance
from tui.drawing.palette import ANSI, COLOUR_BLIND, DARK, LIGHT, PALETTES, PATTERNS, Palette
from tui.drawing.terminal import Charset, charset_of, plain
from tui.view_models.categories import ALL
from tui.view_models.verdict import chip

Matrix = Sequence[Sequence[float]]

# Decoration only: frames, tracks.
_QUIET = {"faint", "track"}


def luminance(color: Color) -> float:
    parts = [part / 255 for part in color.get_truecolor()]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [DARK, LIGHT, COLOUR_BLIND], ids=lambda palette: palette.name)
def test_text_has_a_contrast_of_four_and_a_half_on_the_ground_and_under_the_cursor(palette: Palette) -> None:
    grounds = [Color.parse(palette.ground), Color.parse(palette.panel)]
    grounds += [Style.parse(palette.cursor).bgcolor or grounds[0]]
    for role, words in palette.roles.items():
        style = Style.parse(words)
        if role in _QUIET or style.color is None:
            continue
        for ground in [style.bgcolor] if style.bgcolor is not None else grounds:
            assert contrast(style.color, ground) >= (4.5 if ground is grounds[0] else 3.0), (role, ground.name)


@pytest.mark.parametrize("palette", [DARK, LIGHT, COLOUR_BLIND], ids=lambda palette: palette.name)
def test_labels_and_chips_have_a_contrast_of_four_and_a_half(palette: Palette) -> None:
    appearance = Appearance(palette)
    roles = [f"on:{label.letter}" for label in ALL] + [f"sev:{level}" for level in range(6)]
    for role in roles:
        style = appearance.style(role)
        assert style.color is not None
        assert style.bgcolor is not None
        assert contrast(style.color, style.bgcolor) >= 4.5, role


# How a colour looks to somebody without one kind of cones, in linear light (Machado, Oliveira, Fernandes 2009).
_SEEN_BY = {
    "protanope": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranope": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanope": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
_WHITE = (0.9505, 1.0, 1.089)


def linear(color: Color) -> list[float]:
    parts = [part / 255 for part in color.get_truecolor()]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def times(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    return [min(1.0, max(0.0, sum(a * b for a, b in zip(row, vector, strict=True)))) for row in matrix]


def lab(rgb: Sequence[float]) -> list[float]:
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (part / white for part, white in zip(times(_XYZ, rgb), _WHITE, strict=True))
    )
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


def distances(palette: Palette, matrix: Matrix) -> dict[tuple[int, int], float]:
    """Between every two severities, as somebody with these eyes sees them (CIE 1976; 2 can just be told apart)."""
    seen = [lab(times(matrix, linear(Color.parse(ground)))) for ground, _ in palette.severities]
    return {(one, other): math.dist(seen[one], seen[other]) for one, other in combinations(range(6), 2)}


@pytest.mark.parametrize("eyes", _SEEN_BY)
def test_whoever_lacks_a_kind_of_cones_tells_every_two_severities_apart(eyes: str) -> None:
    assert min(distances(COLOUR_BLIND, _SEEN_BY[eyes]).values()) > 15
    assert min(distances(DARK, _SEEN_BY["deuteranope"]).values()) < 15  # what that theme is for


def test_without_any_hue_the_loud_severities_differ_in_light_and_all_in_words() -> None:
    grounds = [Color.parse(ground) for ground, _ in COLOUR_BLIND.severities]
    for one, other in combinations(grounds[3:], 2):
        assert contrast(one, other) > 1.5
    for word in (True, False):
        assert len({chip(severity, word=word) for severity in Severity}) == 6


@pytest.mark.parametrize("palette", PALETTES.values(), ids=lambda palette: palette.name)
def test_every_role_is_known_to_every_palette(palette: Palette) -> None:
    appearance = Appearance(palette)
    assert palette.roles.keys() == DARK.roles.keys()
    for label in ALL:
        appearance.style(f"cat:{label.letter}")
        appearance.style(f"pick:{label.letter}")


def test_every_category_has_a_letter_and_a_pattern_of_its_own() -> None:
    letters = [label.letter for label in ALL]
    assert len(set(letters)) == len(letters)
    assert len({PATTERNS[letter] for letter in letters}) == len(letters)


async def test_with_sixteen_colours_only_the_terminals_own_are_used() -> None:
    app = replay(incident(), theme=ANSI.name)
    async with shown(app, (120, 36)) as pilot:
        for key in (*VIEW_KEYS, "question_mark"):
            await pilot.press(key)
            await settle(pilot)
            for style in (segment.style for line in styled(app) for segment in line if segment.style):
                for color in (style.color, style.bgcolor):
                    assert color is None or color.is_default or (color.number or 0) < 16, style


async def test_with_sixteen_colours_the_cursor_row_has_one_ink_on_one_other_ground() -> None:
    app = replay(incident(), theme=ANSI.name)
    async with shown(app, (120, 36)):
        row = next(line for line in styled(app) if any("50.1▲" in part.text for part in line))
        inside = [
            part.style for part in row[1:] if part.style and part.style.bgcolor and part.style.bgcolor.name == "white"
        ]
        assert len(inside) >= 5
        assert all(style.color is not None and style.color.name == "black" for style in inside)


async def test_without_colour_no_colour_is_sent_and_the_cursor_is_reversed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = replay(incident(), theme=ANSI.name)
    async with shown(app, (120, 36)):
        every = [part for line in styled(app) for part in line if part.style]
        assert all(part.style.color is None or part.style.color.is_default for part in every if part.style)
        assert all(part.style.bgcolor is None or part.style.bgcolor.is_default for part in every if part.style)
        assert any(part.style.reverse and "Orphaned layers" in part.text for part in every if part.style)
        bar = lines(app)[5]
        assert "███" in bar
        assert "▒▒▒" in bar


async def test_an_empty_no_color_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    app = replay(incident())
    async with shown(app, (120, 36)):
        assert any(part.style and part.style.bgcolor and not part.style.bgcolor.is_default for part in styled(app)[4])


@pytest.mark.parametrize("report", [incident, hostile], ids=["incident", "hostile"])
async def test_a_terminal_without_utf_8_gets_ascii_alone_and_no_line_changes_its_width(report: object) -> None:
    app = replay(report(), charset=Charset.ASCII)  # type: ignore[operator]
    async with shown(app, (120, 36)) as pilot:
        for key in (*VIEW_KEYS, "question_mark"):
            await pilot.press(key)
            await settle(pilot)
            assert text(app).isascii()
            assert {len(line) for line in lines(app)} == {120}


async def test_a_linux_console_gets_no_braille_and_no_eighth_blocks() -> None:
    app = replay(incident(), charset=Charset.CONSOLE, theme=ANSI.name)
    async with shown(app, (120, 36)) as pilot:
        for key in VIEW_KEYS:
            await pilot.press(key)
            await settle(pilot)
            assert not set(text(app)) & set("▁▂▃▅▆▇━╭╮╰╯✖✔◆…")
            assert not any("\u2800" <= char <= "\u28ff" for char in text(app))


@pytest.mark.parametrize(
    ("encoding", "term", "charset"),
    [
        ("utf-8", "xterm-256color", Charset.FULL),
        ("UTF8", "xterm", Charset.FULL),
        ("utf-8", "linux", Charset.CONSOLE),
        ("ascii", "xterm", Charset.ASCII),
        ("ANSI_X3.4-1968", "linux", Charset.ASCII),
        ("latin-1", "xterm", Charset.ASCII),
        (None, "xterm", Charset.ASCII),
    ],
)
def test_the_charset_follows_the_stream_and_the_terminal(encoding: str | None, term: str, charset: Charset) -> None:
    assert charset_of(encoding, term) is charset


@pytest.mark.parametrize("charset", list(Charset))
def test_a_wide_character_keeps_its_cells(charset: Charset) -> None:
    from rich.cells import cell_len

    for words in ("短い…━▆", "⣿⡇⠉", "╭─╮│✖"):
        assert cell_len(plain(words, charset)) == cell_len(words)


async def test_without_colour_the_gauge_of_the_plan_shows_where_used_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = replay(incident(), theme=ANSI.name)
    async with shown(app, (120, 36), ["4"]):
        gauge = [line for line in lines(app) if "95%" in line or "→" in line]
        assert any(SOLID in line and THIN in line for line in gauge)
