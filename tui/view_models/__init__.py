"""What a report becomes on screen, in values and lines: pure, no terminal toolkit.

A `Frame` is what a screen is drawn from: one report, the history up to it, how far the scan is, and what moves between
scans (how full it is now, how fast that changes, who writes, how old the figures are). Frozen, so that every panel of a
screen shows the same instant: the next scan, the next frame of a replay and the next freed byte each make a new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from collectors.model.filesystem import FsSpace
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Plan, Severity
from collectors.model.reading import Exact, Size, Unavailable
from collectors.model.report import LiveFigures, Report, Sample, Writer
from collectors.report.formatting import age, bytes_, safe
from tui.drawing import Line, Span


class HistoryEventKind(StrEnum):
    """What sort of event a journal tells."""

    CROSSED = "crossed"
    FOUND = "found"
    RESOLVED = "resolved"
    FREED = "freed"
    ACTION = "action"
    DEPLOYED = "deployed"


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One thing that happened. `text` is not yet escaped where it quotes names; `words` tell `bytes` too."""

    at: datetime
    kind: HistoryEventKind
    text: str
    used_percent: int | None
    severity: Severity
    bytes: int | None = None  # freed, found, or measured of an action; None: the text says all

    def words(self, *, si: bool) -> str:
        """All of it, as `1.2 GiB freed: Build cache`."""
        if self.bytes is None:
            return self.text
        amount = bytes_(self.bytes, si=si)
        if self.kind is HistoryEventKind.FREED:
            return f"{amount} {self.text}"
        return f"{self.text}, {amount}" if self.kind is HistoryEventKind.FOUND else f"{self.text}: {amount} measured"


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How high the curve of used space is drawn at one moment, in percent of what users may use (0 to 100)."""

    at: datetime
    percent: float


@dataclass(frozen=True, slots=True)
class RunHistory:
    """The history up to a frame, oldest first. `series` holds charged bytes by category identifier."""

    used: tuple[CurvePoint, ...]
    series: Mapping[str, tuple[Sample, ...]]
    events: tuple[HistoryEvent, ...]


NO_HISTORY = RunHistory((), {}, ())


@dataclass(frozen=True, slots=True)
class LastGood:
    """The last value of a category that could be read, for a row whose reading failed this time."""

    size: Size
    at: datetime


def last_good(before: Mapping[Category, LastGood], report: Report) -> dict[Category, LastGood]:
    """The newest value of each category that could be read."""
    known = dict(before)
    for row in report.ledger.rows if report.ledger is not None else ():
        if not isinstance(row.charged, Unavailable):
            known[row.category] = LastGood(row.charged, report.taken_at)
    return known


@dataclass(frozen=True, slots=True)
class Frame:
    """`waiting` names the sources that have not answered yet.

    `history` and the first of `identities` are of the filesystem in front, the others in the order of the ledgers.
    """

    report: Report
    history: RunHistory
    done: bool = True
    waiting: tuple[str, ...] = ()
    last_good: Mapping[Category, LastGood] = field(default_factory=dict)
    resolved: tuple[Finding, ...] = ()  # found earlier in this session and gone now, as P4
    other_histories: tuple[RunHistory, ...] = ()
    identities: tuple[str | None, ...] = ()  # what tells a filesystem from others for good; None: not known


def space_of(report: Report) -> FsSpace | None:
    """The figures of statvfs of the Docker root's filesystem; None where not even they were read."""
    if report.ledger is None:
        return None
    space = report.ledger.filesystem.space
    return space.value if isinstance(space, Exact) else None


def filesystems(report: Report) -> tuple[str, ...]:
    """Where each filesystem with data of the engine is mounted, the Docker root's first; () where none was found."""
    return tuple(one.filesystem.mount.mountpoint for one in report.ledgers)


def seen_at(frame: Frame, mount: str | None) -> Frame:
    """The frame with the books, the plan and the course of the filesystem that is mounted there in front.

    None: of the one which leads the verdict. What is not known of it is left out and never another's.
    """
    report = frame.report
    if not report.other_ledgers:
        return frame
    wanted = (report.plan.mount or None) if mount is None else mount
    at = next((at for at, its in enumerate(report.other_ledgers) if its.filesystem.mount.mountpoint == wanted), None)
    if at is None:
        root = report.plan_at("")
        return frame if root is None or root is report.plan else replace(frame, report=report.aimed_at(root))
    ledger = report.other_ledgers[at]
    rest = tuple(one for one in report.ledgers if one is not ledger)
    known = report.other_trends[at] if at < len(report.other_trends) else None
    seen = replace(
        report,
        ledger=ledger,
        other_ledgers=rest,
        filesystem_facts=None,
        trend=known or replace(report.trend, growth=(), crossings=(), used_percent=(), reason="it was not recorded"),
        plan=report.plan_at(ledger.filesystem.mount.mountpoint) or _NO_PLAN,
    )
    history = frame.other_histories[at] if at < len(frame.other_histories) else NO_HISTORY
    its = frame.identities[at + 1 : at + 2]
    return replace(frame, report=seen, history=history, last_good={}, identities=(*its, *frame.identities))


