"""Everything that one drawing of the screen depends on, in one frozen value.

Every widget draws from the same state, so no two figures on a screen can come from different moments. Refuses to be
changed: a key press, a scan and a freed byte each make a new state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from functools import cached_property

from collectors.forecast.changes import Changes
from collectors.model import Owner
from collectors.model.ledger import Item
from collectors.model.plan import MarkedSet, Plan, PlanTarget, Risk
from collectors.model.report import LiveFigures, Report
from tui.drawing import Appearance, Line, Span
from tui.view_models import Frame, HistoryEvent, filesystems, height_of, seen_at, space_of
from tui.view_models.categories import CategoryOrder, CategoryRow, Scale, Units, category_rows, extra_rows, scale_for
from tui.view_models.chart import ChurnOrder
from tui.view_models.items import ItemOrder
from tui.view_models.plan_run import AfterPlan, PlanRun


class Mode(StrEnum):
    LIVE = "live"
    REPLAY = "replay"


class Since(Enum):
    """Which moment the present is compared with; each the label of it. Named events, then spans, nearest first."""

    DEPLOY = "the run before the last deploy"
    LAST_P1 = "the last P1"
    LAST_RUN = "the last run"
    HOUR = "1 h ago"
    QUARTER = "6 h ago"
    DAY = "24 h ago"
    WEEK = "7 d ago"
    FIRST = "the first run"
    PICKED = "the run picked"

    @property
    def ago(self) -> timedelta | None:
        """How long ago; None for what is no span."""
        return _AGO.get(self)

    def moved(self, by: int) -> Since:
        """The next one on that side, or this one at the end; from a run picked by hand back to a day ago."""
        order = tuple(one for one in Since if one is not Since.PICKED)
        if self not in order:
            return Since.DAY
        return order[max(0, min(len(order) - 1, order.index(self) + by))]


_AGO = {
    Since.HOUR: timedelta(hours=1),
    Since.QUARTER: timedelta(hours=6),
    Since.DAY: timedelta(days=1),
    Since.WEEK: timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class HostLine:
    """One of several hosts in a line. `mark` and `sign` None: not scanned yet. `name` is not yet escaped."""

    name: str
    mark: Span | None  # how bad it is, as a chip
    sign: Span | None  # and as one sign
    full: str
    left: str
    verdict: str


@dataclass(frozen=True)
class DashboardState:
    """`selected` a category's key, `chosen` ids of plan steps."""

    appearance: Appearance
    mode: Mode
    frame: Frame | None = None  # with the books of `mount` in front, see seen_at
    whole: Frame | None = None  # as it came, where some of it was put in front
    mount: str | None = None  # of the filesystem that somebody chose to see; None: the one which leads
    units: Units = Units.IEC
    order: CategoryOrder = CategoryOrder.SIZE
    item_order: ItemOrder = ItemOrder.EXCLUSIVE
    churn_order: ChurnOrder = ChurnOrder.COST
    filter_text: str = ""
    bill_kind: str = ""  # what Explore groups by: project, stack, repository, label:KEY; "": it lists items
    selected: str = ""
    chosen: frozenset[str] = frozenset()
    marked: frozenset[Owner] = frozenset()  # things of which somebody asks: what if they went?
    marked_set: MarkedSet | None = None  # the answer; None: not worked out yet
    of_marked: bool = False  # the plan on screen is that of what is marked
    plan: Plan | None = None  # the plan being applied; None: that of the report
    plan_run: PlanRun | None = None  # how far it is, or how it ended
    dry_run_lines: tuple[Line, ...] = ()  # what a dry run said of the chosen steps
    scanning: bool = False
    failure: str = ""  # why the last scan broke off
    applying: bool = False
    read_only: bool = False
    view: str = "overview"
    live: LiveFigures | None = None  # of the last second; None: a recording, or not seen yet
    live_stopped: bool = False  # no look came for a while
    since: Since = Since.DAY  # what the view of changes compares with
    since_at: datetime | None = None  # of a run picked by hand
    changes: Changes | None = None  # None: `changes_reason` says why
    changes_reason: str = ""
    position: tuple[int, int] = (0, 0)  # of a replay: frame, frames
    hosts: tuple[HostLine, ...] = ()  # all of them, where there are several
    host_at: int = 0
    playing: bool = False  # one run after the other comes on screen by itself
    period: tuple[datetime, datetime] | None = None  # of everything that can be shown
    period_events: tuple[tuple[HistoryEvent, ...], ...] = ()  # every event of that span, of each filesystem

    def with_changes(self, **changes: object) -> DashboardState:
        """The same state with some fields changed. A new frame is seen with the chosen filesystem in front."""
        if "frame" in changes or "mount" in changes:
            changes.setdefault("frame", self.whole or self.frame)
            changes["whole"] = whole = changes["frame"]
            if isinstance(whole, Frame):
                mount = changes.get("mount", self.mount)
                changes["frame"] = seen_at(whole, mount if isinstance(mount, str) else None)
        new = replace(self, **changes)  # type: ignore[arg-type]
        # What was worked out from fields that did not change is carried over: moving a cursor must cost nothing.
        for name, inputs in _DERIVED.items():
            if name in self.__dict__ and not inputs & changes.keys():
                new.__dict__[name] = self.__dict__[name]
        return new

    @property
    def marks(self) -> tuple[int, ...]:
        """The used % that judge, as the report was told."""
        return self.report.settings.thresholds.marks if self.report is not None else ()

    @property
    def mounts(self) -> tuple[str, ...]:
        """Of the filesystems that were judged, the Docker root's first."""
        whole = self.whole or self.frame
        return filesystems(whole.report) if whole is not None else ()

    @property
    def mounted_at(self) -> str:
        """The filesystem on screen; "" where none was found."""
        ledger = self.report.ledger if self.report is not None else None
        return ledger.filesystem.mount.mountpoint if ledger is not None else ""

    @property
    def at(self) -> int:
        """Which of the filesystems that were judged is on screen; 0 is the Docker root's."""
        return self.mounts.index(self.mounted_at) if self.mounted_at in self.mounts else 0

    @property
    def events_here(self) -> tuple[HistoryEvent, ...]:
        """Every event of the filesystem on screen, for the slider."""
        return self.period_events[self.at] if self.at < len(self.period_events) else ()

    @property
    def live_here(self) -> LiveFigures | None:
        """The last second of the filesystem on screen: never another's."""
        return self.live if self.live is not None and self.live.mount == self.mounted_at else None

    @property
    def report(self) -> Report | None:
        return self.frame.report if self.frame is not None else None

    @cached_property
    def scale(self) -> Scale:
        space = space_of(self.frame.report) if self.frame is not None else None
        return scale_for(space.total_bytes if space is not None else 0, self.units)

    @cached_property
    def rows(self) -> tuple[CategoryRow, ...]:
        return category_rows(self.frame, self.order) if self.frame is not None else ()

    @property
    def steps(self) -> Plan | None:
        """The plan on screen: the one being applied, else that of what is marked, else the report's."""
        if self.plan is not None:
            return self.plan
        if self.of_marked:
            return self.marked_set.plan if self.marked_set is not None else _NO_PLAN
        return self.frame.report.plan if self.frame is not None else None

    @cached_property
    def later(self) -> Mapping[str, int]:
        """Of each step of the plan, the bytes that it frees only together with steps after it."""
        return self.steps.later_bytes() if self.steps is not None else {}

    @property
    def age_lifted(self) -> bool:
        """Was the report planned without minimum ages?"""
        return self.report is not None and self.report.settings.keep.min_age_s == 0.0

    @cached_property
    def way(self) -> tuple[PlanTarget, frozenset[str]] | None:
        """The target that the plan was made for, else the mark that used should be below; and the steps to it.

        None where nothing presses, and where how full the disk is is not known.
        """
        plan, space = self.steps, space_of(self.frame.report) if self.frame is not None else None
        if plan is None or space is None or self.report is None or self.of_marked:
            return None
        if plan.target is not None:
            return plan.target, plan.ids
        from collectors.planning.target import way_to  # late: it knows every cause

        limits = self.report.settings.thresholds
        pressing = (mark for mark in (limits.p1_percent, limits.p2_percent) if mark < space.used_percent)
        wanted = next(pressing, None)
        return way_to(plan, space, wanted) if wanted is not None else None

    @cached_property
    def whole_plan_bytes(self) -> int:
        """What all steps of the plan together would free."""
        return self.steps.frees_bytes(self.steps.ids) if self.steps is not None else 0

    @cached_property
    def after_plan(self) -> AfterPlan | None:
        """What is left once the chosen steps that are still to run have run; None without a plan or statvfs."""
        plan = self.steps
        space = space_of(self.frame.report) if self.frame is not None else None
        if plan is None or space is None:
            return None
        gone = self.chosen & (self.plan_run.finished if self.plan_run is not None else frozenset())
        ahead = self.chosen - gone
        freed = min(space.used_bytes, plan.frees_bytes(self.chosen) - plan.frees_bytes(gone))
        used = space.used_bytes - freed
        height = height_of(used, space.usable_bytes)
        more = plan.likely_bytes(self.chosen) - plan.likely_bytes(gone)
        likely = space.used_percent_after(freed + more) if more else None
        return AfterPlan(len(ahead), freed, used, space.used_percent_after(freed), height, more, likely)

    def name_of(self, owner: Owner) -> str:
        """What the report calls a thing; its id where it has none. Not yet escaped."""
        return next((item.name for item in self._items() if item.owner_id == owner), "") or owner.id

    def _items(self) -> Iterator[Item]:
        """Of every filesystem."""
        for ledger in self.report.ledgers if self.report is not None else ():
            yield from (item for items in ledger.items.values() for item in items)

    @cached_property
    def owners(self) -> frozenset[Owner]:
        """Of every item of the report, on whatever filesystem."""
        return frozenset(item.owner_id for item in self._items())

    @cached_property
    def marked_keys(self) -> frozenset[str]:
        """Of the categories that have something marked."""
        ledger = self.report.ledger if self.report is not None and self.marked else None
        if ledger is None:
            return frozenset()
        return frozenset(
            category.value
            for category, items in ledger.items.items()
            if any(item.owner_id in self.marked for item in items)
        )

    @cached_property
    def explore_rows(self) -> tuple[CategoryRow, ...]:
        """What Explore lists: the categories that may have items, and the subvolumes."""
        if self.frame is None:
            return ()
        used = tuple(row for row in self.rows if row.label.key not in ("free", "reserved"))
        return (*used, *extra_rows(self.frame))

    @cached_property
    def row(self) -> CategoryRow | None:
        """The selected category; the first one where nothing is selected."""
        rows = (*self.rows, *self.explore_rows)
        return next((row for row in rows if row.label.key == self.selected), rows[0] if rows else None)


_NO_PLAN = Plan((), (), ())
_DERIVED = {
    "scale": {"frame", "units"},
    "rows": {"frame", "order"},
    "explore_rows": {"frame", "order"},
    "after_plan": {"frame", "plan", "of_marked", "marked_set", "chosen", "plan_run"},
    "later": {"frame", "plan", "of_marked", "marked_set"},
    "way": {"frame", "plan", "of_marked", "marked_set"},
    "whole_plan_bytes": {"frame", "plan", "of_marked", "marked_set"},
    "row": {"frame", "order", "selected"},
    "marked_keys": {"frame", "marked"},
    "owners": {"frame"},
}


def preselected(plan: Plan) -> frozenset[str]:
    """The steps that are on from the start: those that can be made again by themselves and may run unasked."""
    return frozenset(step.id for step in plan.steps if step.risk is Risk.SAFE and step.unasked)
