"""What stands above every view: the line of views, the verdict, and the bar of the whole disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from textual import events
from textual.message import Message

from collectors.model.plan import CALM, Severity
from collectors.model.report import Report
from collectors.report.formatting import bytes_, safe
from tui import BEFORE_A_REPORT, READING, VIEWS
from tui.drawing import Line, Span, fit, shorten, shorten_middle, width_of, wrapped
from tui.view_models import Frame, age_words, fills_soon, is_filling, pace_spans, space_of, writer_words
from tui.view_models.disk_bar import Segment, after_line, label_rows, scale_line, segments
from tui.view_models.state import DashboardState, Mode
from tui.view_models.verdict import (
    chip,
    chip_of,
    forecast_spans,
    fullness,
    is_unknown,
    ledger_note,
    sentence,
    unread_words,
)
from tui.widgets import LineWidget

VERDICT_ROWS = 2  # below the line of how full it is: at 80 columns the whole verdict


# What gives way for the host's name: the day at the right, the end of the name, then of those of the other views.
# (letters of a view's name, the least of the host's, the width that the right is drawn for)
_GIVE_WAY = (
    (99, 99, 999), (99, 8, 999), (99, 99, 99), (99, 8, 99), (4, 99, 999), (3, 99, 999), (3, 8, 999), (0, 99, 999),
    (0, 8, 999),
)  # fmt: skip


class Tabs(LineWidget):
    """One line. Clicking a view's name switches to it."""

    class Picked(Message):
        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self) -> None:
        super().__init__(id="tabs", classes="surround second")
        self._spans: list[tuple[int, int, str]] = []

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        names, host, right = _names(state, 99), "", _state(state, width)
        for letters, shortest, of_width in _GIVE_WAY:
            names, right = _names(state, letters), _state(state, min(width, of_width))
            room = width - width_of(right) - 1 - sum(len(name) + 2 for name in names) - 2
            host = _host(state, room, shortest)
            if host:
                break
        left: list[Span] = [Span(f" {host}  ", "host")] if host else [Span(" ")]
        at, self._spans = width_of(left), []
        for (view, _), name in zip(VIEWS, names, strict=True):
            left.append(Span(f" {name} ", "tabon" if state.view == view else "tab"))
            self._spans.append((at, at + len(name) + 2, view))
            at += len(name) + 2
        blank = width - at - width_of(right)
        yield (*left, Span(" " * max(0, blank)), *right)

    def on_click(self, event: events.Click) -> None:
        for begin, end, view in self._spans:
            if begin <= event.x < end:
                self.post_message(self.Picked(view))


def _names(state: DashboardState, letters: int) -> list[str]:
    """The view that is open in full, the others in so many letters."""
    return [
        f"{number} {title if view == state.view else title[:letters]}".rstrip()
        for number, (view, title) in enumerate(VIEWS, 1)
    ]


def _host(state: DashboardState, available: int, shortest: int) -> str:
    """The host's name in `available` cells; "" where not even `shortest` of them are left."""
    name = safe(state.report.host) if state.report is not None else "ullage"
    if cell_len(name) <= available:
        return name
    return shorten_middle(name, available) if available >= shortest else ""


def _state(state: DashboardState, width: int) -> tuple[Span, ...]:
    """How far the scan is, live or replay, and the moment that is on screen."""
    spans = _of_replay(state, width) if state.mode is Mode.REPLAY else _of_live(state, width)
    if state.frame is None:
        return spans
    is_now = state.live is not None and state.mode is Mode.LIVE
    at = state.live.at if state.live is not None and is_now else state.frame.report.taken_at
    return (*spans, Span(at.strftime(" %d %b %H:%M:%SZ " if width >= 100 else " %H:%MZ "), "text"))


def _of_replay(state: DashboardState, width: int) -> tuple[Span, ...]:
    number, count = state.position
    where = (Span(f"{number}/{count} " + " " * (width >= 100), "muted"),) if count else ()
    return (*where, Span(" ▶ PLAYING " if state.playing else " « REPLAY ", "replay"))


