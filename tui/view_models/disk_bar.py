"""The whole disk as cells: segments, labels, threshold marks and what the plan leaves. Pure.

Every byte of the filesystem lies in exactly one cell run, and the runs sum to the width. A label is shown whole or not
at all; a number is never cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from collectors.model.snapshot import shown_total
from collectors.report.formatting import bytes_, count, percent, safe, whole_percent
from tui.drawing import Appearance, Span, apportion
from tui.view_models import Frame, height_of, space_of
from tui.view_models.categories import CategoryRow
from tui.view_models.plan_run import AfterPlan
from tui.view_models.state import DashboardState
from tui.view_models.verdict import explained_by_engine


@dataclass(frozen=True, slots=True)
class Segment:
    """`cells` columns from `begin` on stand for `row`."""

    row: CategoryRow
    begin: int
    cells: int


def segments(rows: Sequence[CategoryRow], width: int) -> tuple[Segment, ...]:
    """The runs of cells from left to right; their cells sum to `width` where the rows hold any bytes."""
    cells = apportion([row.held_bytes for row in rows], width)
    found, at = [], 0
    for row, taken in zip(rows, cells, strict=True):
        if taken:
            found.append(Segment(row, at, taken))
        at += taken
    return tuple(found)


def label_rows(state: DashboardState, parts: Sequence[Segment], height: int) -> list[tuple[Span, ...]]:
    """`height` (1 to 3) lines of the bar: name above, amount below; one line carries both where both fit."""
    lines: list[list[Span]] = [[] for _ in range(height)]
    for part in parts:
        texts = _labels(part, height, si=state.scale.si)
        letter = part.row.label.letter
        role = f"pick:{letter}" if part.row.label.key == state.selected else f"on:{letter}"
        for line, text in zip(lines, texts, strict=True):
            fill = state.appearance.fill(letter)
            words = text.rstrip()
            line.append(Span(words, role))
            line.append(Span(text[len(words) :] + fill * (part.cells - len(text)), f"on:{letter}"))
    return [tuple(line) for line in lines]


def _labels(part: Segment, height: int, *, si: bool) -> list[str]:
    label, available = part.row.label, part.cells
    amount = bytes_(part.row.held_bytes, si=si)
    share = "" if part.row.share_percent is None else f" {percent(part.row.share_percent, 0)}"
    if height == 1:
        return [
            _first(
                available,
                f" {label.letter} {label.title} {amount} ",
                f" {label.letter} {amount} ",
                f" {label.letter} ",
                label.letter,
            )
        ]
    name = _first(
        available,
        f" {label.letter} {label.title} ",
        f" {label.letter} {label.short} ",
        f" {label.letter} ",
        label.letter,
    )
    number = _first(available, f" {amount} {share} ", f" {amount} ", f"{amount} ", "")
    return [name, number, *[""] * (height - 2)]


def _first(available: int, *texts: str) -> str:
    """The first text that fits; "" where none does."""
    return next((text for text in texts if len(text) <= available), "")


def scale_line(state: DashboardState, width: int) -> tuple[Span, ...]:
    """What the bar is of, and where the thresholds and the present fill lie on it. Marks come before words."""
    frame = state.frame
    space = space_of(frame.report) if frame is not None else None
    if frame is None or space is None:
        return ()
    usable = space.usable_bytes
    now = space.used_percent
    bad = "bad" if any(now >= mark for mark in state.marks) else "good"
    marks = [(height_of(space.used_bytes, usable), f"{now}▾", bad)]
    marks += [(float(mark), f"{mark}▾", "warn") for mark in state.marks]
    taken = _placed(marks, usable * width / space.total_bytes if space.total_bytes else 0.0, width)
    begin, title = _title_place(frame, [(at, len(piece.text)) for at, piece in taken], width, si=state.scale.si)
    for piece in title:
        taken.append((begin, piece))
        begin += len(piece.text)
    return _in_line(taken)


def _placed(marks: Iterable[tuple[float, str, str]], cells: float, width: int) -> list[tuple[int, Span]]:
    """Marks at their columns, from the left; of two that touch, the earlier given stays. `cells`: 100 % in cells."""
    taken: list[tuple[int, Span]] = []
    for share, text, role in marks:
        begin = max(0, min(width - 1, int(share / 100 * cells)) - len(text) + 1)
        if all(begin + len(text) < at or begin > at + len(piece.text) for at, piece in taken):
            taken.append((begin, Span(text, role)))
    return sorted(taken, key=lambda mark: mark[0])


def _in_line(placed: Iterable[tuple[int, Span]]) -> tuple[Span, ...]:
    """Pieces at their columns as one line, with blanks between them."""
    line: list[Span] = []
    at = 0
    for begin, piece in sorted(placed, key=lambda mark: mark[0]):
        line += [Span(" " * (begin - at)), piece]
        at = begin + len(piece.text)
    return tuple(line)


def _title_place(
    frame: Frame, marks: Sequence[tuple[int, int]], width: int, *, si: bool
) -> tuple[int, tuple[Span, ...]]:
    """The longest title that fits between two marks, as far left as there is room for it."""
    edges = [(0, 0), *((begin, begin + cells + 2) for begin, cells in marks), (width + 1, 0)]
    gaps = [(start, end - 1 - start) for (_, start), (end, _) in pairwise(edges)]
    for whole, rest in _titles(frame, si=si):
        for start, available in gaps:
            if len(whole) + len(rest) <= available:
                return start, (Span(whole, "text"), Span(rest, "muted"))
    return 0, ()


def _titles(frame: Frame, *, si: bool) -> list[tuple[str, str]]:
    """What the bar is of, longest first: the size, and what stands behind it."""
    space = space_of(frame.report)
    if space is None or frame.report.ledger is None:
        return []
    whole = bytes_(shown_total(space, frame.report.filesystem_facts), si=si)
    kind = f" {safe(frame.report.ledger.filesystem.mount.fstype, 20)}"
    blind = explained_by_engine(frame.report)
    found = [(whole, kind), (whole, "")]
    if blind is not None:
        seen, used = (bytes_(count, si=si) for count in blind)
        found = [(whole, f"{kind}   images, containers, volumes and build cache: {seen} of {used} used"), *found]
    return found


def after_line(appearance: Appearance, after: AfterPlan, total_bytes: int, width: int, *, si: bool) -> tuple[Span, ...]:
    """One thin line: what stays used, what comes free, and the sentence that says so inside it."""
    stays = min(width, round(width * after.used_bytes / total_bytes)) if total_bytes else 0
    freed = min(width - stays, round(width * after.freed_bytes / total_bytes)) if total_bytes else 0
    rest = width - stays - freed
    steps = count(after.step_count, "step") + (" frees" if after.step_count == 1 else " free")
    texts = (
        f" {whole_percent(after.used_percent)} after the plan: {steps} {bytes_(after.freed_bytes, si=si)} ",
        f" {whole_percent(after.used_percent)} after the plan ",
        f" {whole_percent(after.used_percent)} ",
    )
    text = _first(freed - 2, *texts)
    if text:
        left = (freed - len(text)) // 2
        middle = (Span("─" * left, "good"), Span(text, "goodstrong"), Span("─" * (freed - len(text) - left), "good"))
        return (Span("━" * stays, "muted"), *middle, Span(" " * rest))
    text = _first(stays - 4, *texts)
    return (
        Span("━" * (stays - len(text)), "muted"), Span(text, "goodstrong"), Span("─" * freed, "good"), Span(" " * rest),
    )  # fmt: skip
