"""A table in pieces: rows replace their like, stay in place, and a table with other heads is made anew."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.table import merged

HEAD = "| mess | driver | engine | off by |\n| --- | --- | --- | --- |\n"
PAGE = f"# Title\n\nText with | a bar.\n\n{HEAD}| b | x | 1 | 5 |\n| a | x | 1 | 7 |\n"


def place(row: Sequence[str]) -> str:
    return row[0]


def test_a_new_row_replaces_its_like_and_the_others_stay_in_order() -> None:
    page = merged(PAGE, f"{HEAD}| b | x | 1 | 0 |\n| c | x | 1 | 1 |", place)
    assert page == f"# Title\n\nText with | a bar.\n\n{HEAD}| a | x | 1 | 7 |\n| b | x | 1 | 0 |\n| c | x | 1 | 1 |\n"
    assert merged(page, f"{HEAD}| c | x | 1 | 1 |", place) == page


def test_other_heads_make_the_table_anew_and_a_page_without_one_gets_it() -> None:
    other = "| mess | driver | engine | more |\n| --- | --- | --- | --- |\n| z | x | 1 | 2 |"
    assert merged(PAGE, other, place) == f"# Title\n\nText with | a bar.\n\n{other}\n"
    assert merged("# Title\n", other, place) == f"# Title\n\n{other}\n"
