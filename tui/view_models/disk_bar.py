"""The whole disk as cells: segments, labels, threshold marks and what the plan leaves. Pure.

Every byte of the filesystem lies in exactly one cell run, and the runs sum to the width. A label is shown whole or not
at all; a number is never cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from collectors.report.words import bytes_, count, percent, safe
from tui.drawing.bars import apportion
from tui.drawing.spans import Bit
from tui.drawing.styles import Look
from tui.view_models.category_rows import CategoryRow
from tui.view_models.frame import Frame, percent_of, space_of
from tui.view_models.state import After, Scene
from tui.view_models.verdict import docker_blindness


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


def label_rows(scene: Scene, parts: Sequence[Segment], height: int) -> list[tuple[Bit, ...]]:
    """`height` (1 to 3) lines of the bar: name above, amount below; one line carries both where both fit."""
    lines: list[list[Bit]] = [[] for _ in range(height)]
    for part in parts:
        texts = _labels(part, height, si=scene.scale.si)
        letter = part.row.face.letter
        role = f"pick:{letter}" if part.row.face.key == scene.selected else f"on:{letter}"
        for line, text in zip(lines, texts, strict=True):
            fill = scene.look.fill(letter)
            words = text.rstrip()
            line.append(Bit(words, role))
            line.append(Bit(text[len(words) :] + fill * (part.cells - len(text)), f"on:{letter}"))
    return [tuple(line) for line in lines]


def _labels(part: Segment, height: int, *, si: bool) -> list[str]:
    face, room = part.row.face, part.cells
    amount = bytes_(part.row.held_bytes, si=si)
    share = "" if part.row.share_percent is None else f" {percent(part.row.share_percent, 0)}"
    if height == 1:
        return [
            _first(
                room,
                f" {face.letter} {face.title} {amount} ",
                f" {face.letter} {amount} ",
                f" {face.letter} ",
                face.letter,
            )
        ]
    name = _first(
        room, f" {face.letter} {face.title} ", f" {face.letter} {face.short} ", f" {face.letter} ", face.letter
    )
    number = _first(room, f" {amount} {share} ", f" {amount} ", f"{amount} ", "")
    return [name, number, *[""] * (height - 2)]


def _first(room: int, *texts: str) -> str:
    """The first text that fits; "" where none does."""
    return next((text for text in texts if len(text) <= room), "")


def scale_line(scene: Scene, width: int) -> tuple[Bit, ...]:
    """What the bar is of, and where the thresholds and the present fill lie on it. Marks win over prose."""
    frame = scene.frame
    space = space_of(frame.report) if frame is not None else None
    if frame is None or space is None:
        return ()
    usable = space.used_bytes + space.available_bytes
    now = percent_of(space.used_bytes, space)
    marks = [(now, f"{percent(now)[:-1]}▾", "bad" if any(now >= mark for mark in scene.marks) else "good")]
    marks += [(float(mark), f"{mark}▾", "warn") for mark in scene.marks]
    taken: list[tuple[int, Bit]] = []
    for share, text, role in marks:
        column = min(width - 1, int(share / 100 * usable * width / space.total_bytes)) if space.total_bytes else 0
        begin = max(0, column - len(text) + 1)
        if all(begin + len(text) < at or begin > at + len(bit.text) for at, bit in taken):
            taken.append((begin, Bit(text, role)))
    taken.sort(key=lambda mark: mark[0])
    begin, title = _title_place(frame, [(at, len(bit.text)) for at, bit in taken], width, si=scene.scale.si)
    for bit in title:
        taken.append((begin, bit))
        begin += len(bit.text)
    line: list[Bit] = []
    at = 0
    for begin, bit in sorted(taken, key=lambda mark: mark[0]):
        line += [Bit(" " * (begin - at)), bit]
        at = begin + len(bit.text)
    return tuple(line)


def _title_place(
    frame: Frame, marks: Sequence[tuple[int, int]], width: int, *, si: bool
) -> tuple[int, tuple[Bit, ...]]:
    """The longest title that fits between two marks, as far left as there is room for it."""
    edges = [(0, 0), *((begin, begin + cells + 2) for begin, cells in marks), (width + 1, 0)]
    gaps = [(start, end - 1 - start) for (_, start), (end, _) in pairwise(edges)]
    for whole, rest in _titles(frame, si=si):
        for start, room in gaps:
            if len(whole) + len(rest) <= room:
                return start, (Bit(whole, "text"), Bit(rest, "muted"))
    return 0, ()


def _titles(frame: Frame, *, si: bool) -> list[tuple[str, str]]:
    """What the bar is of, longest first: the size, and what stands behind it."""
    space = space_of(frame.report)
    if space is None or frame.report.ledger is None:
        return []
    whole = bytes_(space.total_bytes, si=si)
    kind = f" {safe(frame.report.ledger.filesystem.mount.fstype, 20)}"
    blind = docker_blindness(frame.report)
    found = [(whole, kind), (whole, "")]
    if blind is not None:
        seen, used = (bytes_(count, si=si) for count in blind)
        found = [(whole, f"{kind}   Docker's own categories explain {seen} of {used} used"), *found]
    return found


def after_line(
    look: Look, after: After, total_bytes: int, width: int, *, si: bool, room_for_text: bool = True
) -> tuple[Bit, ...]:
    """One thin line: what stays used, what comes free, and the sentence that says so inside it."""
    stays = min(width, round(width * after.used_bytes / total_bytes)) if total_bytes else 0
    freed = min(width - stays, round(width * after.freed_bytes / total_bytes)) if total_bytes else 0
    rest = width - stays - freed
    steps = count(after.step_count, "step") + (" frees" if after.step_count == 1 else " free")
    texts = (
        f" {percent(after.percent)} after the plan: {steps} {bytes_(after.freed_bytes, si=si)} ",
        f" {percent(after.percent)} after the plan ",
        f" {percent(after.percent)} ",
    )
    text = _first(freed - 2, *texts)
    if text:
        left = (freed - len(text)) // 2
        middle = (Bit("─" * left, "good"), Bit(text, "goodstrong"), Bit("─" * (freed - len(text) - left), "good"))
        return (Bit("━" * stays, "muted"), *middle, Bit(" " * rest))
    text = _first(stays - 4, *texts)
    return (
        Bit("━" * (stays - len(text)), "muted"), Bit(text, "goodstrong"), Bit("─" * freed, "good"), Bit(" " * rest),
    )  # fmt: skip
