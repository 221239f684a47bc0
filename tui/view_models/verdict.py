"""The answer before any key is pressed (how full, until when, and who took it), and the findings behind it. Pure.

Says which findings may be claimed, about which category, in which order. Refuses a claim about bytes of a category that
was not read, whoever makes it, and to forecast where the journal has nothing to say.
"""

from __future__ import annotations

from datetime import datetime

from collectors import causes
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Severity
from collectors.model.reading import Exact, Unavailable, charged
from collectors.model.report import Crossing, LiveFigures, Report
from collectors.report.formatting import age, bytes_, count, safe, whole_percent
from tui.drawing import Span
from tui.view_models import Frame, space_of

_MARKS = {
    Severity.P0: ("✖", "CRITICAL"),
    Severity.P1: ("▲", "HIGH"),
    Severity.P2: ("◆", "MEDIUM"),
    Severity.P3: ("●", "LOW"),
    Severity.P4: ("○", "INFO"),
    Severity.OK: ("✔", "OK"),
}


_UNKNOWN = 3  # the exit status of a report that cannot tell


def chip(severity: Severity, *, word: bool) -> str:
    """` P0 ✖ CRITICAL `, or ` P0 ✖ ` without the word."""
    glyph, name = _MARKS[severity]
    if severity is Severity.OK:
        return f" {glyph} OK " if word else f" {glyph}  "
    return f" {severity.name} {glyph} {name} " if word else f" {severity.name} {glyph} "


def is_unknown(report: Report) -> bool:
    """Can it not tell how bad it is? Then no mark of it may soothe."""
    return report.exit_status == _UNKNOWN and report.severity < Severity.P2


def chip_of(report: Report, *, word: bool) -> Span:
    """The report's mark."""
    if is_unknown(report):
        return Span(" ? UNKNOWN " if word else " ?  ", f"sev:{int(Severity.P2)}")
    return Span(chip(report.severity, word=word), f"sev:{int(report.severity)}")


def sign_of(report: Report) -> Span:
    """The same in one sign."""
    if is_unknown(report):
        return Span("? ", f"ink:{int(Severity.P2)}")
    return Span(f"{glyph(report.severity)} ", f"ink:{int(report.severity)}")


def word(severity: Severity) -> str:
    return _MARKS[severity][1]


def glyph(severity: Severity) -> str:
    return _MARKS[severity][0]


def ordered(frame: Frame) -> tuple[Finding, ...]:
    """Worst first; among equals in the order of the diagnosis; what is resolved after them."""
    return (*sorted(claimable(frame.report), key=lambda finding: -finding.severity), *frame.resolved)


def category_of(report: Report, finding: Finding) -> str:
    """The category a finding is about: its own, that of the items it would remove, or that of its cause; "" if none.

    Findings of a journal or of an older recording do not carry one.
    """
    if finding.category is not None:
        return finding.category.value
    owners = set(finding.owners)
    if owners and report.ledger is not None:
        for category, items in report.ledger.items.items():
            if any(item.owner_id in owners for item in items):
                return category.value
    cause = causes.find(finding.rule)
    return cause.category.value if cause is not None and cause.category is not None else ""


def claimable(report: Report) -> tuple[Finding, ...]:
    """The findings without those that are sure of bytes in a category whose reading failed."""
    if report.ledger is None:
        return report.findings
    unread = {row.category.value for row in report.ledger.rows if isinstance(row.charged, Unavailable)}
    return tuple(
        finding
        for finding in report.findings
        if not (finding.certain and finding.bytes is not None and category_of(report, finding) in unread)
    )


JOURNAL = "journal"  # the source of every figure of a frame that was made from a journal


def fullness(report: Report, live: LiveFigures | None, *, si: bool) -> tuple[Span, ...]:
    """`98% full, 18.0 GiB left`, as it is now; the two numbers never give way."""
    space = live.space if live is not None else space_of(report)
    if space is None:
        reason = "the filesystem was not found"
        if report.ledger is not None and isinstance(report.ledger.filesystem.space, Unavailable):
            reason = report.ledger.filesystem.space.detail
        return (Span("? full", "strong"), Span(f"  {safe(reason)}", "muted", 2, shrinks=True))
    full = whole_percent(space.used_percent)
    left = f"{bytes_(space.available_bytes, si=si)} left"
    return (Span(full, "strong"), Span(" full", "strong", 2), Span(f", {left}", "strong"))


