from hypothesis import given
from hypothesis import strategies as st

from tests.tui.build import gib
from tests.tui.incident import TOTAL, frames
from tui.drawing import apportion
from tui.view_models import NO_HISTORY, Frame
from tui.view_models.categories import category_rows
from tui.view_models.disk_bar import segments

WIDTHS = range(10, 211, 3)  # 67 of them


def test_the_cells_of_every_frame_sum_to_every_width() -> None:
    for report in frames(6.0):
        rows = category_rows(Frame(report, NO_HISTORY))
        for width in WIDTHS:
            assert sum(part.cells for part in segments(rows, width)) == width


def test_segments_lie_side_by_side_from_the_left_edge() -> None:
    rows = category_rows(Frame(frames(24.0)[-1], NO_HISTORY))
    at = 0
    for part in segments(rows, 118):
        assert part.begin == at
        at += part.cells
    assert at == 118


def test_the_rows_of_every_frame_sum_to_the_disk() -> None:
    for report in frames(6.0):
        assert sum(row.held_bytes for row in category_rows(Frame(report, NO_HISTORY))) == TOTAL


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=16), st.integers(0, 300))
def test_cells_sum_to_the_width_or_are_none_at_all(parts: list[int], width: int) -> None:
    cells = apportion(parts, width)
    assert all(count >= 0 for count in cells)
    assert sum(cells) == (width if sum(parts) and width > 0 else 0)


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=16), st.integers(16, 300))
def test_whatever_is_there_gets_a_cell_and_nothing_gets_none(parts: list[int], width: int) -> None:
    cells = apportion(parts, width)
    assert all((count > 0) == (part > 0) for part, count in zip(parts, cells, strict=True))


def test_a_byte_beside_a_terabyte_is_seen() -> None:
    assert apportion([gib(1000), 1, 0], 40) == [39, 1, 0]


def test_with_fewer_cells_than_parts_the_largest_keep_theirs() -> None:
    assert apportion([5, 4, 3, 2, 1], 3) == [1, 1, 1, 0, 0]
