import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.drawing import Span, fit, shorten, shorten_middle, width_of, wrapped

NUMBER = Span("312.0 GiB", "strong")


def test_prose_gives_way_before_numbers() -> None:
    line = fit((NUMBER, Span(" in 41 subvolumes Docker no longer knows", "text", 1, shrinks=True)), 24)
    assert "".join(bit.text for bit in line) == "312.0 GiB in 41 subvolu…"


def test_what_yields_most_readily_goes_first() -> None:
    line = fit((NUMBER, Span(" keep", drop_rank=1), Span(" drop me", drop_rank=4)), 14)
    assert [bit.text for bit in line] == ["312.0 GiB", " keep"]


def test_a_number_that_may_not_give_way_is_never_cut_even_if_the_line_is_too_long() -> None:
    assert fit((NUMBER,), 4) == (NUMBER,)


def test_prose_that_would_become_a_stump_is_dropped() -> None:
    assert fit((NUMBER, Span("abcdefgh", drop_rank=1, shrinks=True, least=6)), 12) == (NUMBER,)


@pytest.mark.parametrize("text", ["sha256:" + "a" * 80, "短い名前のイメージですよ", "plain"])
@pytest.mark.parametrize("width", range(0, 30))
def test_shortened_text_never_takes_more_cells_than_it_may(text: str, width: int) -> None:
    assert cell_len(shorten(text, width)) <= width
    assert cell_len(shorten_middle(text, width)) <= width


def test_the_middle_of_an_id_is_what_goes() -> None:
    assert shorten_middle("registry.corp/ml/train:2025-11-22", 17) == "registry.co…11-22"


@given(st.lists(st.text("ab ", max_size=12), max_size=5), st.integers(20, 80))
def test_a_fitted_line_keeps_what_may_not_be_dropped_and_is_never_too_wide(texts: list[str], width: int) -> None:
    line = fit([*(Span(text, drop_rank=1, shrinks=True, least=1) for text in texts), Span("end")], width)
    assert width_of(line) <= width
    assert line[-1].text == "end"


@given(st.text("abcdef ghi", max_size=200), st.integers(12, 60))
def test_wrapped_text_loses_no_letter_and_fits_every_line(words: str, width: int) -> None:
    lines = wrapped((Span(" label  ", "muted"), Span(words, "text", 1, shrinks=True)), width)
    assert all(width_of(line) <= width for line in lines)
    told = "".join(bit.text for line in lines for bit in line)
    assert told.replace(" ", "") == f"label{words}".replace(" ", "")


def test_wrapped_text_runs_on_below_where_it_began() -> None:
    lines = wrapped((Span(" why  "), Span("one two three", "text", 1, shrinks=True)), 14)
    assert ["".join(bit.text for bit in line) for line in lines] == [" why  one two", "      three"]
