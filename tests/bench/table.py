"""A Markdown table that is made in pieces: rows measured now replace those of the same place, the others stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_KEYS = 3  # the first cells, which name a row


def merged(page: str, table: str, place: Callable[[Sequence[str]], Any]) -> str:
    """The page with its table, which stands below the text, brought up to date by `table`; rows ordered by `place`.

    A table with other columns is replaced whole: its rows would say something else under the new heads.
    """
    text = page[: _begins(page)].rstrip()
    head, rule, *new = table.splitlines()
    old = page[_begins(page) :].splitlines()
    kept = old[2:] if old and old[0] == head else []
    rows = {_cells(line)[:_KEYS]: line for line in (*kept, *new) if line.startswith("|")}
    lines = sorted(rows.values(), key=lambda line: place(_cells(line)))
    return "\n".join((text, "", head, rule, *lines, ""))


def _begins(page: str) -> int:
    """Where the first table begins; the end where there is none."""
    at = 0
    for line in page.splitlines(keepends=True):
        if line.startswith("| "):
            return at
        at += len(line)
    return len(page)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
