"""Several hosts in one dashboard: each has a feed and a state of its own, and one of them is on screen.

A line of tabs above everything, and a view with one line a host: how full, how bad, the verdict. What a feed says is
taken up in the state of its host, whether that is on screen or not. Where it was asked for, the terminal rings when a
host becomes critical.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.message import Message

from collectors.model.plan import Severity
from collectors.model.reading import Exact
from collectors.report.formatting import bytes_, safe, whole_percent
from tui.actions import MarkActions
from tui.actions.changes import ChangesActions
from tui.drawing import Span, shorten, shorten_middle
from tui.feed.live import JournalRead, LiveFeed, PlanEnded, PlanEvent, ScanFailed, Scanned, Ticked, WhatIfTold
from tui.screens import DashboardView
from tui.view_models import space_of
from tui.view_models.state import DashboardState, HostLine
from tui.view_models.verdict import chip_of, sentence, sign_of
from tui.widgets import LineWidget, Panel
from tui.widgets.listing import Listing

# What belongs to a host and not to who looks at it.
_OWN = (
    "live",
    "state",
    "timeline",
    "_latest",
    "_past_runs",
    "_hint",
    "_run_number",
    "_at",
    "_ticked_s",
    "_chosen_before",
)
# What belongs to who looks, whichever host is on screen.
_SHARED = ("view", "units", "order", "item_order", "churn_order", "appearance", "hosts", "host_at")


class OfHost(Message):
    """What the feed of one host said."""

    def __init__(self, at: int, said: Message) -> None:
        super().__init__()
        self.at, self.said = at, said


class HostsActions(MarkActions):
    rings = False  # when a host becomes critical
    _names: tuple[str, ...] = ()  # of the hosts, as the command line has them; () for one host
    _host = 0
    _slots: Sequence[dict[str, Any]] = ()  # of each host, as it was left
    _unseen = False  # is a host at work that is not on screen?

    def set_hosts(self, hosts: Sequence[tuple[str, LiveFeed]]) -> None:
        """Show several hosts, the first one first. Before anything runs."""
        self._names = tuple(name for name, _ in hosts)
        self._slots = [{**self._own(), "live": feed} for _, feed in hosts]
        self.live = hosts[0][1]

    def start_live(self) -> None:
        """Every host's first scan."""
        super().start_live()
        for at in range(1, len(self._slots)):
            with self._as(at):
                super(ChangesActions, self).start_live()
        self._tell_hosts()

    @property
    def deliver(self) -> Callable[[Message], object]:
        """Where the feed of the host that is at work now puts what it has to say."""
        at = self._host
        return lambda said: self.post_message(OfHost(at, said))

    def on_of_host(self, message: OfHost) -> None:
        said = message.said
        with self._as(message.at):
            before = self._severity
            match said:
                case Scanned():
                    self.on_scanned(said)
                case ScanFailed():
                    self.on_scan_failed(said)
                case JournalRead():
                    self.on_journal_read(said)
                case Ticked():
                    self.on_ticked(said)
                case WhatIfTold():
                    self.on_what_if_told(said)
                case PlanEvent():
                    self.on_plan_event(said)
                case PlanEnded():
                    self.on_plan_ended(said)
            if self._severity is Severity.P0 and before is not Severity.P0:
                self._ring()
        self._tell_hosts()

    @property
    def _severity(self) -> Severity | None:
        """Of the last whole scan; None before there was one."""
        return self._latest.report.severity if self._latest is not None and self._latest.done else None

    def _ring(self) -> None:
        """The bell, and a notification of those terminals that have some (OSC 9)."""
        if not self.rings or self.is_web or self._latest is None or self._driver is None:
            return
        self.bell()
        self._driver.write(f"\x1b]9;ullage: {safe(self._latest.report.host, 60)} is critical\x07")

    # One host at a time.

    def _own(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _OWN}

    @contextmanager
    def _as(self, at: int) -> Iterator[None]:
        """Be at work for host `at`, unseen where another one is on screen."""
        if at == self._host:
            yield
            return
        seen, self._host = self._host, at
        kept, self._unseen = self._own(), True
        self._take(self._slots[at])
        try:
            yield
        finally:
            self._slots[at].update(self._own())
            self._take(kept)
            self._host, self._unseen = seen, False

    def _take(self, slot: dict[str, Any]) -> None:
        for name, value in slot.items():
            setattr(self, name, value)

    def redraw(self) -> None:
        if not self._unseen:
            super().redraw()

    def _show_second(self) -> None:
        if not self._unseen:
            super()._show_second()

    def _tell_hosts(self) -> None:
        """Give the tabs and the view of all hosts what is known by now."""
        if not self._names:
            return
        states = [self.state if at == self._host else slot["state"] for at, slot in enumerate(self._slots)]
        told = tuple(map(host_line, self._names, states))
        if (told, self._host) != (self.state.hosts, self.state.host_at):
            self.change(hosts=told, host_at=self._host)

    async def action_host(self, by: int) -> None:
        """The next or the previous host."""
        await self.show_host((self._host + by) % max(1, len(self._slots)))

    async def show_host(self, at: int) -> None:
        """Put another host on screen; view, order and units stay."""
        if at == self._host or not self._slots:
            return
        self._stop_playing()
        shared = {name: getattr(self.state, name) for name in _SHARED}
        self._slots[self._host].update(self._own())
        self._host = at
        self._take(self._slots[at])
        self.change(**{**shared, "host_at": at}, filter_text="")

    async def on_listing_chosen(self, message: Listing.Chosen) -> None:
        """Beside what the application does with lists of its own."""
        if isinstance(message.listing, HostTable) and message.listing.row is not None:
            await self.show_host(self.state.hosts.index(message.listing.row))
            await self.run_action("view('overview')")

    async def on_host_tabs_picked(self, message: HostTabs.Picked) -> None:
        await self.show_host(message.at)


