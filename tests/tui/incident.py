"""A made-up incident to draw: a btrfs host that fills up over six days and is 98 % full at its end.

The numbers are invented and close by construction; they show nothing about any real host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from collectors.model.finding import Finding, Severity
from collectors.model.ids import OwnerId
from collectors.model.ledger import Category, Item
from collectors.model.plan import Plan, Risk, Step, Unlock
from collectors.model.report import Crossing, Growth, Report, RepositoryChurn, Sample, TrendView
from tests.tui.build import (
    GIB,
    NOW,
    a_filesystem,
    a_finding,
    a_ledger,
    a_report,
    a_row,
    an_item,
    exact,
    gib,
)
from tui.frame import Past
from tui.moments import of_report
from tui.past import past_of

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
_CHECKED = ("layer database", "containers' layers", "BuildKit records", "containerd snapshots", "live mounts")
_IMAGES = (
    ("registry.corp/ml/train:2025-11-22", 18.4, 2.9, "dangling"),
    ("registry.corp/ml/train:latest", 18.4, 2.9, "in use"),
    ("registry.corp/ml/serve:4.2", 11.2, 2.2, "in use"),
    ("registry.corp/etl/spark:3.5", 9.6, 3.8, "unused"),
    ("registry.corp/api/gateway:prod", 3.1, 0.3, "in use"),
    ("registry.corp/web/front:prod", 2.8, 0.4, "in use"),
    ("nvidia/cuda:12.4-runtime", 2.1, 0.0, "in use"),
    ("postgres:16", 0.4, 0.4, "in use"),
)


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
    orphans = _orphans(charged_bytes(C.ORPHANS, hours), hours)
    items = {
        C.ORPHANS: orphans,
        C.IMAGES: _images(),
        C.VOLUMES: _volumes(),
        C.LOGS: _logs(),
        C.CONTAINERS: _containers(),
    }
    return a_report(
        a_ledger(filesystem, rows, items),
        severity=_severity(hours),
        findings=_findings(freed_now, [item.owner_id for item in orphans]),
        plan=_plan(freed_now, [item.owner_id for item in orphans]),
        trend=_trend(hours),
        at=at_hours(hours),
    )


def frames(step_hours: float = 4.0, days: float = 6.0) -> list[Report]:
    """The incident as a recording, oldest first."""
    count = int(days * 24 / step_hours)
    return [incident((count - number) * step_hours) for number in range(count + 1)]


def a_past(hours: float = 0.0) -> Past:
    """What the journal knew `hours` before the end: a run every two hours for six days."""
    runs = [incident(back) for back in range(144, -1, -2) if back >= hours]
    return past_of([of_report(run) for run in runs], (80, 90))


def _orphans(whole: int, hours: float) -> list[Item]:
    count = max(1, round(41 * whole / gib(312.0)))
    weights = [1.0 / (rank + 2.2) for rank in range(count)]
    sizes = [int(whole * weight / sum(weights)) // 4096 * 4096 for weight in weights]
    sizes[0] += whole - sum(sizes)
    return [
        an_item(
            C.ORPHANS,
            hashlib.sha256(str(rank).encode()).hexdigest(),
            size + size // 9,
            size,
            state="orphan",
            days_old=5.8 - rank / 11 - hours / 24 + 0.2,
            proof=_CHECKED,
            note="left behind when the engine was killed during a pull",
        )
        for rank, size in enumerate(sizes)
    ]


def _images() -> list[Item]:
    return [
        an_item(
            C.IMAGES,
            name,
            gib(whole),
            gib(own),
            state=state,
            days_old=rank + 0.4,
            owner="3 containers" if state == "in use" else "",
            reclaimable=gib(own) if state != "in use" else 0,
        )
        for rank, (name, whole, own, state) in enumerate(_IMAGES)
    ]


def _volumes() -> list[Item]:
    names = (("pg-data", 84.0, "postgres-1"), ("minio-data", 20.0, "minio-1"), (f"{0xA5:064x}", 17.3, ""))
    return [
        an_item(C.VOLUMES, name, gib(size), state="in use" if owner else "unused", owner=owner, reclaimable=0)
        for name, size, owner in names
    ]


def _logs() -> list[Item]:
    names = (("api-gateway-1", 31.4), ("spark-worker-3", 20.2), ("ml-serve-1", 8.0), ("front-2", 2.1))
    return [an_item(C.LOGS, name, gib(size), state="no max-size", owner=name) for name, size in names]


def _containers() -> list[Item]:
    names = (("spark-worker-3", 22.0, "running"), ("api-gateway-1", 10.3, "running"), ("debug-jo", 6.1, "exited"))
    return [an_item(C.CONTAINERS, name, gib(size), state=state, owner=f"{name}:image") for name, size, state in names]


def _severity(hours: float) -> Severity:
    full = 100 * used_bytes(hours) / TOTAL
    return Severity.P0 if full >= 90 else Severity.P1 if full >= 80 else Severity.P2


def _findings(freed: dict[Category, int], orphans: Sequence[OwnerId]) -> list[Finding]:
    return [
        a_finding(
            "orphan-layers",
            Severity.P0,
            f"{len(orphans)} btrfs subvolumes Docker no longer knows",
            freed[C.ORPHANS],
            evidence=(("since", "17 Nov, engine killed (OOM)"), ("proof", "5 owner sources read, two listings")),
            remedy="delete them: step 1 of the plan",
            owners=tuple(orphans),
        ),
        a_finding(
            "build-cache-unused",
            Severity.P1,
            "unused build cache older than 48 h",
            freed[C.BUILD_CACHE],
            evidence=(("policy", "no builder GC in daemon.json"),),
            remedy="prune what is older than 48 h",
        ),
        a_finding(
            "metadata-full",
            Severity.P1,
            "btrfs metadata is 97.9% used: writes can fail before the disk is full",
            evidence=(("unallocated", "1.0 MiB"),),
            remedy="free data first, then balance by chunk fill",
        ),
        a_finding(
            "logs-unbounded",
            Severity.P2,
            "4 container logs without max-size",
            freed[C.LOGS],
            evidence=(("growth", "+6.4 GiB a day"),),
            remedy="set max-size and max-file, recreate the containers",
        ),
        a_finding(
            "snapshots-pin",
            Severity.P2,
            "12 snapshots hold deleted Docker data",
            gib(41.8),
            evidence=(("tool", "snapper includes /var/lib/docker"),),
            remedy="exclude the Docker root",
        ),
        a_finding(
            "churn",
            Severity.P3,
            "registry.corp/ml/train was rebuilt 31 times in 7 days",
            gib(44.7),
            evidence=(("busting step", "COPY . /src before pip install"),),
            remedy="copy requirements first",
        ),
        a_finding(
            "volumes-unused",
            Severity.P4,
            "1 volume no container uses",
            gib(17.3),
            remedy="look into it: data is never deleted for you",
        ),
    ]


def _plan(freed: dict[Category, int], orphans: Sequence[OwnerId]) -> Plan:
    rows = [
        (
            "s1",
            "orphan.delete",
            f"Delete {len(orphans)} orphaned subvolumes",
            freed[C.ORPHANS],
            Risk.SAFE,
            "btrfs subvolume delete --commit-after …",
            "nobody refers to them",
            "none: they belong to nothing",
            "orphan-layers",
            tuple(orphans),
        ),
        (
            "s2",
            "build-cache.prune",
            "Prune build cache older than 48 h",
            freed[C.BUILD_CACHE],
            Risk.SAFE,
            "docker builder prune --filter until=48h",
            "next builds are slower once",
            "the next build makes it again",
            "build-cache-unused",
            (),
        ),
        (
            "s3",
            "image.remove",
            "Remove dangling and unused images",
            freed[C.IMAGES],
            Risk.SAFE,
            "docker image rm sha256:…",
            "a pull, when needed again",
            "docker pull",
            "images-unused",
            (),
        ),
        (
            "s4",
            "log.truncate",
            "Truncate 4 container logs",
            freed[C.LOGS],
            Risk.CAREFUL,
            "truncate -s 0 /var/lib/docker/containers/…-json.log",
            "the log text is lost",
            "none",
            "logs-unbounded",
            (),
        ),
        (
            "s5",
            "container.remove",
            "Remove 1 exited container",
            freed[C.CONTAINERS],
            Risk.DESTRUCTIVE,
            "docker rm debug-jo",
            "its writable layer is lost",
            "none",
            "containers-exited",
            (),
        ),
    ]
    steps = tuple(
        Step(
            id=key,
            action=action,
            title=title,
            command=command,
            targets=targets,
            frees=exact(frees),
            risk=risk,
            needs="",
            costs=costs,
            undo=undo,
            rule=rule,
            automatic=risk is Risk.SAFE,
        )
        for key, action, title, frees, risk, command, costs, undo, rule, targets in rows
    )
    unlocks = tuple(Unlock(frozenset({step.id}), step.frees.value) for step in steps)  # type: ignore[union-attr]
    return Plan(steps, unlocks, ("balance -dusage=10: would fail, 1.0 MiB unallocated",))


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