_NO_PLAN = Plan((), (), ("this recording has no plan for this filesystem",))


def height_of(held_bytes: int, usable_bytes: int) -> float:
    """How long a bar or how high a curve is drawn, 0 to 100, not rounded.

    For drawing alone: what is written and what is judged is the used %.
    """
    return min(100.0, max(0.0, 100.0 * held_bytes / usable_bytes)) if usable_bytes > 0 else 0.0


_STILL = 64 << 10  # a slower disk is called quiet
_OLD_S = 10.0
_LONGEST_S = 30 * 86400.0
_SOON_S = 4 * 3600.0
_KINDS = {"container": "container", "log": "log of", "process": "process", "directory": "directory"}


def is_filling(live: LiveFigures | None) -> bool:
    """Does the fill grow right now, or does somebody write and the filesystem has not said so yet?"""
    if live is None or live.bytes_per_s is None or live.bytes_per_s < 0:
        return False
    return live.bytes_per_s >= _STILL or any(one.bytes_per_s >= _STILL for one in live.writers)


def fills_soon(live: LiveFigures | None) -> bool:
    """Is the disk full within hours at this second's pace? Then nothing on screen may soothe."""
    left_s = live.full_in_s if live is not None else None
    return left_s is not None and left_s < _SOON_S and is_filling(live)


def pace_spans(live: LiveFigures | None, *, si: bool) -> tuple[Span, ...]:
    """` · full in 34 s at +20.0 MiB/s`; how fast it empties; empty where it is quiet."""
    if live is None or live.bytes_per_s is None or abs(live.bytes_per_s) < _STILL:
        return ()
    sign = "+" if live.bytes_per_s > 0 else ""
    pace = f"{sign}{bytes_(live.bytes_per_s, si=si)}/s"
    left_s = live.full_in_s
    if left_s is None or left_s > _LONGEST_S:
        return (Span(f" · {pace}", "good" if live.bytes_per_s < 0 else "text", 2),)
    return (Span(f" · full in {age(left_s)}", "bad", 1), Span(f" at {pace}", "rise", 2))


def writer_words(writer: Writer, *, si: bool) -> str:
    """`web-1 writes 20.0 MiB/s`, `rsync (pid 123) writes 20.0 MiB/s to /srv/backup`; escaped."""
    to = f" to {safe(writer.where, 80)}" if writer.where else ""
    return f"{writer_name(writer)} writes {bytes_(writer.bytes_per_s, si=si)}/s{to}"


def writer_name(writer: Writer) -> str:
    """`web-1`, `the log of web-1`, `rsync (pid 123)`; escaped."""
    name = safe(writer.name, 60)
    if writer.kind == "process":
        return f"{name} (pid {writer.pid})"
    return f"the log of {name}" if writer.kind == "log" else name


def writer_lines(live: LiveFigures | None, *, si: bool, most: int) -> Iterator[Line]:
    """Who writes now and to which directories, each fastest first, with a bar of each one's share of the fastest."""
    if live is None:
        yield (Span(" not looked at: only a live dashboard sees who writes", "muted", 1, shrinks=True),)
        return
    if not live.writers:
        yield (Span(" Nobody writes to this disk right now.", "muted", 1, shrinks=True),)
    fastest = max((one.bytes_per_s for one in live.writers), default=0)
    folders = [one for one in live.writers if one.kind == "directory"][: max(1, most // 3)]
    others = [one for one in live.writers if one.kind != "directory"][: most - len(folders)]
    for one in (*others, *folders):
        cells = max(1, round(20 * one.bytes_per_s / fastest)) if fastest else 0
        yield (
            Span(f" {bytes_(one.bytes_per_s, si=si):>10}/s  ", "strong"),
            Span("▆" * cells + " " * (21 - cells), "rise", 3),
            Span(f"{_KINDS[one.kind]:<10}", "muted", 2),
            Span(safe(one.name, 120) + (f" (pid {one.pid})" if one.pid is not None else ""), "text", 1, shrinks=True),
        )


def age_words(frame: Frame, live: LiveFigures | None) -> str:
    """How long ago the categories were measured; "" while they are as new as the screen."""
    if live is None:
        return ""
    old_s = (live.at - frame.report.taken_at).total_seconds()
    if old_s < _OLD_S:
        return ""
    steps = 10 if old_s < 60 else 60
    return f"scanned {age(old_s // steps * steps)} ago"
