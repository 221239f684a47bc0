"""Moving through recorded runs: by the hour, by event, to either end. Pure.

A frame is made when it is shown, from what was known then; nothing of a later run reaches it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import timedelta

from collectors.model.report import Report
from tui.frame import Frame
from tui.moments import Moment
from tui.past import past_of, until


class Timeline:
    """`moments` oldest first and not empty; `report_at` makes the report of one of them.

    `beside` are points of used % that somebody else wrote: they lengthen the curve and cannot be shown.
    """

    def __init__(
        self,
        moments: Sequence[Moment],
        report_at: Callable[[int], Report],
        marks: Sequence[int],
        beside: Sequence[Moment] = (),
    ) -> None:
        self.moments = tuple(moments)
        self._report_at = report_at
        self.times = tuple(moment.at for moment in moments)
        self.past = past_of(sorted((*beside, *self.moments), key=lambda moment: moment.at), marks)

    def __len__(self) -> int:
        return len(self.moments)

    def frame(self, index: int) -> Frame:
        """The screen's data as it stood at run `index`."""
        return Frame(self._report_at(index), until(self.past, self.times[index]))

    def by_hours(self, index: int, hours: int) -> int:
        """The run nearest to `hours` later (earlier below 0), at least one run away where there is one."""
        goal = self.times[index] + timedelta(hours=hours)
        if hours > 0:
            at = bisect_left(self.times, goal)
            return min(len(self) - 1, max(index + 1, at))
        return max(0, min(index - 1, bisect_right(self.times, goal) - 1))

    def by_event(self, index: int, direction: int) -> int:
        """The run of the next event (the one before for -1); `index` where there is none."""
        at = self.times[index]
        stops = [event.at for event in self.past.events]
        ahead = [stop for stop in stops if (stop > at if direction > 0 else stop < at)]
        if not ahead:
            return index
        goal = min(ahead) if direction > 0 else max(ahead)
        return min(len(self) - 1, bisect_left(self.times, goal))
