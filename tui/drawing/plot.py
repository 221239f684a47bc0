"""The one file that knows plotext: a `Chart` and a size in, lines of styled text out.

textual-plotext promotes plotext's private figure class; whatever of that changes, changes here. Imported only when a
chart is first shown, so that the answer is on screen before the drawing library is loaded.
"""

from __future__ import annotations

from itertools import groupby

from rich.color import Color
from rich.text import Text
from textual_plotext import Plot

from collectors.report.formatting import percent
from tui.drawing import Appearance
from tui.drawing.chart import FULL, XY, Canvas, Chart, clear_runs, filled_curve, levels, ticks

_Ink = tuple[int, int, int] | str
_QUARTERS = "⣀⠤⠒⠉"  # a line low to high in its cell


def draw(chart: Chart, appearance: Appearance, width: int, height: int) -> list[Text]:
    """`height` lines of at most `width` cells."""
    if width < 20 or height < 4:
        return []
    plot = Plot()
    plot.plotsize(width, height)
    plot._set_size(width, height)  # plotsize alone leaves the old canvas behind (textual-plotext issue 5)
    plot.theme("clear")
    plot.frame(False)
    plot.xlim(chart.from_h, chart.to_h)
    plot.ylim(chart.low, chart.high)
    plot.ticks_color(_ink(appearance, "muted"))
    up = levels(chart, height - 1)
    labels = [f"{level:.0f}" for level in up]
    plot.yticks(list(up), labels)
    along = ticks(chart, width)
    plot.xticks([x for x, _ in along], [text for _, text in along])
    columns = width - max(map(len, labels), default=0)
    canvas = Canvas(columns, height - 1, chart.from_h, chart.to_h, chart.low, chart.high)
    _marks(plot, chart, appearance)
    _curves(plot, chart, appearance, canvas)
    _forecast(plot, chart, appearance, canvas)
    _words(plot, chart, appearance)
    return list(Text.from_ansi(plot.build()).split("\n"))[:height]


def _marks(plot: Plot, chart: Chart, appearance: Appearance) -> None:
    """Each threshold as a line, only where the curve runs below it: inside the area it would say nothing."""
    for mark in (*chart.marks, 100):
        for begin, end in clear_runs(chart, mark):
            role = "bad" if mark >= 90 else "warn"
            plot.plot([begin, end], [mark, mark], marker="─", color=_dim(appearance, role))


def _curves(plot: Plot, chart: Chart, appearance: Appearance, canvas: Canvas) -> None:
    """Used, and the chosen category before it: filled areas; a line of dots where the terminal has few colours."""
    other = f"cat:{chart.second_letter}"
    if appearance.flat_cursor:
        if chart.second:
            _line(plot, chart.second, _ink(appearance, other))
        _line(plot, chart.curve, _ink(appearance, "accent"))
        return
    behind = _area(appearance, "accent")
    _solid(plot, chart.curve, behind, "default", canvas)
    if chart.second:
        _solid(plot, chart.second, _area(appearance, other), behind, canvas)


def _line(plot: Plot, curve: tuple[XY, ...], ink: _Ink) -> None:
    if curve:
        plot.plot([x for x, _ in curve], [y for _, y in curve], marker="braille", color=ink)


def _solid(plot: Plot, curve: tuple[XY, ...], ink: _Ink, ground: _Ink, canvas: Canvas) -> None:
    for row, line in enumerate(filled_curve(curve, canvas)):
        column = 0
        for kind, run in groupby(line, key=lambda glyph: glyph if glyph in (" ", FULL) else "edge"):
            text = "".join(run)
            where = canvas.x(column), canvas.y(row)
            column += len(text)
            if kind == FULL:  # blanks on a ground of colour: full blocks leave seams between rows in many fonts
                plot.text(" " * len(text), *where, background=ink, alignment="left")
            elif kind == "edge":
                plot.text(text, *where, color=ink, background=ground, alignment="left")


def _forecast(plot: Plot, chart: Chart, appearance: Appearance, canvas: Canvas) -> None:
    """The band as a shade, its middle as a line of dots over it."""
    few, shade = appearance.flat_cursor, _mixed(appearance, "rise", 0.22)
    for column in range(canvas.columns):
        x = canvas.x(column)
        point = next((point for point in chart.ahead if point.x >= x), None)
        if point is None or x <= 0:
            continue
        for row in range(canvas.row(point.low), canvas.row(point.high) + 1):
            plot.text("░" if few else " ", x, canvas.y(row), color=shade, background="default" if few else shade)
        height = canvas.height(point.mid)
        dots = _QUARTERS[min(3, int(4 * (height - canvas.row(point.mid))))]
        ground = "default" if few else shade
        plot.text(dots, x, canvas.y(canvas.row(point.mid)), color=_ink(appearance, "rise"), background=ground)


def _words(plot: Plot, chart: Chart, appearance: Appearance) -> None:
    if chart.full_at_h is not None:
        y = chart.high - (chart.high - chart.low) * 0.3
        plot.text(
            chart.full_text, chart.to_h, y, color=_ink(appearance, "bad"), background="default", alignment="right"
        )
    if chart.second:
        text = f"{chart.second_letter} {percent(chart.second[-1][1])}"
        ink = _ink(appearance, f"cat:{chart.second_letter}")
        plot.text(text, chart.to_h, chart.second[-1][1], color=ink, background="default", alignment="right")


def _ink(appearance: Appearance, role: str) -> _Ink:
    """A colour as plotext takes it; its own default where the appearance has none."""
    return _plotext(appearance.style(role).color)


def _dim(appearance: Appearance, role: str) -> _Ink:
    return _mixed(appearance, role, 0.55)


def _area(appearance: Appearance, role: str) -> _Ink:
    return _mixed(appearance, role, 0.5)


def _mixed(appearance: Appearance, role: str, share: float) -> _Ink:
    """A colour mixed into the ground; unmixed where the terminal names its colours itself."""
    color = appearance.style(role).color
    if color is None or appearance.palette.ansi:
        return _plotext(color)
    ground = Color.parse(appearance.palette.ground).get_truecolor()
    red, green, blue = (
        round(one * share + other * (1 - share)) for one, other in zip(color.get_truecolor(), ground, strict=True)
    )
    return (red, green, blue)


_NAMES = ("black", "red", "green", "orange", "blue", "magenta", "cyan", "gray+",
          "gray", "red+", "green+", "orange+", "blue+", "magenta+", "cyan+", "white")  # fmt: skip


def _plotext(color: Color | None) -> _Ink:
    if color is None or color.is_default:
        return "default"
    if color.number is not None and color.number < 16:
        return _NAMES[color.number]
    red, green, blue = color.get_truecolor()
    return (red, green, blue)
