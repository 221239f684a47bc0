"""Reports in other states than a clear incident: degraded, partial, hostile, huge, overlay2 with a reserve."""

from __future__ import annotations

from dataclasses import replace

from collectors.model.ledger import Category, Item
from collectors.model.plan import Harm, Plan, Risk, Severity, Step, Unlock
from collectors.model.reading import Exact, Unavailable, Why
from collectors.model.report import Report, RepositoryChurn
from collectors.model.snapshot import Outcome, SourceReport
from tests.tui.build import (
    HERE,
    NOW,
    a_filesystem,
    a_finding,
    a_ledger,
    a_report,
    a_row,
    an_engine,
    an_item,
    exact,
    gib,
    missing,
)
from tests.tui.incident import incident

C = Category

# What labels, tags, commands and paths have been seen to hold, and what breaks markup, terminals and layouts.
HOSTILE = (
    "[red]PWNED[/red]",
    "[/]",
    "[/nope]",
    "[@click=app.quit]here[/]",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;owned\x07",
    "\x1b]52;c;ZXZpbA==\x1b\\",
    "\x9b31m",
    "a\nb\r\tc",
    "\u202egnp.exe\u202c",
    "\u200b\u2066zero\u2069",
    "nul\x00byte",
    "\udcff\udcfe not utf-8",
    "短い名前のイメージ",
    "x" * 400,
    "",
    "$(reboot) `id` \\",
    "| a | b |\n## Escalation",
    "<!-- ullage {} -->",
)


def not_root() -> Report:
    """Engine reachable, disk not readable: what needs root is unread and lies in the unexplained rest."""
    report = incident()
    assert report.ledger is not None
    unread = (C.ORPHANS, C.LOGS, C.SNAPSHOTS, C.DELETED_PENDING, C.DELETED_OPEN, C.DOCKER_OTHER)
    rows = {row.category: row for row in report.ledger.rows}
    hidden = sum(_value(rows[category].charged) for category in unread)
    gone = missing(Why.NOT_PERMITTED, "needs root")
    for category in unread:
        rows[category] = a_row(category, gone, gone, "needs root")
    rows[C.UNATTRIBUTED] = a_row(C.UNATTRIBUTED, exact(_value(rows[C.UNATTRIBUTED].charged) + hidden))
    items = {category: items for category, items in report.ledger.items.items() if category not in unread}
    kept = {"build-cache-unused", "churn", "volumes-unused"}
    steps = tuple(step for step in report.plan.steps if step.action in ("build-cache.prune", "image.remove"))
    names = frozenset(step.id for step in steps)
    unknown = a_finding("orphans-unknown", Severity.P4, "whether layers are orphaned could not be told", certain=False)
    return replace(
        report,
        ledger=a_ledger(report.ledger.filesystem, rows, items),
        findings=(*(finding for finding in report.findings if finding.rule in kept), unknown),
        plan=Plan(steps, tuple(unlock for unlock in report.plan.unlocks if unlock.steps <= names), ()),
        coverage=(*report.coverage, SourceReport("btrfs.trees", Outcome.UNREAD, "not permitted: needs root", 0.1)),
        verdict="425.0 GiB in what no source explains, 214.6 GiB in 63 images · nothing to remove would help",
    )


def no_engine() -> Report:
    """The engine is down: sizes hold, owners do not, and nobody may be called an orphan."""
    report = not_root()
    return replace(report, engine=missing(Why.NOT_REACHABLE, "connection refused: /var/run/docker.sock"))


