"""A made-up incident to draw: a btrfs host that fills up over six days and is 98 % full at its end.

The numbers are invented and close by construction; they show nothing about any real host.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from collectors.model.ledger import Category
from collectors.model.plan import Severity
from collectors.model.report import Crossing, Growth, Report, RepositoryChurn, Sample, TrendView
from collectors.model.settings import DEFAULTS
from collectors.report.formatting import bytes_
from tests.tui.build import GIB, NOW, a_filesystem, a_ledger, a_report, a_row, exact, gib
from tests.tui.incident_parts import containers, findings, images, logs, orphans_of, plan_of, volumes
from tui.view_models import RunHistory
from tui.view_models.history import history_of, run_of_report

TOTAL = gib(931.5)
C = Category
# (GiB now, GiB per day, GiB that removing frees now)
_SHAPE: dict[Category, tuple[float, float, float]] = {
    C.ORPHANS: (312.0, 50.1, 312.0),
    C.IMAGES: (214.6, 5.6, 58.2),
    C.VOLUMES: (121.3, 1.8, 0.0),
    C.BUILD_CACHE: (74.9, 6.4, 66.0),
    C.LOGS: (61.7, 6.4, 57.9),
    C.SNAPSHOTS: (41.8, 1.7, 0.0),
    C.CONTAINERS: (38.4, 2.3, 6.1),
    C.OTHER_FILES: (21.2, 0.1, 0.0),
    C.METADATA: (14.9, 0.7, 0.0),
    C.DELETED_PENDING: (9.6, 0.1, 0.0),
    C.DOCKER_OTHER: (1.9, 0.0, 0.3),
    C.DELETED_OPEN: (0.6, 0.0, 0.0),
    C.UNATTRIBUTED: (0.6, 0.0, 0.0),
}


def at_hours(hours: float) -> datetime:
    """The moment `hours` before the end of the incident (negative: after it)."""
    return NOW - timedelta(hours=hours)


def charged_bytes(category: Category, hours: float) -> int:
    """What a category held `hours` before the end."""
    now, per_day, _ = _SHAPE[category]
    bump = 103.0 if category is C.BUILD_CACHE and hours > 115 else 0.0
    return gib(max(now * 0.1, now - per_day * hours / 24) + bump)


def used_bytes(hours: float) -> int:
    return sum(charged_bytes(category, hours) for category in Category)


def incident(hours: float = 0.0) -> Report:
    """The host as it stood `hours` before the end, with the plan and findings of that moment."""
    filesystem = a_filesystem(TOTAL, used_bytes(hours))
    rows = {}
    for category, (now, _, freed) in _SHAPE.items():
        held = charged_bytes(category, hours)
        rows[category] = a_row(category, exact(held), min(held, held * gib(freed) // max(gib(now), 1)))
    freed_now = {category: row.reclaimable.value for category, row in rows.items()}  # type: ignore[union-attr]
    orphans = orphans_of(charged_bytes(C.ORPHANS, hours), hours)
    items = {
        C.ORPHANS: orphans,
        C.IMAGES: images(),
        C.VOLUMES: volumes(),
        C.LOGS: logs(),
        C.CONTAINERS: containers(),
    }
    return a_report(
        a_ledger(filesystem, rows, items),
        severity=_severity(hours),
        findings=findings(freed_now, [item.owner_id for item in orphans]),
        plan=plan_of(freed_now, [item.owner_id for item in orphans]),
        trend=_trend(hours),
        at=at_hours(hours),
        verdict=_verdict(charged_bytes(C.ORPHANS, hours), charged_bytes(C.IMAGES, hours), si=False),
        verdict_otherwise=_verdict(charged_bytes(C.ORPHANS, hours), charged_bytes(C.IMAGES, hours), si=True),
    )


def _verdict(orphans: int, images: int, *, si: bool) -> str:
    """As long as one may be: two rows at 80 columns."""
    return (
        f"{bytes_(orphans, si=si)} in 41 orphaned layers, {bytes_(images, si=si)} in 63 images"
        f" · build cache and images give back {bytes_(gib(124.2), si=si)} (rebuild) → 86% · a person decides on them"
    )


def frames(step_hours: float = 4.0, days: float = 6.0) -> list[Report]:
    """The incident as a recording, oldest first."""
    count = int(days * 24 / step_hours)
    return [incident((count - number) * step_hours) for number in range(count + 1)]


def a_history(hours: float = 0.0) -> RunHistory:
    """What the journal knew `hours` before the end: a run every two hours for six days."""
    runs = [incident(back) for back in range(144, -1, -2) if back >= hours]
    return history_of([run_of_report(run) for run in runs], DEFAULTS.thresholds)


def _severity(hours: float) -> Severity:
    full = 100 * used_bytes(hours) / TOTAL
    return Severity.P0 if full >= 90 else Severity.P1 if full >= 80 else Severity.P2


def _trend(hours: float) -> TrendView:
    now = at_hours(hours)
    oldest = at_hours(144)
    growth = [
        Growth("used", gib(60.0), gib(52.0), gib(71.0), 400, 144 * 3600.0, used_bytes(hours) - used_bytes(hours + 24))
    ]
    growth += [
        Growth(
            category.value,
            gib(_SHAPE[category][1]),
            0,
            gib(_SHAPE[category][1] * 1.3),
            400,
            144 * 3600.0,
            charged_bytes(category, hours) - charged_bytes(category, hours + 24),
        )
        for category in Category
    ]
    samples = tuple(
        Sample(at_hours(back), round(100 * used_bytes(back) / TOTAL)) for back in range(144, int(hours) - 1, -1)
    )
    crossings = []
    for goal in (80, 90, 100):
        short = TOTAL * goal // 100 - used_bytes(hours)
        if short > 0:
            per_hour = gib(2.53)
            crossings.append(
                Crossing(
                    goal,
                    now + timedelta(hours=short / per_hour),
                    now + timedelta(hours=short / per_hour * 0.84),
                    now + timedelta(hours=short / per_hour * 1.2),
                )
            )
    churn = (
        RepositoryChurn(
            "registry.corp/ml/train", 31, at_hours(168), 29, exact(gib(89.9)), "RUN pip install -r requirements.txt"
        ),
        RepositoryChurn("registry.corp/ml/serve", 11, at_hours(168), 9, exact(gib(24.2)), "COPY model/ /model"),
        RepositoryChurn("registry.corp/etl/spark", 6, at_hours(168), 5, exact(gib(22.8)), ""),
        RepositoryChurn("registry.corp/api/gateway", 62, at_hours(168), 60, exact(gib(19.2)), "COPY . /app"),
        RepositoryChurn("evil/[red]PWNED[/]", 1, at_hours(168), 1, exact(GIB // 10), ""),
    )
    return TrendView(433, oldest, tuple(growth), tuple(crossings), churn, samples, "", 0)
