"""Where is it? Every category with size, share, what comes free, 24 h change and seven days as a curve."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.model.reading import Unavailable
from collectors.report.words import age, percent, safe, size
from tui.drawing.bars import dual, sparkline
from tui.drawing.spans import Bit, fit, shorten
from tui.view_models.categories import SUBVOLUMES
from tui.view_models.category_rows import CategoryRow
from tui.view_models.frame import space_of
from tui.view_models.state import Scene
from tui.view_models.units import cell, change, number
from tui.widgets.listing import Listing

_NAME = 19
_SHARE = 5
_BAR = 8
_SPARK = 8
_WEEK = 7.0  # days


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells of each column at one width, without the blanks before them; 0: not shown."""

    name: int
    number: int
    bar: int
    change: int
    spark: int


def columns(width: int, number: int) -> Columns:
    """What fits: name, size, share and reclaimable always; sparkline, change and bar go first, in this order."""
    fixed = 4 + number + 1 + _SHARE + 1 + number + 1
    name = min(_NAME, max(6, width - fixed))
    room = width - fixed - name
    bar = _BAR if room >= 2 + _BAR else 0
    change = number + 2 if room >= 2 + _BAR + 1 + number + 2 else 0
    spark = _SPARK if room >= 2 + _BAR + 1 + number + 2 + 2 + _SPARK else 0
    if bar:
        rest = room - (2 + bar) - (1 + change if change else 0) - (2 + spark if spark else 0)
        more = min(20, rest // 3) if spark else 0
        bar, spark = bar + rest - more, spark + more
    return Columns(name, number, bar, change, spark)


class CategoryTable(Listing[CategoryRow]):
    """One line a category; free space last."""

    def key_of(self, row: CategoryRow) -> str:
        return row.face.key

    def copy_text(self, row: CategoryRow) -> str:
        return f"{row.face.title}: {size(row.size)}"

    def head(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        c = columns(width, scene.scale.width)
        text = f"    {'Category':<{c.name}}{scene.scale.label:>{c.number}} {'%':>{_SHARE}}"
        text += f"  {'':<{c.bar}}" if c.bar else ""
        text += f" {'Reclaim':>{c.number}}"[-c.number - 1 :]
        text += f" {'Δ 24 h':>{c.change - 1}} " if c.change else ""
        text += f"  {shorten(span_words(scene), c.spark)}" if c.spark else ""
        return (Bit(text, "head"),)

    def empty(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        if scene.frame is not None and not scene.frame.done:
            return (Bit(" The filesystem is still being read.", "muted"),)
        return (Bit(" No filesystem was found: there is nothing to divide.", "muted"),)

    def draw(self, row: CategoryRow, scene: Scene, width: int) -> list[tuple[Bit, ...]]:
        c = columns(width, scene.scale.width)
        letter = row.face.letter
        bits = [
            Bit(f" {letter}{scene.look.fill(letter)}", f"on:{letter}"),
            Bit(f" {shorten(row.face.title, c.name):<{c.name}}", "text" if row.held_bytes or row.unread else "muted"),
        ]
        if isinstance(row.size, Unavailable):
            bits.append(Bit(f"{'?':>{c.number}}  ", "warn"))
            used = 4 + c.name + c.number + 2
            return [(*bits, *fit((Bit(_absence(row, scene), "muted", 1, cut=True, least=4),), width - used - 1))]
        bits.append(Bit(f"{cell(row.size, scene.scale):>{c.number}}", "strong" if row.held_bytes else "muted"))
        share = percent(row.share_percent)[:-1] if row.share_percent is not None and row.held_bytes else ""
        bits.append(Bit(f" {share:>{_SHARE}}", "muted"))
        if c.bar:
            bits += self._bar(row, scene, c.bar)
        bits.append(self._reclaim(row, scene, c.number))
        if c.change:
            bits.append(self._change(row, scene, c.change))
        if c.spark and scene.report is not None:
            floor_span = max(1, sum(other.held_bytes for other in scene.rows) // 200)
            curve = sparkline(row.samples, c.spark, scene.report.taken_at, span_days(scene), floor_span)
            bits.append(Bit(f"  {curve}", f"cat:{letter}" if letter not in "FR" else "muted"))
        return [tuple(bits)]

    @staticmethod
    def _bar(row: CategoryRow, scene: Scene, width: int) -> list[Bit]:
        used = [other.held_bytes for other in scene.rows if other.reclaimable is not None]
        # Free space has no bar: beside it, what is used would shrink to nothing on an empty disk.
        held = row.held_bytes if row.reclaimable is not None else 0
        bits = dual(held, row.freed_bytes, max(used, default=0), width, f"cat:{row.face.letter}")
        drawn = sum(len(bit.text) for bit in bits)
        return [Bit("  "), *bits, Bit(" " * (width - drawn))]

    @staticmethod
    def _reclaim(row: CategoryRow, scene: Scene, width: int) -> Bit:
        if row.reclaimable is None:
            return Bit(" " * (width + 1))
        text = cell(row.reclaimable, scene.scale)
        if isinstance(row.reclaimable, Unavailable):
            return Bit(f" {text:>{width}}", "warn")
        return Bit(f" {text:>{width}}", "good" if row.freed_bytes else "muted")

    @staticmethod
    def _change(row: CategoryRow, scene: Scene, width: int) -> Bit:
        moved = row.change_24h_bytes
        text = change(moved, scene.scale)
        worth = max(1, sum(other.held_bytes for other in scene.rows) // 200)
        loud = moved is not None and abs(moved) >= worth and (moved > 0) == (row.face.key != "free")
        arrow = " " if not moved else "▲" if moved > 0 else "▼"
        return Bit(f" {text:>{width - 1}}{arrow}", "rise" if loud else "muted")


def _absence(row: CategoryRow, scene: Scene) -> str:
    """Why there is no number, and what the last one was."""
    gone = row.unread
    if gone is None or scene.report is None:
        return ""
    text = safe(gone.detail or row.reason or gone.why.value)
    if row.last_good is not None:
        held = cell(row.last_good.size, scene.scale)
        since = age((scene.report.taken_at - row.last_good.at).total_seconds())
        return f"{held} {scene.scale.label} {since} ago · {text}"
    return text


def span_days(scene: Scene) -> float:
    """What the curves span: a week, or all there is where the journal is younger."""
    if scene.frame is None or not scene.frame.past.used:
        return _WEEK
    known = scene.frame.report.taken_at - scene.frame.past.used[0].at
    return min(_WEEK, max(1 / 24, known.total_seconds() / 86400))


def span_words(scene: Scene) -> str:
    days = span_days(scene)
    return f"{days:.0f} d" if days >= 2 else f"{days * 24:.0f} h"


def total_text(scene: Scene) -> str:
    """What the rows sum to: used bytes in the column's unit, as statfs says."""
    space = space_of(scene.report) if scene.report is not None else None
    return (
        f"used {number(space.used_bytes, scene.scale.divisor)} {scene.scale.label}" if space is not None else "used ?"
    )


class CategoryList(Listing[CategoryRow]):
    def key_of(self, row: CategoryRow) -> str:
        return row.face.key

    def head(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        number = scene.scale.width
        return (Bit(f"    {'Category':<{width - number - 5}}{scene.scale.label:>{number}}", "head"),)

    def draw(self, row: CategoryRow, scene: Scene, width: int) -> list[tuple[Bit, ...]]:
        number = scene.scale.width
        unread = isinstance(row.size, Unavailable)
        amount = cell(row.size, scene.scale)
        if row.face is SUBVOLUMES:
            unread, amount = False, f"{row.item_count:,} ×"
        name = shorten(row.face.title, width - number - 5)
        return [
            (
                Bit(f" {row.face.letter}{scene.look.fill(row.face.letter)}", f"on:{row.face.letter}"),
                Bit(f" {name:<{width - number - 5}}", "text" if row.held_bytes or unread else "muted"),
                Bit(
                    f"{amount:>{number}}",
                    "warn" if unread else "strong" if row.held_bytes or row.face is SUBVOLUMES else "muted",
                ),
            )
        ]