def _of_live(state: DashboardState, width: int) -> tuple[Span, ...]:
    frame = state.frame
    spans: list[Span] = []
    if width >= 100 and frame is not None:
        spans.append(Span(f"{age_words(frame, state.live) or _scan_words(frame)}  ", "muted"))
    busy = state.scanning or (frame is None and not state.failure)
    stale = "◌ NO ANSWER" if state.live_stopped else ""
    spans.append(Span(stale or (READING if busy else "● LIVE"), "warn" if busy or stale else "live"))
    if state.read_only and width >= 78:
        spans.append(Span(" read-only", "muted"))
    return tuple(spans)


def _scan_words(frame: Frame) -> str:
    read = len(frame.report.coverage)
    return f"scan {read}/{read + len(frame.waiting)}"


class Verdict(LineWidget):
    """A click opens the plan, which the last of its words name."""

    async def on_click(self) -> None:
        await self.app.run_action("view('plan')")

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        available = width - 1
        frame = state.frame
        if frame is None:
            broke = Span(f" ? {_failure_words(state)}", "warn", 1, shrinks=True)
            yield fit((broke,), available) if state.failure else (Span(BEFORE_A_REPORT, "muted"),)
            return
        report, si = frame.report, state.scale.si
        gap = (Span(" "),)
        pending = state.scanning and not frame.done
        unknown = pending and space_of(report) is None  # not read yet is not unreadable
        if pending and (unknown or report.severity is Severity.OK):
            mark: tuple[Span, ...] = (Span(" ◌ reading ", "muted"),)
        else:
            mark = (_mark(state, report),)
        how_full = (
            (Span("how full the disk is …", "muted", 1, shrinks=True),)
            if unknown
            else fullness(report, state.live_here, si=si)
        )
        until = pace_spans(state.live_here, si=si) or forecast_spans(report, state.live_here, si=si)
        yield fit((*gap, *mark, Span("  "), *_mount(state), *how_full, *until, *_writer(state)), available)
        loud = report.severity >= Severity.P2
        # Of a part a verdict would be premature.
        said = _about_which(state, report, sentence(report, si=si)) if frame.done else ""
        if fills_soon(state.live_here):
            said = " · ".join(part for part in said.split(" · ") if part.casefold() != CALM)
        rows = list(_sentence_rows(said, width - 2, "bad" if loud else "strong")) if said else []
        beside = tuple(self._beside(state))
        if len(rows) < VERDICT_ROWS:
            rows += [beside] if beside else []
        elif beside:
            rows[-1] = (*rows[-1], Span("  ", drop_rank=2), *beside)
        for row in rows:
            yield fit((*gap, *row), available)

    def _beside(self, state: DashboardState) -> Iterable[Span]:
        """What is still being read or could not be, else what the plan returns, where there is room for it."""
        frame = state.frame
        if frame is None:
            return
        trouble = _failure_words(state) or unread_words(frame, si=state.scale.si)
        if not frame.done:
            names = ", ".join(frame.waiting)
            yield Span("◌ still reading", "muted", 2)
            yield Span(f": {safe(names)}" if names else " …", "muted", 3, shrinks=True)
        elif trouble:
            yield Span("? ", "warn", 2)
            yield Span(trouble, "warn", 2, shrinks=True, least=24)
        elif promised := _promise(state):
            yield Span(f"p → {promised}", "good", 4)
        if said := ledger_note(frame.report):
            yield Span("   ", "muted", 5)
            yield Span(said, "muted", 5, shrinks=True, least=20)


def _mount(state: DashboardState) -> Iterable[Span]:
    """Which of several filesystems it is that is so full."""
    if len(state.mounts) > 1:
        yield Span(f"{shorten_middle(safe(state.mounted_at), 28)} ", "text", 5)


