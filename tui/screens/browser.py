"""What is inside a thing: its directories and files, largest first, one directory at a time. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from rich.cells import set_cell_size
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from collectors.report.formatting import age, count, safe
from tui.drawing import Span, shorten_middle, two_part_bar
from tui.screens.modals import KEYS_OVER_ALL, after
from tui.view_models.categories import number
from tui.view_models.state import DashboardState
from tui.widgets import Panel
from tui.widgets.listing import Listing

if TYPE_CHECKING:
    from collectors.pipeline.browse import DirectoryListing, FileEntry, FilePlace
    from tui.feed.live import Listings

_AGE, _COUNT, _BAR = 12, 9, 16
_MARKS = {"directory": "/", "link": " →", "mount": "/ (another filesystem)", "other": ""}


class FilesTable(Listing["FileEntry"]):
    """One line an entry: allocated, what it alone holds where that is told, apparent, a bar, entries, age, name."""

    now: datetime
    tells_alone = False

    def key_of(self, row: FileEntry) -> str:
        return row.name

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return False

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        cells = state.scale.width + 2
        text = f"{'Allocated':>{cells + 3}}"
        text += f"{'Exclusive':>{cells + 3}}" if self.tells_alone else ""
        if width >= 90:
            text += f"{'Apparent':>{cells + 3}}  {'':<{_BAR}}{'Entries':>{_COUNT}}{'Age':>{_AGE}}"
        return (Span(f"{text}  Name", "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        return (Span(f" {self.reason}", "muted"),)

    reason = "Reading …"

    def draw(self, row: FileEntry, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        cells = state.scale.width + 5
        taken = [Span(f"{_size(row.allocated_bytes, state):>{cells}}", "strong")]
        if self.tells_alone:
            alone = "" if row.exclusive_bytes is None else number(row.exclusive_bytes, state.scale.divisor)
            taken.append(Span(f"{alone:>{cells}}", "good"))
        if width >= 90:
            taken += self._more(row, state, cells)
        room = max(8, width - sum(len(span.text) for span in taken) - 3)
        name = shorten_middle(safe(row.name, 4 * width), room - len(_MARKS.get(row.kind, ""))) + _MARKS.get(
            row.kind, ""
        )
        role = "key" if row.kind == "directory" else "text" if row.kind == "file" else "muted"
        return [(*taken, Span("  "), Span(set_cell_size(name, room), role))]

    def _more(self, row: FileEntry, state: DashboardState, cells: int) -> Sequence[Span]:
        largest = max((one.allocated_bytes or 0 for one in self.rows[:1]), default=0)
        bar = two_part_bar(row.allocated_bytes or 0, row.allocated_bytes or 0, largest, _BAR, "cat:N")
        drawn = sum(len(piece.text) for piece in bar)
        below = "" if row.entries_count is None else f"{row.entries_count:,}"
        old = age(max(0.0, self.now.timestamp() - row.modified_at))
        return (
            Span(f"{_size(row.apparent_bytes, state):>{cells}}  ", "muted"),
            *bar,
            Span(" " * (_BAR - drawn)),
            Span(f"{below:>{_COUNT}}{old:>{_AGE}}", "muted"),
        )

    def copy_text(self, row: FileEntry) -> str:
        return row.name


def _size(held: int | None, state: DashboardState) -> str:
    return "…" if held is None else number(held, state.scale.divisor)


class Browser(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close"),
        Binding("left,backspace,h", "up", "Up"),
        Binding("right,l", "open", "Open"),
        Binding("s", "sort", "Sort"),
        *KEYS_OVER_ALL,
    ]

    def __init__(self, title: str, places: Sequence[FilePlace], files: Listings, state: DashboardState) -> None:
        super().__init__()
        self._heading, self._places, self._files, self._state = title, tuple(places), files, state
        self._place: FilePlace | None = places[0] if len(places) == 1 else None
        self._inside: tuple[str, ...] = ()
        self._by_age = False
        self._moved = False
        self._found: DirectoryListing | None = None

    def compose(self) -> ComposeResult:
        with Panel(id="browser"):
            yield FilesTable(id="files")

    def on_mount(self) -> None:
        self._show()
        self.query_one(FilesTable).focus()

    def _show(self) -> None:
        """Open the place that is asked for, or list the places where there are several (the layers of an image)."""
        from collectors.pipeline.browse import DirectoryListing, FileEntry

        table, panel = self.query_one(FilesTable), self.query_one(Panel)
        table.now = self._state.report.taken_at if self._state.report is not None else datetime.now().astimezone()
        way = "/".join(("", *self._inside)) if self._inside else ""
        place = f": {safe(self._place.name, 40)}" if self._place is not None and len(self._places) > 1 else ""
        panel.set_title(f"{safe(self._heading, 60)}{place}{safe(way, 200)}")
        table.reason, self._moved = "Reading …", False
        table.tells_alone = self._place is not None and self._place.tells_alone
        table.fill((), self._state)
        if self._place is None:
            layers = (FileEntry(one.name, "directory", one.allocated_bytes, None, None, 0.0) for one in self._places)
            self.listed(DirectoryListing(tuple(layers), True, ""))
        else:
            self._files.browse(self._place, self._inside, self.app.call_from_thread, self.listed)

    def listed(self, found: DirectoryListing) -> None:
        """As much as is known of the directory that is open."""
        if not self.is_attached:
            return
        table = self.query_one(FilesTable)
        self._found = found
        table.reason = found.reason or ("Empty." if found.whole else "Reading …")
        table.fill(self._sorted(), self._state)
        if not self._moved:
            table.action_edge(0)  # the largest, until somebody has chosen
        self._note()

    def _note(self) -> None:
        found = self._found
        if found is None:
            return
        doing = "" if found.whole else f"{safe(found.reason)} · " if found.reason else "counting … · "
        many = count(len(found.entries), "entry", "entries")
        self.query_one(Panel).set_note(
            f"{doing}{many} · {self._state.scale.label} · Enter opens · ← up · s by {self._order} · Esc closes"
        )

    @property
    def _order(self) -> str:
        return "size" if self._by_age else "age"

    def _sorted(self) -> list[FileEntry]:
        entries = self._found.entries if self._found is not None else ()
        if self._by_age:
            return sorted(entries, key=lambda one: (-one.modified_at, one.name))
        return sorted(entries, key=lambda one: (-(one.allocated_bytes or 0), one.name))

    def action_sort(self) -> None:
        self._by_age = not self._by_age
        self.query_one(FilesTable).fill(self._sorted(), self._state)
        self._note()

    async def action_anew(self, action: str) -> None:
        self._state = await after(self, action, self._state)
        self.query_one(FilesTable).fill(self._sorted(), self._state)
        self._note()

    def on_listing_moved(self, message: Listing.Moved) -> None:
        message.stop()
        self._moved = self._moved or self.query_one(FilesTable).cursor > 0

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        message.stop()
        self.action_open()

    def action_open(self) -> None:
        row = self.query_one(FilesTable).row
        if row is None or row.kind != "directory":
            return
        if self._place is None:
            self._place = self._places[[one.name for one in self._places].index(row.name)]
        else:
            self._inside = (*self._inside, row.name)
        self._show()

    def action_up(self) -> None:
        if self._inside:
            left, self._inside = self._inside[-1], self._inside[:-1]
        elif self._place is not None and len(self._places) > 1:
            left, self._place = self._place.name, None
        else:
            return
        self._show()
        self.query_one(FilesTable).point_at(left)

    def action_close(self) -> None:
        self._files.stop_browsing()
        self.dismiss(None)
