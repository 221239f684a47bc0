"""Two lines that answer before any key is pressed: how full and until when; who took it and what helps."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.model.finding import Severity
from collectors.report.words import bytes_, safe
from tui.claims import culprit
from tui.fit import Bit, fit
from tui.frame import space_of
from tui.headline import fullness, outlook, remark, troubles
from tui.scene import Scene
from tui.severity import chip
from tui.widgets.drawn import Drawn


class Verdict(Drawn):
    def lines(self, scene: Scene, width: int, height: int) -> Iterable[tuple[Bit, ...]]:
        room = width - 1
        frame = scene.frame
        if frame is None:
            broke = Bit(f" ? {_broke(scene)}", "warn", 1, cut=True)
            yield fit((broke,), room) if scene.failure else (Bit(" Reading the filesystem …", "muted"),)
            return
        report = frame.report
        gap = (Bit(" "),)
        pending = scene.scanning and not frame.done
        unknown = pending and space_of(report) is None  # not read yet is not unreadable
        if pending and (unknown or report.severity is Severity.OK):
            mark: tuple[Bit, ...] = (Bit(" ◌ reading ", "muted"),)
        else:
            mark = (Bit(chip(report.severity, word=True), f"sev:{int(report.severity)}"),)
        how_full = (Bit("how full the disk is …", "muted", 1, cut=True),) if unknown else fullness(report)
        yield fit((*gap, *mark, Bit("  "), *how_full, *outlook(report)), room)
        yield fit((*gap, *self._who(scene)), room)

    def _who(self, scene: Scene) -> Iterable[Bit]:
        """The culprit, what the plan returns, and what could not be read."""
        frame = scene.frame
        if frame is None:
            return
        who, trouble = culprit(frame.report), _broke(scene) or troubles(frame)
        loud = frame.report.severity >= Severity.P2
        if who is not None:
            yield Bit("Where did it go? ", "muted", 3)
            yield Bit(f"{who.amount} in ", "bad" if loud and who.certain else "strong")
            yield Bit(f"{who.claim}", "bad" if loud and who.certain else "strong", 1, cut=True, least=8)
        if not frame.done:
            names = ", ".join(frame.waiting)
            yield Bit("  ◌ still reading", "muted", 2)
            yield Bit(f": {safe(names)}" if names else " …", "muted", 3, cut=True)
        elif trouble:
            yield Bit("  ? ", "warn", 2)
            yield Bit(trouble, "warn", 2, cut=True, least=24)
        elif promised := _promise(scene):
            yield Bit(f"   p → {promised}", "good", 4)
        if said := remark(frame.report):
            yield Bit("   ", "muted", 5)
            yield Bit(said, "muted", 5, cut=True, least=20)


def _promise(scene: Scene) -> str:
    """What the chosen steps of the plan free, and what all of them would; "" where that is nothing."""
    after, si = scene.after, scene.scale.si
    if after is None:
        return ""
    chosen = f"plan frees {bytes_(after.freed_bytes, si=si)}" if after.freed_bytes else ""
    if scene.run is not None or scene.whole_plan_bytes <= after.freed_bytes:
        return chosen
    most = f"could free {bytes_(scene.whole_plan_bytes, si=si)}"
    return f"{chosen}, {most}" if chosen else f"plan {most}"


def _broke(scene: Scene) -> str:
    return f"The scan broke off: {safe(scene.failure)}" if scene.failure else ""
