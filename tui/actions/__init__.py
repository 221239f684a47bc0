"""What if: things are marked anywhere, what they free together is asked, and their steps become the plan on screen.

Refuses to work out any byte: who has the release table is asked, and a recording has only what its report says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Item, Ledger
from collectors.model.plan import MarkedSet, Step
from collectors.model.reading import charged
from tui.actions.changes import ChangesActions
from tui.feed.live import WhatIfTold
from tui.view_models import seen_at
from tui.view_models.items import ItemRow, items_of
from tui.view_models.state import Mode, preselected
from tui.widgets.category_table import CategoryList, CategoryTable
from tui.widgets.item_table import ItemTable
from tui.widgets.plan import StepTable

if TYPE_CHECKING:
    from textual.command import Provider


def _things() -> type[Provider]:
    from tui.screens.modals import Things

    return Things


class MarkActions(ChangesActions):
    COMMANDS = ChangesActions.COMMANDS | {_things}
    _chosen_before: frozenset[str] = frozenset()  # of the whole plan, while that of the marked things is on screen

    def change(self, **changes: object) -> None:
        """What is marked is asked anew of each frame, as far as it is still there."""
        super().change(**changes)
        if self.screen_stack:
            self._set_classes()
        if changes.keys() & {"frame", "mount"} and self.state.marked:
            self.mark(self.state.marked)

    def _set_classes(self) -> None:
        screen, state = self.screen_stack[0], self.state
        screen.set_class(bool(state.marked), "-marking")
        screen.set_class(state.view == "plan", "-at-plan")
        screen.set_class(state.of_marked, "-of-marked")  # the plan itself says it

    def action_mark(self) -> None:
        """Mark what the cursor is on, or no longer: a thing, or all things of a category."""
        listing = self.focused
        if isinstance(listing, ItemTable):
            self._toggle([listing.row.item] if isinstance(listing.row, ItemRow) else [])
        elif isinstance(listing, CategoryTable | CategoryList) and listing.row is not None and self.state.report:
            self._toggle(items_of(self.state.report, listing.row.label.key))

    def _toggle(self, items: Iterable[Item]) -> None:
        owners = frozenset(item.owner_id for item in items if item.owner_id.kind is not OwnerKind.SUBVOLUME)
        if not owners:
            self.notify("Nothing here can be marked: a subvolume belongs to what it is part of.", markup=False)
            return
        before = self.state.marked
        self.mark(before - owners if owners <= before else before | owners)

    def mark(self, owners: frozenset[Owner]) -> None:
        """Mark exactly these, as far as the report on screen has them, and ask what they would free together."""
        marked = owners & self.state.owners
        self.change(marked=marked, marked_set=self.state.marked_set if marked == self.state.marked else None)
        if marked:
            self._ask()
        else:
            self._leave_marked()

    def _ask(self) -> None:
        """What the marked things free: of the machine now, or of a run of the past as far as its report tells."""
        report, marked = self.state.report, self.state.marked
        if self.live is not None and self.state.mode is Mode.LIVE:
            self.live.what_if(marked, self.state.mounted_at, self.deliver)
        elif report is not None and report.ledger is not None:
            from collectors.planning.what_if import what_if_recorded

            self.show_what_if(what_if_recorded(report.ledger, report.plan, report.taken_at)(marked))

    def on_what_if_told(self, message: WhatIfTold) -> None:
        report, answer = self.state.report, message.answer
        if report is not None and (answer.things, answer.plan.mount) == (self.state.marked, report.plan.mount):
            self.show_what_if(message.answer)

    def show_what_if(self, answer: MarkedSet) -> None:
        """The answer; where the plan of what is marked is on screen, all of its steps are chosen."""
        chosen = frozenset(step.id for step in answer.plan.every_step)
        self.change(marked_set=answer, **({"chosen": chosen} if self.state.of_marked else {}))

    # The plan of what is marked.

    def plan_for(self, view: str) -> None:
        """On the way to a view: to the plan, that of what is marked; there already, the other one of the two."""
        state = self.state
        if state.plan is not None or state.plan_run is not None:  # one runs, or has run: its log is on screen
            return
        if view == "plan" and state.marked and not state.of_marked:
            self._go_home()
            state = self.state
            self._chosen_before = state.chosen
            steps = state.marked_set.plan.every_step if state.marked_set is not None else ()
            self.change(of_marked=True, chosen=frozenset(step.id for step in steps), dry_run_lines=())
        else:
            self._leave_marked()

    def _go_home(self) -> None:
        """Put the filesystem on screen that the marked things hold most on."""
        report = self.state.report
        ledgers = report.ledgers if report is not None else ()

        def held_bytes(ledger: Ledger) -> int:
            mine = (item for items in ledger.items.values() for item in items if item.owner_id in self.state.marked)
            return sum(charged(item.referenced) for item in mine)

        if len(ledgers) > 1:
            home = max(ledgers, key=held_bytes)  # of equal ones the first: it is on screen
            self.show_filesystem(home.filesystem.mount.mountpoint)

    # Of several filesystems.

    def action_filesystem(self) -> None:
        """The next of the filesystems that were judged, with its books, its plan and what is marked on it."""
        mounts = self.state.mounts
        if len(mounts) > 1:
            self.show_filesystem(mounts[(mounts.index(self.state.mounted_at) + 1) % len(mounts)])

    def show_filesystem(self, mount: str) -> None:
        """Put one filesystem in front; what was chosen and done of another's plan leaves the screen."""
        frame = self.state.whole
        if mount == self.state.mounted_at or frame is None or self.state.applying:
            return
        first = preselected(seen_at(frame, mount).report.plan)
        chosen = frozenset[str]() if self.state.of_marked else first
        self._chosen_before = first
        self.change(mount=mount, chosen=chosen, marked_set=None, dry_run_lines=(), plan=None, plan_run=None)
        if self.live is not None:
            self.live.look_at(mount)

    def _leave_marked(self) -> None:
        if self.state.of_marked:
            self.change(of_marked=False, chosen=self._chosen_before, dry_run_lines=())

    def action_include(self) -> None:
        """Include a step or leave it out; on the head of a harm all of its steps."""
        table = self.focused
        row = table.row if isinstance(table, StepTable) else None
        if row is None or self.state.applying:
            return
        ids = frozenset({row.id}) if isinstance(row, Step) else row.ids
        chosen = self.state.chosen
        self.change(chosen=chosen - ids if ids <= chosen else chosen | ids, dry_run_lines=())