def host_line(name: str, state: DashboardState) -> HostLine:
    """What one line says of a host."""
    report = state.report
    if report is None or state.frame is None:
        return HostLine(name, None, None, "", "", state.failure or "reading …")
    space = space_of(report)
    full = whole_percent(space.used_percent) if space is not None else "?"
    left = bytes_(space.available_bytes, si=state.scale.si) if space is not None else "?"
    said = state.failure or (sentence(report, si=state.scale.si) if state.frame.done else "reading …")
    # Of an engine that does not answer the report knows only the machine that asked.
    called = report.host if report.host and isinstance(report.engine, Exact) else name
    if not state.frame.done:
        return HostLine(called, None, None, full, left, said)
    return HostLine(called, chip_of(report, word=False), sign_of(report), full, left, said)


class HostTabs(LineWidget):
    """One line: every host with how full and how bad it is. Clicking one shows it."""

    class Picked(Message):
        def __init__(self, at: int) -> None:
            super().__init__()
            self.at = at

    def __init__(self) -> None:
        super().__init__(id="hosts-tabs", classes="surround")
        self._ends: list[int] = []

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        cells = max(6, (width - 1) // max(1, len(state.hosts)) - 9)
        spans: list[Span] = []
        self._ends, end = [], 0
        for at, host in enumerate(state.hosts):
            name = f" {shorten_middle(safe(host.name), cells)} {host.full:>4} "
            sign = host.sign or Span("◌ ", "muted")
            spans += [Span(name, "tabon" if at == state.host_at else "tab"), sign]
            end += cell_len(name) + cell_len(sign.text)
            self._ends.append(end)
        yield tuple(spans)

    def on_click(self, event: events.Click) -> None:
        at = next((at for at, end in enumerate(self._ends) if event.x < end), None)
        if at is not None:
            self.post_message(self.Picked(at))


class HostTable(Listing[HostLine]):
    """One line a host: severity, how full, what is left, name, verdict."""

    def key_of(self, row: HostLine) -> str:
        return str(self.rows.index(row))

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return super().same(before, after) and before.hosts is after.hosts

    def copy_text(self, row: HostLine) -> str:
        return row.name

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        return (Span(f"{'':<7}{'Used':>5}{'Left':>11}  {'Host':<{self._name_cells(width)}}  Verdict", "head"),)

    def draw(self, row: HostLine, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        cells = self._name_cells(width)
        mark = Span("  ◌    ", "muted") if row.mark is None else row.mark
        name = shorten_middle(safe(row.name), cells)
        room = width - 7 - 5 - 11 - 2 - cells - 3
        return [
            (
                Span(mark.text + " " * (7 - cell_len(mark.text)), mark.role),
                Span(f"{row.full:>5}", "strong"),
                Span(f"{row.left:>11}  ", "text"),
                Span(name + " " * (cells - cell_len(name)), "strong"),
                Span(f"  {shorten(row.verdict, room)}", "text" if row.mark is not None else "muted"),
            )
        ]

    def _name_cells(self, width: int) -> int:
        """As many as the longest name takes, and no more than leave room for the verdicts."""
        longest = max((cell_len(safe(row.name)) for row in self.rows), default=0)
        return min(max(4, longest), 16 if width < 100 else 40)


class HostsView(DashboardView):
    def __init__(self) -> None:
        super().__init__(id="hosts")

    def compose(self) -> ComposeResult:
        with Panel(id="hosts-panel"):
            yield HostTable(id="hosts-list")

    def focus_first(self) -> None:
        self.query_one(HostTable).focus()

    def show(self, state: DashboardState) -> None:
        panel = self.query_one(Panel)
        panel.set_title(f"{len(state.hosts)} hosts")
        panel.set_note("Enter shows one · < > the one before or after")
        wanted = state.filter_text.casefold()
        rows = [one for one in state.hosts if wanted in f"{one.name} {one.verdict}".casefold()]
        self.query_one(HostTable).fill(rows, state)
