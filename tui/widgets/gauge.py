"""Now and after: two bars of the disk and the sentence between them. The after bar falls as steps finish."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.report.words import bytes_, percent
from tui.bars import SOLID
from tui.fit import Bit, fit
from tui.frame import percent_of, space_of
from tui.scene import Scene
from tui.widgets.drawn import Drawn


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