def _leading(state: DashboardState) -> str:
    """The mount of the filesystem which leads the verdict, where another one is on screen; else ""."""
    whole, mounts = state.whole, state.mounts
    leads = (whole.report.plan.mount or mounts[0]) if whole is not None and len(mounts) > 1 else ""
    return leads if leads != state.mounted_at else ""


def _mark(state: DashboardState, report: Report) -> Span:
    """How bad it is: of the filesystem on screen where another one leads."""
    if not _leading(state) or is_unknown(report):
        return chip_of(report, word=True)
    mine = (one.severity for one in report.findings if (one.mount or state.mounts[0]) == state.mounted_at)
    severity = max(mine, default=Severity.OK)
    return Span(chip(severity, word=True), f"sev:{int(severity)}")


def _about_which(state: DashboardState, report: Report, said: str) -> str:
    """Where another filesystem is on screen than the one which leads: which that is, and how bad."""
    leads = _leading(state)
    if not leads or not said:
        return said
    named = "" if said.startswith(safe(leads, 40)) else f"{safe(leads, 40)}: "
    return f"{chip_of(report, word=False).text.strip()} {named}{said}"


def _writer(state: DashboardState) -> Iterable[Span]:
    """Who writes most while the disk fills."""
    live = state.live_here
    if live is not None and live.writers and is_filling(live):
        yield Span(" · ", "muted", 1)
        yield Span(writer_words(live.writers[0], si=state.scale.si), "rise", 1, shrinks=True, least=24)


def _sentence_rows(text: str, width: int, role: str) -> Iterator[Line]:
    """The verdict on as many rows as there are for it, what holds it louder than what to do about it."""
    pieces = wrapped((Span(text, role, 1, shrinks=True),), width)
    if len(pieces) > VERDICT_ROWS:
        rest = " ".join(span.text for row in pieces[VERDICT_ROWS - 1 :] for span in row if span.text)
        pieces = [*pieces[: VERDICT_ROWS - 1], (Span(shorten(rest, width), role),)]
    seen = False
    for row in pieces:
        told = "".join(span.text for span in row)
        first, dot, rest = ("", "", told) if seen else told.partition(" · ")
        seen = seen or bool(dot)
        yield tuple(span for span in (Span(first, role), Span(f"{dot}{rest}", "text")) if span.text)


def _promise(state: DashboardState) -> str:
    """What the chosen steps of the plan free, and what all of them would; "" where that is nothing."""
    after, si = state.after_plan, state.scale.si
    if after is None:
        return ""
    chosen = f"plan frees {bytes_(after.freed_bytes, si=si)}" if after.freed_bytes else ""
    if state.plan_run is not None or state.whole_plan_bytes <= after.freed_bytes:
        return chosen
    most = f"could free {bytes_(state.whole_plan_bytes, si=si)}"
    return f"{chosen}, {most}" if chosen else f"plan {most}"


def _failure_words(state: DashboardState) -> str:
    return f"The scan stopped: {safe(state.failure)}" if state.failure else ""


class DiskBar(LineWidget):
    """Scale, bar, and what is left after the plan where there is a line for it. Height 2 to 5."""

    class Picked(Message):
        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__(id="diskbar", classes="surround")
        self._parts: tuple[Segment, ...] = ()

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        report = state.report
        available = width - 2
        if report is None:
            return
        self._parts = segments(state.rows, available)
        space = space_of(report)
        with_scale, with_after = height >= 3, height >= 4
        margin = (Span(" "),)
        if with_scale:
            yield (*margin, *scale_line(state, available))
        for line in label_rows(state, self._parts, max(1, height - with_scale - with_after)):
            yield (*margin, *line)
        if with_after and space is not None and state.after_plan is not None and state.after_plan.freed_bytes > 0:
            yield (
                *margin,
                *after_line(state.appearance, state.after_plan, space.total_bytes, available, si=state.scale.si),
            )

    def on_click(self, event: events.Click) -> None:
        for part in self._parts:
            if part.begin <= event.x - 1 < part.begin + part.cells:
                self.post_message(self.Picked(part.row.label.key))
