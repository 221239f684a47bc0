"""What stands above every view: the line of views, the verdict, and the bar of the whole disk."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from textual import events
from textual.message import Message

from collectors.model.finding import Severity
from collectors.report.words import bytes_, safe
from tui.drawing.spans import Bit, fit, shorten_middle, width_of
from tui.view_models.disk_bar import Segment, after_line, label_rows, scale_line, segments
from tui.view_models.findings import chip
from tui.view_models.frame import space_of
from tui.view_models.state import Mode, Scene
from tui.view_models.verdict import culprit, fullness, outlook, remark, troubles
from tui.widgets.lines import Drawn

VIEWS = (("overview", "Overview"), ("explore", "Explore"), ("history", "History"), ("plan", "Plan"), ("churn", "Churn"))


class Tabs(Drawn):
    """One line. Clicking a view's name switches to it."""

    class Picked(Message):
        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self) -> None:
        super().__init__(id="tabs", classes="mast")
        self._spans: list[tuple[int, int, str]] = []

    def lines(self, scene: Scene, width: int, height: int) -> Iterable[tuple[Bit, ...]]:
        right = _state(scene, width)
        room = width - width_of(right) - 1
        names, host = _names(scene, 99), ""
        for letters, shortest in ((99, 99), (4, 99), (0, 99), (0, 8)):
            names = _names(scene, letters)
            host = _host(scene, room - sum(len(name) + 2 for name in names) - 2, shortest)
            if host:
                break
        left: list[Bit] = [Bit(f" {host}  ", "host")] if host else [Bit(" ")]
        at, self._spans = width_of(left), []
        for (view, _), name in zip(VIEWS, names, strict=True):
            left.append(Bit(f" {name} ", "tabon" if scene.view == view else "tab"))
            self._spans.append((at, at + len(name) + 2, view))
            at += len(name) + 2
        blank = width - at - width_of(right)
        yield (*left, Bit(" " * max(0, blank)), *right)

    def on_click(self, event: events.Click) -> None:
        for begin, end, view in self._spans:
            if begin <= event.x < end:
                self.post_message(self.Picked(view))


def _names(scene: Scene, letters: int) -> list[str]:
    """The view that is open in full, the others in so many letters."""
    return [
        f"{number} {title if view == scene.view else title[:letters]}".rstrip()
        for number, (view, title) in enumerate(VIEWS, 1)
    ]


def _host(scene: Scene, room: int, shortest: int) -> str:
    """The host's name in `room` cells; "" where not even `shortest` of them are left."""
    name = safe(scene.report.host) if scene.report is not None else "ullage"
    if cell_len(name) <= room:
        return name
    return shorten_middle(name, room) if room >= shortest else ""


def _state(scene: Scene, width: int) -> tuple[Bit, ...]:
    """How far the scan is, live or replay, and the moment that is on screen."""
    bits: list[Bit] = []
    frame = scene.frame
    if scene.mode is Mode.REPLAY:
        number, count = scene.position
        if width >= 100 and count:
            bits.append(Bit(f"{number}/{count}  ", "muted"))
        bits.append(Bit(" « REPLAY ", "replay"))
    else:
        if width >= 100 and frame is not None:
            read = len(frame.report.coverage)
            bits.append(Bit(f"scan {read}/{read + len(frame.waiting)}  ", "muted"))
        busy = scene.scanning or (frame is None and not scene.failure)
        bits.append(Bit("◌ READING" if busy else "● LIVE", "warn" if busy else "live"))
        if scene.read_only and width >= 78:
            bits.append(Bit(" read-only", "muted"))
    if frame is not None:
        at = frame.report.taken_at
        form = " %d %b %H:%M:%SZ " if width >= 100 else " %H:%MZ "
        bits.append(Bit(at.strftime(form), "text"))
    return tuple(bits)


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


class DiskBar(Drawn):
    """Scale, bar, and what is left after the plan where there is a line for it. Height 2 to 5."""

    class Picked(Message):
        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__(id="diskbar", classes="mast")
        self._parts: tuple[Segment, ...] = ()

    def lines(self, scene: Scene, width: int, height: int) -> Iterable[tuple[Bit, ...]]:
        report = scene.report
        room = width - 2
        if report is None:
            return
        self._parts = segments(scene.rows, room)
        space = space_of(report)
        with_scale, with_after = height >= 3, height >= 4
        margin = (Bit(" "),)
        if with_scale:
            yield (*margin, *scale_line(scene, room))
        for line in label_rows(scene, self._parts, max(1, height - with_scale - with_after)):
            yield (*margin, *line)
        if with_after and space is not None and scene.after is not None and scene.after.freed_bytes > 0:
            yield (*margin, *after_line(scene.look, scene.after, space.total_bytes, room, si=scene.scale.si))

    def on_click(self, event: events.Click) -> None:
        for part in self._parts:
            if part.begin <= event.x - 1 < part.begin + part.cells:
                self.post_message(self.Picked(part.row.face.key))
