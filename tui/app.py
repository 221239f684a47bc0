"""The application on screen: its layout, its views, and what the keys of each do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.widgets import ContentSwitcher, Input

from tui import VIEWS
from tui.actions.hosts import HostsActions, HostsView, HostTabs
from tui.drawing import appearance_of
from tui.drawing.palette import DARK
from tui.drawing.terminal import Charset
from tui.feed import Feed, ReplayFeed, Timeline
from tui.feed.live import LiveFeed
from tui.pages import applies_in
from tui.screens import DashboardView, OverviewView
from tui.view_models import space_of
from tui.view_models.categories import CategoryOrder, Units
from tui.view_models.chart import ChurnOrder
from tui.view_models.items import ItemOrder, next_kind
from tui.view_models.plan_run import dry_run
from tui.view_models.state import DashboardState, Mode
from tui.widgets import KeyBar, MarkLine
from tui.widgets.header import DiskBar, Tabs, Verdict
from tui.widgets.item_table import ItemTable
from tui.widgets.listing import Listing

if TYPE_CHECKING:
    from tui.screens.modals import Match


_ORDERS = (CategoryOrder.SIZE, ItemOrder.EXCLUSIVE, ChurnOrder.COST)


class UllageApp(HostsActions):
    """`feed` live or recorded; `export_to` the folder that `e` writes to."""

    def __init__(
        self,
        feed: Feed,
        *,
        read_only: bool = False,
        theme: str = DARK.name,
        charset: Charset = Charset.FULL,
        units: Units = Units.IEC,
        export_to: Path | None = None,
        view: str = "overview",
        hosts: Sequence[tuple[str, LiveFeed]] = (),
        rings: bool = False,
        orders: tuple[CategoryOrder, ItemOrder, ChurnOrder] = _ORDERS,
    ) -> None:
        mode = Mode.LIVE if isinstance(feed, LiveFeed) else Mode.REPLAY
        state = DashboardState(
            appearance_of(theme, False),
            mode,
            units=units,
            read_only=read_only or mode is Mode.REPLAY,
            order=orders[0],
            item_order=orders[1],
            churn_order=orders[2],
        )
        super().__init__(state, charset=charset, theme=theme)
        self.begun = self.state
        self._opens = view
        self.live = feed if isinstance(feed, LiveFeed) else None
        self.rings = rings
        if len(hosts) > 1:
            self.set_hosts(hosts)
        self._recording = feed if isinstance(feed, ReplayFeed) else None
        self._export_to = export_to if export_to is not None else Path.cwd()

    def compose(self) -> ComposeResult:
        yield HostTabs()
        yield Tabs()
        yield Verdict(id="verdict", classes="surround second")
        yield DiskBar()
        with ContentSwitcher(id="views", initial="overview"):
            yield OverviewView(id="overview")
        yield Input(id="filter", placeholder="filter: any part of a name, owner or state", compact=True)
        yield MarkLine()
        yield KeyBar()

    async def on_mount(self) -> None:
        self._measure(self.size.width, self.size.height)
        self.query_one("#filter", Input).display = False
        self.query_one(HostTabs).display = bool(self._names)
        if self._recording is not None:
            feed = self._recording
            self.start_replay(
                Timeline(feed.runs, feed.report_at, feed.settings.thresholds, feed.foreign), feed.opens_at
            )
        else:
            self.redraw()
        self.query_one(OverviewView).focus_first()
        opens = "hosts" if self._names else self._opens
        if opens != "overview":
            await self.action_view(opens)
        self.call_after_refresh(self.start_live)

    def on_resize(self, event: events.Resize) -> None:
        self._measure(event.size.width, event.size.height)
        self.redraw()

    def _measure(self, width: int, height: int) -> None:
        screen = self.screen_stack[0]
        screen.set_class(width < 100, "-narrow")
        screen.set_class(width >= 160, "-wide")
        screen.set_class(height < 32, "-low")
        screen.set_class(height < 24 or width < 78, "-tiny")
        screen.set_class(height < 12 or width < 44, "-too-small")

    # Views.

    async def action_view(self, name: str) -> None:
        """Show a view; it is made when it is first wanted."""
        if name not in _VIEWS and not (name == "hosts" and self._names):
            return
        views = self.screen_stack[0].query_one("#views", ContentSwitcher)
        if not views.query(f"#{name}"):
            await views.add_content(_make(name))
        views.current = name
        self.plan_for(name)
        self.change(view=name, filter_text="", bill_kind="")
        self._hide_filter()
        shown = self.view
        if shown is not None:
            shown.focus_first()

    async def on_tabs_picked(self, message: Tabs.Picked) -> None:
        await self.action_view(message.view)

    async def on_disk_bar_picked(self, message: DiskBar.Picked) -> None:
        """A segment selects its category; where that is selected already, or not to be seen, it opens it."""
        opens = self.state.view not in ("overview", "explore") or (
            self.state.row is not None and self.state.selected == message.key and self.state.view == "overview"
        )
        self.change(selected=message.key)
        if opens:
            await self.action_view("explore")

    def on_listing_moved(self, message: Listing.Moved) -> None:
        if message.listing.id in ("categories", "category-list") and message.key != self.state.selected:
            self.change(selected=message.key, bill_kind="")

    async def on_listing_chosen(self, message: Listing.Chosen) -> None:
        match message.listing.id:
            case "categories" | "category-list":
                await self.action_view("explore")
            case "items" | "brief":
                one = message.listing.row
                if one is not None:
                    self.look_inside(one.item)
            case "findings" | "plan-findings-list":
                finding = message.listing.row
                if finding is not None:
                    self.explain(finding)
            case "steps":
                self.action_include()
            case "changed":
                row = message.listing.row
                if row is not None:
                    self.show_course(row)
            case "events":
                event = message.listing.row
                if event is not None:
                    self.seek(event.at)

    async def action_back(self) -> None:
        if self.state.filter_text or self.query_one("#filter", Input).display:
            self._hide_filter()
            self.change(filter_text="")
            if self.view is not None:
                self.view.focus_first()
        elif self.state.view == "plan" and self.state.dry_run_lines:
            self.change(dry_run_lines=())
        elif self.state.of_marked and self.state.view == "plan":
            self.plan_for("plan")
        elif self.state.view != "overview":
            await self.action_view("overview")
        elif self.state.marked:
            self.mark(frozenset())

    # Filter, order, units.

    def action_filter(self) -> None:
        """Narrow the list of this view; where there is no list to narrow, find anything there is."""
        if self.state.view in ("overview", "plan"):
            from tui.screens.modals import Find

            self.push_screen(Find(self.state), self.go_to)
            return
        field = self.query_one("#filter", Input)
        field.display = True
        field.value = self.state.filter_text
        field.focus()

    async def go_to(self, match: Match | None) -> None:
        if match is None:
            return
        self.show_filesystem(match.mount)
        self.change(selected=match.label.key)
        await self.action_view("explore")
        table = self.screen_stack[0].query_one("#items", ItemTable)
        table.point_at(match.item.owner_id.text() + match.item.id)
        self.redraw()  # what is known of it, beside it

    def _hide_filter(self) -> None:
        field = self.screen_stack[0].query_one("#filter", Input)
        field.display = False

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter" and event.input.display:
            self.change(filter_text=event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "filter":
            self._hide_filter()
            if self.view is not None:
                self.view.focus_first()

    def action_sort(self) -> None:
        state = self.state
        match state.view:
            case "overview":
                self.change(order=state.order.next_one())
            case "explore":
                self.change(item_order=state.item_order.next_one())
            case "churn":
                self.change(churn_order=state.churn_order.next_one())

    def action_bills(self) -> None:
        """In Explore: what each group of the next kind holds, and after the last kind the items again."""
        report = self.state.report
        if report is not None:
            self.change(bill_kind=next_kind(report, self.state.bill_kind))
            if not report.bills:
                self.notify("Nothing here has a project, a stack or a repository to be billed to.", markup=False)

    # The plan, without running it.

    def action_way(self) -> None:
        state = self.state
        if state.way is not None and not state.applying:
            self.change(chosen=state.way[1], dry_run_lines=())

    def action_dry_run(self) -> None:
        state = self.state
        space = space_of(state.report) if state.report is not None else None
        if state.steps is not None and space is not None and not state.applying:
            self.change(
                dry_run_lines=dry_run(state.steps, state.chosen, space, si=state.scale.si), plan_run=None, plan=None
            )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        state = self.state
        if not applies_in(action, state.view, replay=state.mode is Mode.REPLAY):
            return False
        match action:
            case "host" | "view" if action == "host" or parameters == ("hosts",):
                return bool(self._names)
            case "filesystem":
                return len(state.mounts) > 1 and not state.applying
            case "apply":
                return self.live is not None and not state.read_only and state.mode is Mode.LIVE and not state.applying
            case "stop":
                return self.live is not None and (state.applying or state.scanning)
            case "lift_age":
                return self.live is not None and state.mode is Mode.LIVE and not (state.applying or state.scanning)
            case "rescan":
                return self.live is not None and not state.scanning and state.mode is Mode.LIVE
        return True


_VIEWS = tuple(view for view, _ in VIEWS)


def _make(name: str) -> DashboardView:
    from tui.screens import ChurnView, HistoryView
    from tui.screens.changes import ChangesView
    from tui.screens.explore import ExploreView
    from tui.screens.plan import PlanView

    makers: dict[str, type[DashboardView]] = {
        "explore": ExploreView,
        "history": HistoryView,
        "plan": PlanView,
        "churn": ChurnView,
        "hosts": HostsView,
    }
    return ChangesView(id="changes") if name == "changes" else makers[name]()
