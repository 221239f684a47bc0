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
        promised = bytes_(after.freed_bytes, si=scene.scale.si)
        sentence = [
            Bit(f" {promised} ", "goodstrong"),
            Bit("to come free" if scene.run is None else "still promised", "text"),
        ]
        freed = _measured(scene)
        if freed is not None:
            sentence += [Bit(" · ", "muted"), Bit(f"{bytes_(freed, si=scene.scale.si)} measured so far", "goodstrong")]
        if scene.run is not None and scene.run.waiting:
            sentence.append(Bit(f" · {scene.run.waiting}", "warn", 1, cut=True))
        yield fit(sentence, width)


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
