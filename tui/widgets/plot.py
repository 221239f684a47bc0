"""The one file that knows plotext: a `Chart` and a size in, lines of styled text out.

textual-plotext promotes plotext's private figure class; whatever of that changes, changes here. Imported only when a
chart is first shown, so that the answer is on screen before the drawing library is loaded.
"""

from __future__ import annotations

from rich.color import Color
from rich.text import Text
from textual_plotext import Plot

from collectors.report.words import percent
from tui.chart import Chart, clear_runs, ticks
from tui.look import Look

_Ink = tuple[int, int, int] | str


def draw(chart: Chart, look: Look, width: int, height: int) -> list[Text]:
    """`height` lines of at most `width` cells. Braille dots: two to a cell across, four down."""
    if width < 20 or height < 4:
        return []
    plot = Plot()
    plot.plotsize(width, height)
    plot._set_size(width, height)  # plotsize alone leaves the old canvas behind (textual-plotext issue 5)
    plot.theme("clear")
    plot.frame(False)
    plot.xlim(chart.from_h, chart.to_h)
    plot.ylim(chart.low, chart.high)
    plot.ticks_color(_ink(look, "muted"))
    plot.yticks(*_levels(chart, height))
    along = ticks(chart, width)
    plot.xticks([x for x, _ in along], [text for _, text in along])
    _marks(plot, chart, look)
    _curve(plot, chart, look)
    _forecast(plot, chart, look, height)
    _words(plot, chart, look)
    return list(Text.from_ansi(plot.build()).split("\n"))[:height]


def _levels(chart: Chart, height: int) -> tuple[list[float], list[str]]:
    step = next((step for step in (5, 10, 20, 25, 50) if (chart.high - chart.low) / step <= max(2, height // 2)), 50)
    levels = [float(level) for level in range(0, 101, step) if level >= chart.low]
    return levels, [f"{level:.0f}" for level in levels]


def _marks(plot: Plot, chart: Chart, look: Look) -> None:
    """Each threshold as a line, only where the curve runs below it: inside the area it would say nothing."""
    for mark in (*chart.marks, 100):
        for begin, end in clear_runs(chart, mark):
            role = "bad" if mark >= 90 else "warn"
            plot.plot([begin, end], [mark, mark], marker="braille", color=_dim(look, role))


def _curve(plot: Plot, chart: Chart, look: Look) -> None:
    if not chart.curve:
        return
    xs, ys = [x for x, _ in chart.curve], [y for _, y in chart.curve]
    if not look.flat_cursor:
        plot.plot(xs, ys, marker="braille", color=_area(look, "accent"), fillx=chart.low)
    if chart.second:
        other = f"cat:{chart.second_letter}"
        xs2, ys2 = [x for x, _ in chart.second], [y for _, y in chart.second]
        if not look.flat_cursor:
            plot.plot(xs2, ys2, marker="braille", color=_area(look, other), fillx=chart.low)
        plot.plot(xs2, ys2, marker="braille", color=_ink(look, other))
    plot.plot(xs, ys, marker="braille", color=_ink(look, "accent"))


def _forecast(plot: Plot, chart: Chart, look: Look, height: int) -> None:
    """The band as a dither, its middle as dashes."""
    xs: list[float] = []
    ys: list[float] = []
    step = (chart.high - chart.low) / (4 * height)
    for number, point in enumerate(chart.ahead):
        level = point.low + (step if number % 2 else 0.0)
        while level <= point.high:
            xs.append(point.x)
            ys.append(level)
            level += 2 * step
    if xs:
        plot.scatter(xs, ys, marker="braille", color=_dim(look, "rise"))
    for number in range(0, len(chart.ahead) - 3, 6):
        part = chart.ahead[number : number + 4]
        plot.plot(
            [point.x for point in part], [point.mid for point in part], marker="braille", color=_ink(look, "rise")
        )


def _words(plot: Plot, chart: Chart, look: Look) -> None:
    if chart.full_at_h is not None:
        y = chart.high - (chart.high - chart.low) * 0.3
        plot.text(chart.full_text, chart.to_h, y, color=_ink(look, "bad"), background="default", alignment="right")
    if chart.second:
        text = f"{chart.second_letter} {percent(chart.second[-1][1])}"
        ink = _ink(look, f"cat:{chart.second_letter}")
        plot.text(text, chart.to_h, chart.second[-1][1], color=ink, background="default", alignment="right")


def _ink(look: Look, role: str) -> _Ink:
    """A colour as plotext takes it; its own default where the look has none."""
    return _plotext(look.style(role).color)


def _dim(look: Look, role: str) -> _Ink:
    return _mixed(look, role, 0.55)


def _area(look: Look, role: str) -> _Ink:
    return _mixed(look, role, 0.28)


def _mixed(look: Look, role: str, share: float) -> _Ink:
    """A colour mixed into the ground; unmixed where the terminal names its colours itself."""
    color = look.style(role).color
    if color is None or look.palette.ansi:
        return _plotext(color)
    ground = Color.parse(look.palette.ground).get_truecolor()
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
