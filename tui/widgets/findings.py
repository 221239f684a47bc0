"""What is wrong, worst first: chip, bytes, claim, and one line that says why."""

from __future__ import annotations

from collectors.model.finding import Finding
from collectors.model.reading import Size
from collectors.report.words import safe, size
from tui.drawing.spans import Bit, fit
from tui.view_models.findings import chip
from tui.view_models.state import Scene
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
            if self.scene is not None:
                self.fill(self.rows, self.scene)

    def key_of(self, row: Finding) -> str:
        return f"{row.rule} {row.claim}"

    def copy_text(self, row: Finding) -> str:
        return f"{row.claim}: {row.remedy}"

    def empty(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        waiting = scene.frame is not None and not scene.frame.done
        return (Bit(" Still being read: no finding yet." if waiting else " Nothing to report.", "muted"),)

    def draw(self, row: Finding, scene: Scene, width: int) -> list[tuple[Bit, ...]]:
        amount = "" if row.bytes is None else size(row.bytes, si=scene.scale.si) if row.certain else "?"
        role = "goodstrong" if amount not in ("", "?") else "muted"
        mark = Bit(chip(row.severity, word=False), f"sev:{int(row.severity)}")
        claim = Bit(safe(row.claim), "strong", 1, cut=True, least=4)
        if self.row_height == 1:
            return [fit((mark, Bit(f" {amount:>{_BYTES}} ", role), claim), width - 1)]
        why = row.evidence[0] if row.evidence else None
        text = f"{safe(why[0])}: {_value(why[1], si=scene.scale.si)}" if why is not None else safe(row.remedy)
        second = (
            Bit(" " * (_CHIP + 1)),
            Bit(amount, role),
            Bit("  " if amount else ""),
            Bit(text, "muted", 1, cut=True, least=4),
        )
        return [fit((mark, Bit(" "), claim), width - 1), fit(second, width - 1)]


def _value(value: Size | str, *, si: bool) -> str:
    return safe(value) if isinstance(value, str) else size(value, si=si)
