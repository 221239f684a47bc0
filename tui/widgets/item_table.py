"""The lists beside a category: its items with their sizes, and what is wrong, worst first.

Of an item: apparent, referenced, exclusive, a dual bar, age and state. Of a finding: chip, bytes, claim, and one line
that says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from collectors.model import OwnerKind
from collectors.model.ledger import Bill
from collectors.model.plan import Finding
from collectors.model.reading import Size, Unavailable
from collectors.report.formatting import age, safe, size
from tui.drawing import Span, fit, shorten, shorten_middle, two_part_bar
from tui.view_models.categories import cell
from tui.view_models.items import ItemRow, age_of
from tui.view_models.state import DashboardState
from tui.view_models.verdict import chip
from tui.widgets.listing import Listing

_NAME = 22
_AGE = 11
_STATE = 13
_LEAST_BAR, _MEASURED = 6, 200  # cells of a bar; rows whose names are measured


@dataclass(frozen=True, slots=True)
class ItemColumns:
    """Cells of each column with the blank before it; 0: not shown."""

    name: int
    apparent: int
    whole: int
    bar: int
    age: int
    state: int


class ItemTable(Listing[ItemRow]):
    """One line an item. `brief`: name, referenced, exclusive and bar only. A click on the mark's cells marks."""

    mark_cells = 2

    def __init__(self, *, id: str | None = None, brief: bool = False) -> None:
        super().__init__(id=id)
        self.brief = brief
        self.letter = "N"
        self.reason = ""
        self.largest = 0

    def key_of(self, row: ItemRow) -> str:
        return row.item.owner_id.text() + row.item.id

    def copy_text(self, row: ItemRow) -> str:
        """What a command wants: a path where there is one, a name where ids are numbers of ours."""
        item = row.item
        if item.owner_id.kind is OwnerKind.UNIT and item.owner.startswith("/"):
            return item.owner
        named = item.owner_id.kind in (OwnerKind.OPEN, OwnerKind.SUBVOLUME, OwnerKind.VOLUME, OwnerKind.SNAPSHOT)
        return item.name if named else item.id or item.name

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return super().same(before, after) and before.marked == after.marked

    async def action_press_mark(self) -> None:
        await self.app.run_action("mark")

    def columns(self, width: int, number: int) -> ItemColumns:
        """What fits beside the name and the exclusive bytes, which are always there."""
        available = width - (number + 1) - 3
        whole = number + 1 if available >= number + 1 + 10 else 0
        available -= whole
        if self.brief:
            bar = 10 if available >= 26 else 6 if available >= 22 else 0
            return ItemColumns(available - (bar + 1 if bar else 0), 0, whole, bar, 0, 0)
        # What is dropped first stands last; the name keeps enough to be told from its neighbours, and what is left of
        # the bar's room where it is longer.
        wished = (_STATE + 1, _AGE + 1, min(41, max(13, available // 5)), number + 3)
        state, old, bar, apparent = 0, 0, 0, 0
        if available - wished[0] >= _NAME:
            state = wished[0]
            if available - sum(wished[:2]) >= _NAME:
                old = wished[1]
                if available - sum(wished[:3]) >= _NAME:
                    bar = wished[2] - 1
                    apparent = wished[3] if available - sum(wished) >= _NAME else 0
        longest = max((cell_len(row.item.name) for row in self.rows[:_MEASURED]), default=0) + 1
        missing = longest - (available - apparent - old - state - (bar + 1 if bar else 0))
        bar = max(min(bar, _LEAST_BAR), bar - max(0, missing))
        return ItemColumns(
            available - apparent - old - state - (bar + 1 if bar else 0), apparent, whole, bar, old, state
        )

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        number = state.scale.width
        c = self.columns(width, number)
        text = f" {'Name':<{c.name}} "
        text += f"{'Apparent':>{c.apparent}}" if c.apparent else ""
        text += f"{'Total':>{c.whole}}" if c.whole else ""
        text += f"{'Excl.':>{number + 1}}" + " " * (c.bar + 1 if c.bar else 0)
        text += f"{'Age':>{c.age}}" if c.age else ""
        text += f" {'State':<{c.state - 1}}" if c.state else ""
        return (Span(text, "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        return (Span(f" {shorten(self.reason, width - 2)}", "muted"),)

    def draw(self, row: ItemRow, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        number = state.scale.width
        c = self.columns(width, number)
        item = row.item
        name = shorten_middle(safe(item.name, 4 * width), c.name)
        marked = item.owner_id in state.marked
        spans = [
            Span("●" if marked else " ", "accent"),
            Span(f"{set_cell_size(name, c.name)} ", "strong" if marked else "text"),
        ]
        if c.apparent:
            spans.append(Span(f"{cell(item.apparent, state.scale):>{c.apparent}}", "muted"))
        if c.whole:
            spans.append(Span(f"{cell(item.referenced, state.scale):>{c.whole}}", "muted"))
        own = cell(item.exclusive, state.scale)
        spans.append(Span(f"{own:>{number + 1}}", "warn" if isinstance(item.exclusive, Unavailable) else "strong"))
        if c.bar:
            drawn = two_part_bar(row.held_bytes, row.freed_bytes, self.largest, c.bar, f"cat:{self.letter}")
            used = sum(len(piece.text) for piece in drawn)
            spans += [Span(" "), *drawn, Span(" " * (c.bar - used))]
        if c.age and state.report is not None:
            since = age_of(item, state.report.taken_at)
            spans.append(Span(f"{'?' if since is None else age(since):>{c.age}}", "muted"))
        if c.state:
            spans.append(Span(f" {shorten(safe(item.state), c.state - 1)}", "muted"))
        return [tuple(spans)]


_BILL_COLUMNS = ("Excl.", "Shared", "Logs", "Volumes")


class BillTable(Listing[Bill]):
    """One line a group: what is its own, what it holds beside others, and of both its logs and volumes."""

    def key_of(self, row: Bill) -> str:
        return f"{row.by} {row.name}"

    def copy_text(self, row: Bill) -> str:
        return row.name

    def _shown(self, width: int, number: int) -> tuple[int, int]:
        """Cells of the name, and how many columns fit beside it; the exclusive bytes always do."""
        count = max(1, min(len(_BILL_COLUMNS), (width - _NAME - 2) // (number + 2)))
        return max(1, width - 2 - count * (number + 2)), count

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        name, count = self._shown(width, state.scale.width)
        titles = "".join(f"{title:>{state.scale.width + 2}}" for title in _BILL_COLUMNS[:count])
        return (Span(f" {'Name':<{name}}{titles}", "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        return (Span(" No group contains the filter. Esc clears it.", "muted"),)

    def draw(self, row: Bill, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        name, count = self._shown(width, state.scale.width)
        shown = shorten_middle(safe(row.name, 4 * width) or "(none)", name)
        sizes = (row.exclusive, row.shared, row.logs, row.volumes)[:count]
        cells = (f"{cell(one, state.scale):>{state.scale.width + 2}}" for one in sizes)
        roles = ("strong", "text", "muted", "muted")
        return [(Span(f" {set_cell_size(shown, name)}", "text"), *map(Span, cells, roles))]


_CHIP = 6
_BYTES = 10


class FindingsList(Listing[Finding]):
    """Two lines a finding, or one where the list is low. The claim gives way, the bytes do not."""

    has_head = False

    def __init__(self, *, id: str | None = None, compact: bool = False) -> None:
        super().__init__(id=id)
        self.row_height = 1 if compact else 2

    def set_compact(self, compact: bool) -> None:
        height = 1 if compact else 2
        if height != self.row_height:
            self.row_height = height
            if self.state is not None:
                self.fill(self.rows, self.state)

    def key_of(self, row: Finding) -> str:
        return f"{row.rule} {row.claim}"

    def copy_text(self, row: Finding) -> str:
        return f"{row.claim}: {row.remedy}"

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        waiting = state.frame is not None and not state.frame.done
        return (Span(" Still being read: no finding yet." if waiting else " Nothing to report.", "muted"),)

    def draw(self, row: Finding, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        amount = "" if row.bytes is None else size(row.bytes, si=state.scale.si) if row.certain else "?"
        role = "goodstrong" if amount not in ("", "?") else "muted"
        mark = Span(chip(row.severity, word=False), f"sev:{int(row.severity)}")
        claim = Span(safe(row.claim), "strong", 1, shrinks=True, least=4)
        if self.row_height == 1:
            return [fit((mark, Span(f" {amount:>{_BYTES}} ", role), claim), width - 1)]
        why = row.evidence[0] if row.evidence else None
        text = f"{safe(why[0])}: {_value(why[1], si=state.scale.si)}" if why is not None else safe(row.remedy)
        second = (
            Span(" " * (_CHIP + 1)),
            Span(amount, role),
            Span("  " if amount else ""),
            Span(text, "muted", 1, shrinks=True, least=4),
        )
        return [fit((mark, Span(" "), claim), width - 1), fit(second, width - 1)]


def _value(value: Size | str, *, si: bool) -> str:
    return safe(value) if isinstance(value, str) else size(value, si=si)
