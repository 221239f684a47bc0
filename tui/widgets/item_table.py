"""The items behind one category: apparent, referenced, exclusive, a dual bar, age and state."""

from __future__ import annotations

from collectors.model.reading import Unavailable
from collectors.report.words import age, safe
from tui.bars import dual
from tui.figures import cell
from tui.fit import Bit, shorten, shorten_middle
from tui.items import ItemRow, age_of
from tui.scene import Scene
from tui.widgets.listing import Listing

_AGE = 9
_STATE = 11


class ItemTable(Listing[ItemRow]):
    """One line an item. `brief`: name, referenced, exclusive and bar only."""

    def __init__(self, *, id: str | None = None, brief: bool = False) -> None:
        super().__init__(id=id)
        self.brief = brief
        self.letter = "N"
        self.reason = ""
        self.largest = 0

    def key_of(self, row: ItemRow) -> str:
        return row.item.owner_id + row.item.id

    def copy_text(self, row: ItemRow) -> str:
        return row.item.id or row.item.name

    def columns(self, width: int, number: int) -> tuple[int, int, int, int, int]:
        """Cells of (name, apparent, bar, age, state); referenced and exclusive are always there."""
        room = width - 2 * (number + 1) - 3
        if self.brief:
            bar = 10 if room >= 26 else 0
            return (room - bar - (1 if bar else 0), 0, bar, 0, 0)
        state = _STATE + 1 if room >= 30 else 0
        old = _AGE + 1 if room >= 40 else 0
        apparent = number + 3 if room >= 50 else 0
        bar = min(40, room // 5) if room >= 60 else 0
        return (room - apparent - old - state - (bar + 1 if bar else 0), apparent, bar, old, state)

    def head(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        number = scene.scale.width
        name, apparent, bar, old, state = self.columns(width, number)
        text = f" {'Name':<{name}} "
        if apparent:
            text += f"{'Apparent':>{apparent}}"
        text += f"{'Refer.':>{number + 1}}{'Excl.':>{number + 1}}"
        if bar:
            text += " " * (bar + 1)
        if old:
            text += f"{'Age':>{old}}"
        if state:
            text += f" {'State':<{state - 1}}"
        return (Bit(text, "head"),)

    def empty(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        return (Bit(f" {shorten(self.reason, width - 2)}", "muted"),)

    def draw(self, row: ItemRow, scene: Scene, width: int) -> list[tuple[Bit, ...]]:
        number = scene.scale.width
        name, apparent, bar, old, state = self.columns(width, number)
        item = row.item
        text = shorten_middle(safe(item.name, 4 * width), name)
        bits = [Bit(f" {_pad(text, name)} ", "text")]
        if apparent:
            bits.append(Bit(f"{cell(item.apparent, scene.scale):>{apparent}}", "muted"))
        bits.append(Bit(f"{cell(item.referenced, scene.scale):>{number + 1}}", "muted"))
        own = cell(item.exclusive, scene.scale)
        bits.append(Bit(f"{own:>{number + 1}}", "warn" if isinstance(item.exclusive, Unavailable) else "strong"))
        if bar:
            drawn = dual(row.held_bytes, row.freed_bytes, self.largest, bar, f"cat:{self.letter}")
            used = sum(len(bit.text) for bit in drawn)
            bits += [Bit(" "), *drawn, Bit(" " * (bar - used))]
        if old and scene.report is not None:
            since = age_of(item, scene.report.taken_at)
            bits.append(Bit(f"{'?' if since is None else age(since):>{old}}", "muted"))
        if state:
            bits.append(Bit(f" {_pad(shorten(safe(item.state), state - 1), state - 1)}", "muted"))
        return [tuple(bits)]


def _pad(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(text, width)