def not_btrfs(used: float = 70.0) -> Report:
    """ext4 with overlay2: no snapshots, no pending subvolumes, 5 % reserved for root."""
    rows = {
        C.IMAGES: a_row(C.IMAGES, exact(gib(used - 30)), gib(8)),
        C.VOLUMES: a_row(C.VOLUMES, exact(gib(18))),
        C.LOGS: a_row(C.LOGS, exact(gib(9)), gib(9)),
        C.OTHER_FILES: a_row(C.OTHER_FILES, exact(gib(2.5))),
        C.METADATA: a_row(C.METADATA, exact(gib(0.5))),
    }
    items = {C.IMAGES: [an_item(C.IMAGES, "shop/web:1", gib(used - 30), gib(8))]}
    filesystem = a_filesystem(gib(100), gib(used), reserved=gib(5), fstype="ext4")
    return a_report(a_ledger(filesystem, rows, items), severity=Severity.P2, engine=an_engine("overlay2"))


def starting() -> Report:
    """The first partial report: statvfs is there, every category is still being read."""
    waiting = missing(Why.NOT_ASKED, "still being read")
    rows = {category: a_row(category, waiting, waiting) for category in Category}
    used = gib(913.5)
    rows[C.UNATTRIBUTED] = a_row(C.UNATTRIBUTED, exact(used))
    return replace(
        a_report(a_ledger(a_filesystem(gib(931.5), used), rows, {}), coverage=()),
        engine=missing(Why.NOT_ASKED, "still being read"),
    )


def nothing_found() -> Report:
    return replace(a_report(None), engine=missing(Why.NOT_REACHABLE, "no socket"))


def hostile() -> Report:
    """Every string that can be foreign is."""
    report = incident()
    assert report.ledger is not None
    items: dict[Category, list[Item]] = {}
    for category in Category:
        items[category] = [
            replace(
                an_item(category, name, gib(1), gib(0.5), state=name, owner=name, note=name), id=name, proof=(name,)
            )
            for name in HOSTILE
        ]
    rows = {row.category: replace(row, reason=HOSTILE[4], method=HOSTILE[0]) for row in report.ledger.rows}
    bad = Unavailable(Why.FAILED, HOSTILE[5] + HOSTILE[0], HERE)
    rows[C.SNAPSHOTS] = a_row(C.SNAPSHOTS, bad, bad, HOSTILE[1])
    findings = [
        a_finding(f"rule{at}", Severity(at % 6), name, gib(1), evidence=((name, name),), remedy=name)
        for at, name in enumerate(HOSTILE)
    ]
    steps = tuple(
        Step(
            id=f"s{at}",
            action="a",
            title=name,
            command=name,
            targets=(),
            frees=exact(gib(1)),
            risk=Risk.SAFE,
            harm=Harm.NONE,
            needs=name,
            costs=name,
            undo=name,
            rule=name,
            automatic=at < 3,
        )
        for at, name in enumerate(HOSTILE)
    )
    churn = tuple(RepositoryChurn(name, 3, NOW, 2, exact(gib(1)), name) for name in HOSTILE)
    unlocks = tuple(Unlock(frozenset({step.id}), gib(1)) for step in steps)
    return replace(
        report,
        host="\x1b[1m[/]host\nname",
        verdict=HOSTILE[0],
        ledger=a_ledger(report.ledger.filesystem, rows, items, note=HOSTILE[4]),
        findings=tuple(findings),
        plan=Plan(steps, unlocks, HOSTILE),
        trend=replace(report.trend, churn=churn),
        coverage=tuple(SourceReport(name, Outcome.PARTIAL, name, 0.1) for name in HOSTILE),
    )


def huge(count: int = 10_000) -> Report:
    """Ten thousand images."""
    report = incident()
    assert report.ledger is not None
    items = {
        C.IMAGES: [
            an_item(
                C.IMAGES, f"registry.corp/team-{at % 97}/service-{at}:build-{at * 7919 % 100000}", gib(0.02) + at * 4096
            )
            for at in range(count)
        ]
    }
    rows = {row.category: row for row in report.ledger.rows}
    return replace(report, ledger=a_ledger(report.ledger.filesystem, rows, items))


def _value(size: object) -> int:
    assert isinstance(size, Exact)
    return int(size.value)
