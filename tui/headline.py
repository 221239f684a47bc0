"""The answer before any key is pressed: how full, until when, and who took it. Pure.

Refuses to name a culprit that was not measured, and to forecast where the journal has nothing to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.reading import Exact, Unavailable
from collectors.model.report import Crossing, Report
from collectors.model.sums import charged, floor
from collectors.report.words import age, bytes_, percent, safe
from tui.categories import face
from tui.fit import Bit
from tui.frame import Frame, percent_of, space_of

# Findings that say how bad it is, not who it is; the sentence of the preflight page leaves out the same.
_SYMPTOMS = frozenset({"disk-full", "disk-forecast", "disk-unknown", "inodes-exhausted", "ext-reserve", "unattributed"})


def fullness(report: Report) -> tuple[Bit, ...]:
    """`98.1% full, 18.0 GiB left`; the two numbers never give way."""
    space = space_of(report)
    if space is None:
        reason = "the filesystem was not found"
        if report.ledger is not None and isinstance(report.ledger.filesystem.space, Unavailable):
            reason = report.ledger.filesystem.space.detail
        return (Bit("? full", "strong"), Bit(f"  {safe(reason)}", "muted", 2, cut=True))
    full = percent(percent_of(space.used_bytes, space))
    left = f"{bytes_(space.available_bytes)} left"
    return (Bit(full, "strong"), Bit(" full", "strong", 2), Bit(f", {left}", "strong"))


def next_crossing(report: Report) -> Crossing | None:
    """The crossing that matters: running full where that is forecast, else the nearest one ahead."""
    ahead = [crossing for crossing in report.trend.crossings if crossing.at > report.taken_at]
    full = [crossing for crossing in ahead if crossing.percent >= 100]
    return min(full or ahead, key=lambda crossing: crossing.at, default=None)


def clock(at: datetime, today: datetime) -> str:
    """`10:21Z`, with the day in front where it is another one."""
    return at.strftime("%H:%MZ") if at.date() == today.date() else at.strftime("%d %b %H:%MZ")


def outlook(report: Report) -> tuple[Bit, ...]:
    """`full in 7 h 08 min (10:21Z) at +2.5 GiB/h`; empty where nothing is forecast."""
    crossing = next_crossing(report)
    used = next((growth for growth in report.trend.growth if growth.key == "used"), None)
    if crossing is None or used is None:
        return ()
    goal = "full" if crossing.percent >= 100 else f"{crossing.percent}%"
    left = age((crossing.at - report.taken_at).total_seconds())
    return (
        Bit(f" · {goal} in {left}", "text", 1),
        Bit(f" ({clock(crossing.at, report.taken_at)})", "text", 3),
        Bit(f" at {'+' if used.bytes_per_day >= 0 else ''}{bytes_(used.bytes_per_day // 24)}/h", "muted", 4),
    )


@dataclass(frozen=True, slots=True)
class Culprit:
    """What took the most that need not be there. `key` is the category to look at."""

    key: str
    amount: str
    claim: str
    certain: bool


def culprit(report: Report) -> Culprit | None:
    """The weightiest finding about bytes, else the largest category that was measured."""
    named = [finding for finding in report.findings if finding.certain and finding.rule not in _SYMPTOMS]
    weighty = [finding for finding in named if _bytes(finding) > 0]
    if weighty:
        worst = max(weighty, key=lambda finding: (_bytes(finding), finding.severity))
        return Culprit(category_of(report, worst), bytes_(_bytes(worst)), safe(worst.claim), True)
    if report.ledger is None:
        return None
    read = [row for row in report.ledger.rows if not isinstance(row.charged, Unavailable) and charged(row.charged) > 0]
    read = [row for row in read if row.category is not Category.UNATTRIBUTED] or read
    if not read:
        return None
    largest = max(read, key=lambda row: charged(row.charged))
    title = face(largest.category).title
    return Culprit(
        largest.category.value, bytes_(charged(largest.charged)), f"{title.lower()}, the largest part", False
    )


def category_of(report: Report, finding: Finding) -> str:
    """The category a finding is about: that of the items it would remove, or that its rule names; "" if none."""
    owners = set(finding.owners)
    if owners and report.ledger is not None:
        for category, items in report.ledger.items.items():
            if any(item.owner_id in owners for item in items):
                return category.value
    rule = finding.rule.replace("-", "_")
    for category in Category:
        if category.value.rstrip("s") in rule:
            return category.value
    return ""


def docker_blindness(report: Report) -> tuple[int, int] | None:
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


def troubles(frame: Frame) -> str:
    """One sentence on what this report cannot tell, "" where everything was read."""
    report = frame.report
    if frame.failure:
        return f"The scan broke off: {safe(frame.failure)}"
    unread = _unread(report)
    said = []
    if isinstance(report.engine, Unavailable):
        said.append(f"No engine ({report.engine.why}): sizes hold, owners do not, so nothing is called an orphan")
    if unread:
        hidden = charged(report.ledger.row(Category.UNATTRIBUTED).charged) if report.ledger is not None else 0
        reasons = sorted({row.why.value for row in unread})
        said.append(f"{len(unread)} categories not read ({', '.join(reasons)}): {bytes_(hidden)} cannot be named")
    if report.ledger is not None and report.ledger.note:
        said.append(safe(report.ledger.note))
    return ". ".join(said)


def _unread(report: Report) -> list[Unavailable]:
    if report.ledger is None:
        return []
    return [row.charged for row in report.ledger.rows if isinstance(row.charged, Unavailable)]


def _bytes(finding: Finding) -> int:
    return 0 if finding.bytes is None else floor(finding.bytes)