def next_crossing(report: Report) -> Crossing | None:
    """The crossing that matters: running full where that is forecast, else the nearest one ahead."""
    ahead = [crossing for crossing in report.trend.crossings if crossing.at > report.taken_at]
    full = [crossing for crossing in ahead if crossing.percent >= 100]
    return min(full or ahead, key=lambda crossing: crossing.at, default=None)


def clock(at: datetime, today: datetime) -> str:
    """`10:21Z`, with the day in front where it is another one."""
    return at.strftime("%H:%MZ") if at.date() == today.date() else at.strftime("%d %b %H:%MZ")


# A fill that fell by more than this since the forecast was made has made it void.
_VOID_PERCENT = 1


def forecast_spans(report: Report, live: LiveFigures | None, *, si: bool) -> tuple[Span, ...]:
    """`full in 7 h 08 min (10:21Z) at +2.5 GiB/h`, from the journal; empty where nothing is forecast.

    The forecast starts from the journal's last run: what has come free since is not in it.
    """
    crossing = next_crossing(report)
    used = next((growth for growth in report.trend.growth if growth.key == "used"), None)
    if crossing is None or used is None or _is_void(report, live):
        return ()
    goal = "full" if crossing.percent >= 100 else f"{crossing.percent}%"
    left = age((crossing.at - report.taken_at).total_seconds())
    return (
        Span(f" · {goal} in {left}", "text", 1),
        Span(f" ({clock(crossing.at, report.taken_at)})", "text", 3),
        Span(f" at {'+' if used.bytes_per_day >= 0 else ''}{bytes_(used.bytes_per_day // 24, si=si)}/h", "muted", 4),
    )


def _is_void(report: Report, live: LiveFigures | None) -> bool:
    space = live.space if live is not None else space_of(report)
    if space is None or not report.trend.used_percent:
        return False
    return space.used_percent + _VOID_PERCENT < report.trend.used_percent[-1].value


def explained_by_engine(report: Report) -> tuple[int, int] | None:
    """(bytes that the engine's own categories explain, used bytes); None where either was not measured."""
    space = space_of(report)
    if space is None or report.ledger is None or not isinstance(report.engine, Exact):
        return None
    seen = 0
    for category in (Category.IMAGES, Category.CONTAINERS, Category.VOLUMES, Category.BUILD_CACHE):
        row = report.ledger.row(category)
        if isinstance(row.charged, Unavailable):
            return None
        seen += charged(row.charged)
    return seen, space.used_bytes


def unread_words(frame: Frame, *, si: bool) -> str:
    """One sentence on what this report cannot tell, "" where everything was read."""
    report = frame.report
    unread = _unread(report)
    said = []
    if not frame.done:
        return ""  # what is still being read is not missing yet
    if isinstance(report.engine, Unavailable) and report.engine.origin.source != JOURNAL:
        known = ": sizes are known, owners are not, so nothing is called an orphan"
        said.append(f"No engine ({report.engine.why}){known if _was_walked(report) else ''}")
    if unread:
        hidden = charged(report.ledger.row(Category.UNATTRIBUTED).charged) if report.ledger is not None else 0
        reasons = sorted({row.why.value for row in unread})
        missing = count(len(unread), "category", "categories")
        said.append(f"{missing} not read ({', '.join(reasons)}): {bytes_(hidden, si=si)} cannot be attributed")
    return ". ".join(said)


def _was_walked(report: Report) -> bool:
    """Are files counted, whoever owns them?"""
    ledger = report.ledger
    return ledger is None or not isinstance(ledger.row(Category.OTHER_FILES).charged, Unavailable)


def ledger_note(report: Report) -> str:
    """What the whole ledger says of itself, "" for nothing."""
    return safe(report.ledger.note) if report.ledger is not None else ""


def _unread(report: Report) -> list[Unavailable]:
    """What was asked and not answered; what a journal does not keep was never asked."""
    rows = report.ledger.rows if report.ledger is not None else ()
    missing = [row.charged for row in rows if isinstance(row.charged, Unavailable)]
    return [one for one in missing if one.origin.source != JOURNAL]


def sentence(report: Report, *, si: bool) -> str:
    """The verdict of the preflight page; of a run that only the journal knows, the category that held most of it."""
    if report.verdict or report.ledger is None:
        return report.verdict_in(si=si)
    read = [row for row in report.ledger.rows if not isinstance(row.charged, Unavailable) and charged(row.charged) > 0]
    read = [row for row in read if row.category is not Category.UNATTRIBUTED] or read
    if not read:
        return ""
    most = max(read, key=lambda row: charged(row.charged))
    return f"{bytes_(charged(most.charged), si=si)} in {most.category.words}"
