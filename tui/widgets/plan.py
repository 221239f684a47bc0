"""The plan on screen: its steps, and the disk now and after them."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import set_cell_size

from collectors.model.plan import Risk, Step
from collectors.model.reading import Exact, Unavailable
from collectors.report.words import bytes_, percent, safe
from tui.drawing.bars import SOLID
from tui.drawing.spans import Bit, fit, shorten
from tui.view_models.frame import percent_of, space_of
from tui.view_models.plan_run import State, StepRun
from tui.view_models.state import Scene
from tui.view_models.units import cell, number
from tui.widgets.lines import Drawn
from tui.widgets.listing import Listing

_RISK = 11
_UNDO = 22
_RISKS = {Risk.SAFE: ("· safe", "good"), Risk.CAREFUL: ("▲ careful", "warn"), Risk.DESTRUCTIVE: ("✖ destroys", "bad")}


class StepTable(Listing[Step]):
    def key_of(self, row: Step) -> str:
        return row.id

    def copy_text(self, row: Step) -> str:
        return row.command

    def same(self, before: Scene, after: Scene) -> bool:
        return super().same(before, after) and before.chosen == after.chosen and before.run is after.run

    def columns(self, width: int, number_cells: int) -> tuple[int, int]:
        """Cells of (title, undo); undo goes where room is short."""
        room = width - 5 - number_cells - (_RISK + 2) - 1
        undo = _UNDO if room >= 34 + _UNDO else 0
        return room - undo - (2 if undo else 0), undo

    def head(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        title, undo = self.columns(width, self.number(scene))
        running = f"{'Freed' if scene.run is not None else 'Frees'} {scene.scale.label}"
        text = f"     {'Step':<{title}}{running:>{self.number(scene)}}  {'Risk':<{_RISK}}"
        return (Bit(text + (f"  {'Way back':<{undo}}" if undo else ""), "head"),)

    def empty(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        if scene.frame is not None and not scene.frame.done:
            return (Bit(" Still being read: no plan yet.", "muted"),)
        return (Bit(" Nothing that was measured can be taken back safely.", "muted"),)

    def draw(self, row: Step, scene: Scene, width: int) -> list[tuple[Bit, ...]]:
        title, undo = self.columns(width, self.number(scene))
        run = scene.run.steps.get(row.id) if scene.run is not None else None
        on = row.id in scene.chosen
        mark, role = _mark(on, run)
        risk, ink = _RISKS[row.risk]
        name = shorten(safe(row.title), title - 1)
        if run is not None and run.total:
            name = shorten(safe(row.title), title - 10) + f" {run.done}/{run.total}"
        bits = [
            Bit(f" {mark} ", role),
            Bit(set_cell_size(name, title), "strong" if on else "muted"),
            self._freed(row, scene, run, on),
            Bit(f"  {risk:<{_RISK}}", ink),
        ]
        if undo:
            bits.append(Bit(f"  {set_cell_size(shorten(safe(row.undo), undo), undo)}", "muted"))
        return [tuple(bits)]

    @staticmethod
    def number(scene: Scene) -> int:
        """Cells of the column of bytes: its header names the unit."""
        return max(scene.scale.width, len(f"Frees {scene.scale.label}")) + 1

    @classmethod
    def _freed(cls, row: Step, scene: Scene, run: StepRun | None, on: bool) -> Bit:
        """Measured where it ran, else promised; behind an arrow what only a step after it will free."""
        width = cls.number(scene)
        if run is not None and run.measured_bytes is not None:
            return Bit(f"{number(run.measured_bytes, scene.scale.divisor):>{width}}", "goodstrong")
        later = scene.later.get(row.id, 0)
        if later and isinstance(row.frees, Exact) and not row.frees.value:
            return Bit(f"{'→' + number(later, scene.scale.divisor):>{width}}", "good" if on else "muted")
        text = cell(row.frees, scene.scale)
        role = "warn" if isinstance(row.frees, Unavailable) else "good" if on else "muted"
        return Bit(f"{text:>{width}}", role)


def _mark(on: bool, run: StepRun | None) -> tuple[str, str]:
    if run is None:
        return ("[x]", "good") if on else ("[ ]", "muted")
    if run.state is State.RUNNING:
        return " ▶ ", "accent"
    return (" ✔ ", "good") if run.state is State.DONE else (" ○ ", "warn")


class Gauge(Drawn):
    def lines(self, scene: Scene, width: int, height: int) -> Iterable[tuple[Bit, ...]]:
        report, after = scene.report, scene.after
        space = space_of(report) if report is not None else None
        if space is None or after is None:
            yield (Bit(" How full the disk is could not be read.", "muted"),)
            return
        now = percent_of(space.used_bytes, space)
        bad = "bad" if any(now >= mark for mark in scene.marks) else "text"
        room = max(4, width - 16)
        yield _bar(" now  ", now, percent(now), bad, room)
        yield _bar(" after", after.percent, percent(after.percent), "good", room)
        yield fit(_sentence(scene, after.freed_bytes), width)


def _sentence(scene: Scene, ahead_bytes: int) -> list[Bit]:
    """What is promised, what is measured, what is waited for: three figures that are never mixed."""
    si = scene.scale.si
    run = scene.run
    if run is None:
        return [Bit(f" {bytes_(ahead_bytes, si=si)} ", "goodstrong"), Bit("to come free", "text")]
    bits: list[Bit] = []
    if not run.ended:
        bits += [Bit(f" {bytes_(ahead_bytes, si=si)} ", "goodstrong"), Bit("still promised ·", "text")]
    freed = _measured(scene)
    if freed is not None:
        bits.append(Bit(f" {bytes_(freed, si=si)} measured", "goodstrong"))
    if run.ended:
        bits.append(Bit(" · r looks again and makes a new plan", "muted", 2))
    elif run.waiting:
        bits.append(Bit(f" · {run.waiting}", "warn", 1, cut=True))
    return bits


def _measured(scene: Scene) -> int | None:
    if scene.run is None:
        return None
    known = [step.measured_bytes for step in scene.run.steps.values() if step.measured_bytes is not None]
    return sum(known) if known else None


def _bar(label: str, share: float, text: str, role: str, room: int) -> tuple[Bit, ...]:
    cells = min(room, max(1 if share > 0 else 0, round(room * share / 100)))
    return (
        Bit(f"{label} ", "muted"),
        Bit(SOLID * cells, role),
        Bit(SOLID * (room - cells), "track"),
        Bit(f" {text:>6}", "strong"),
    )
