"""What is wrong, worst first: chip, bytes, claim, and one line that says why."""

from __future__ import annotations

from collectors.model.finding import Finding
from collectors.model.reading import Size
from collectors.report.words import safe, size
from tui.drawing.spans import Span, fit
from tui.view_models.findings import chip
from tui.view_models.state import DashboardState
from tui.widgets.listing import Listing

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
