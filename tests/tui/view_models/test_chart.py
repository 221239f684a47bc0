from datetime import timedelta
from itertools import pairwise

import pytest
from rich.style import Style
from rich.text import Text

from collectors.model.report import Growth
from tests.tui import shapes
from tests.tui.build import NOW, a_filesystem, a_ledger, a_report, gib
from tests.tui.incident import a_history, incident
from tui.drawing import appearance_of
from tui.drawing.chart import FULL, Canvas, Chart, clear_runs, filled_curve, levels, ticks
from tui.drawing.palette import PALETTES
from tui.view_models import NO_HISTORY
from tui.view_models.chart import chart_of, forecast_words


def a_chart(hours: float = 0.0, **more: object) -> Chart:
    options = {"back_h": 72.0, "ahead_h": 24.0, "marks": (80, 90)} | more
    return chart_of(incident(hours), a_history(hours), **options)  # type: ignore[arg-type]


def test_the_curve_ends_now_at_what_statvfs_says() -> None:
    x, y = a_chart().curve[-1]
    assert x == 0.0
    assert y == pytest.approx(98.07, abs=0.01)


def test_the_forecast_is_a_band_that_opens_from_now_on() -> None:
    ahead = a_chart(48.0).ahead
    assert ahead[0].low == ahead[0].high
    assert ahead[-1].low < ahead[-1].mid < ahead[-1].high


def test_without_a_forecast_there_is_no_band_and_the_reason_is_said() -> None:
    report = shapes.not_btrfs()
    chart = chart_of(report, NO_HISTORY, back_h=72, ahead_h=24, marks=(80, 90))
    assert chart.ahead == ()
    assert forecast_words(report, (80, 90)) == "no forecast: no earlier run"


def test_a_frame_in_the_past_draws_nothing_later() -> None:
    assert max(x for x, _ in a_chart(72.0).curve) == 0.0
    assert a_chart(72.0).curve[-1][1] < 80


def test_a_threshold_line_is_drawn_only_above_the_curve_and_ahead() -> None:
    runs = clear_runs(a_chart(), 90)
    assert runs[0][0] == -72.0
    assert -30 < runs[0][1] < -15
    assert runs[-1] == (0.0, 24.0)


@pytest.mark.parametrize("width", [30, 50, 80, 118, 198])
def test_ticks_are_few_enough_to_be_read_and_one_of_them_is_now(width: int) -> None:
    found = ticks(a_chart(), width)
    assert 2 <= len(found) <= width // 8
    assert "now" in [text for _, text in found]


@pytest.mark.parametrize("rows", [3, 7, 12, 30])
def test_the_percent_axis_names_the_end_and_the_thresholds_and_no_row_twice(rows: int) -> None:
    chart = a_chart(category="orphans")
    found = levels(chart, rows)
    places = [round((level - chart.low) / (chart.high - chart.low) * (rows - 1)) for level in found]
    assert len(set(places)) == len(places)
    assert found[-1] == 100.0
    assert rows < 12 or {0.0, 80.0, 90.0} <= set(found)


def test_a_silhouette_has_the_curve_as_its_edge_to_an_eighth_of_a_row() -> None:
    canvas = Canvas(columns=5, rows=4, from_x=0.0, to_x=4.0, low=0.0, high=3.0)
    rows = filled_curve(((1.0, 0.5), (3.0, 3.0)), canvas)
    assert rows == (" ███ ", "  ██ ", "  ▂█ ", "   ▄ ")
    filled = [sum(" ▁▂▃▄▅▆▇█".index(row[column]) for row in rows) / 8 for column in range(5)]
    assert filled == [0.0, canvas.height(0.5), canvas.height(1.75), canvas.height(3.0), 0.0]
    assert filled_curve((), canvas) == (" " * 5,) * 4
    assert all(row == FULL * 5 for row in filled_curve(((0.0, 9.0), (4.0, 9.0)), canvas))


def test_a_young_journal_gives_a_short_axis_and_not_an_empty_one() -> None:
    past = a_history(0.0)
    young = type(past)(past.used[-3:], past.series, past.events)
    assert chart_of(incident(), young, back_h=72, ahead_h=24, marks=(80,)).from_h == -4.0


def test_a_category_is_drawn_in_percent_of_the_disk_beside_used() -> None:
    chart = a_chart(category="orphans")
    assert chart.second_letter == "O"
    assert chart.second[-1][1] == pytest.approx(33.5, abs=0.1)
    assert chart.low == 0.0


def test_shrinking_space_forecasts_nothing_below_zero() -> None:
    report = a_report(a_ledger(a_filesystem(gib(100), gib(1)), {}, {}))
    growth = Growth("used", -gib(50), -gib(60), -gib(40), 50, 3600.0, None)
    trend = type(report.trend)(50, NOW - timedelta(days=3), (growth,), (), (), (), "", 0)
    import dataclasses

    chart = chart_of(dataclasses.replace(report, trend=trend), NO_HISTORY, back_h=72, ahead_h=24, marks=(80, 90))
    assert min(point.low for point in chart.ahead) == 0.0


@pytest.mark.parametrize("theme", PALETTES)
@pytest.mark.parametrize("mono", [False, True])
@pytest.mark.parametrize("size", [(20, 4), (66, 10), (190, 40), (10, 2)])
def test_the_drawing_has_exactly_its_lines_and_never_more_cells_than_its_room(
    theme: str, mono: bool, size: tuple[int, int]
) -> None:
    from tui.drawing.plot import draw

    lines = draw(a_chart(category="orphans"), appearance_of(theme, mono), *size)
    assert all(line.cell_len <= size[0] for line in lines)
    assert len(lines) <= size[1]


def test_the_drawing_names_when_it_will_be_full() -> None:
    from tui.drawing.plot import draw

    drawn = "\n".join(line.plain for line in draw(a_chart(), appearance_of("ullage-dark", False), 66, 12))
    assert "full 10:19Z" in drawn
    assert "now" in drawn
    assert "100" in drawn


@pytest.mark.parametrize("size", [(66, 12), (118, 16), (190, 30)])
def test_the_area_is_drawn_where_the_curve_lies(size: tuple[int, int]) -> None:
    """The lowest line is coloured from the axis to now and nowhere else; each above lies over the one below."""
    from tui.drawing.plot import draw

    chart, appearance = a_chart(), appearance_of("ullage-dark", False)
    lines = draw(chart, appearance, *size)[:-1]
    grounds = [
        [style.bgcolor is not None and not style.bgcolor.is_default for style in cells(line, size[0])] for line in lines
    ]
    axis = max(len(f"{level:.0f}") for level in levels(chart, size[1] - 1))
    now = axis + round((size[0] - axis - 1) * -chart.from_h / (chart.to_h - chart.from_h))
    lowest = grounds[-1]
    assert lowest[axis : now - 1] == [True] * (now - 1 - axis)
    assert not any(lowest[now + 1 :])
    for above, below in pairwise(line[axis:now] for line in grounds):
        assert all(b for a, b in zip(above, below, strict=True) if a)


def cells(line: Text, width: int) -> list[Style]:
    """The style of every cell of a line of narrow characters."""
    found = [Style.null()] * width
    for span in line.spans:
        style = span.style if isinstance(span.style, Style) else Style.parse(span.style)
        for at in range(span.start, min(span.end, width)):
            found[at] += style
    return found
