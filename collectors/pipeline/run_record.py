"""A finished run as the journal's record and bullets and the vault's tasks; foreign strings are escaped here. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from collectors import causes
from collectors.causes import disk_full
from collectors.journal import Action, Journal, Noted, NotedFilesystem, Record
from collectors.journal.encoding import thing_key
from collectors.journal.vault import Task
from collectors.ledger.item_builder import uses
from collectors.model import Owner, OwnerKind
from collectors.model.engine import repository_of
from collectors.model.filesystem import FsSpace
from collectors.model.ledger import Category, Item, Ledger
from collectors.model.plan import Finding, Plan, Risk, Severity, Step
from collectors.model.reading import Exact, Reading, Size, Unavailable, charged, charged_or_none
from collectors.model.report import Report
from collectors.model.snapshot import Snapshot, allocation_of, shown_total
from collectors.planning.target import LIFTS_AGE
from collectors.report import formatting
from collectors.report.trend_text import signed


def record_of(
    report: Report,
    raw: tuple[tuple[Finding, ...], ...],
    snapshot: Snapshot,
    boot: tuple[str | None, float | None],
    actions: tuple[Action, ...] = (),
) -> Record:
    """`raw` are the findings of each filesystem as this run alone sees them; the report's are what stands."""
    total, used, available = _room(report.ledger.filesystem.space if report.ledger else None)
    record = Record(
        at=report.taken_at,
        boot_id=boot[0],
        uptime_s=boot[1],
        filesystem=report.filesystem_identity,
        total_bytes=total,
        used_bytes=used,
        available_bytes=available,
        severity=report.severity,
        categories={},
        allocation=allocation_of(report.filesystem_facts),
        owners=None,
        tags=_tags(snapshot),
        dangling=_dangling(report),
        orphans=None,
        findings=_noted(report.findings, raw[0] if raw else ()),
        actions=actions,
        in_use=_in_use(snapshot),
        others=tuple(_others(report, raw, snapshot)),
    )
    return record if report.ledger is None else _with_books(record, report.ledger)


def _with_books(record: Record, ledger: Ledger) -> Record:
    """What the books of the Docker root's filesystem add."""
    things = ledger.things
    return replace(
        record,
        categories={row.category.value: charged_or_none(row.charged) for row in ledger.rows},
        owners=_owners(ledger),
        orphans=frozenset(item.name for item in ledger.items.get(Category.ORPHANS, ())),
        things=None if things is None else {thing_key(one.owner): one.bytes for one in things},
        labels=None if things is None else {thing_key(one.owner): f"{one.category} {one.name}" for one in things},
    )


def _room(space: Reading[FsSpace] | None) -> tuple[int | None, int | None, int | None]:
    """Total, used and available bytes."""
    known = space.value if isinstance(space, Exact) else None
    return (None, None, None) if known is None else (known.total_bytes, known.used_bytes, known.available_bytes)


def _others(report: Report, raw: tuple[tuple[Finding, ...], ...], snapshot: Snapshot) -> Iterator[NotedFilesystem]:
    """The filesystems beside the Docker root's, with their warnings and worse: what their next run goes by."""
    for study, its in zip(snapshot.studies[1:], raw[1:], strict=True):
        mount = study.filesystem.mount.mountpoint
        noted = _noted(tuple(finding for finding in report.findings if finding.mount == mount), its)
        urgent = tuple(one for one in noted if max(one.raw, one.severity) >= Severity.P2)
        if study.identity is not None:
            room, allocation = _room(study.filesystem.space), allocation_of(study.filesystem_facts)
            yield NotedFilesystem(study.identity, *room, urgent, allocation)


def _owners(ledger: Ledger) -> Mapping[str, int]:
    """Bytes per repository, container, log and volume, by name: names outlive ids when something is recreated."""
    sizes: defaultdict[str, int] = defaultdict(int)
    for category, kind in (
        (Category.CONTAINERS, OwnerKind.CONTAINER),
        (Category.LOGS, OwnerKind.LOG),
        (Category.VOLUMES, OwnerKind.VOLUME),
        (Category.IMAGES, OwnerKind.IMAGE),
    ):
        for item in ledger.items.get(category, ()):
            count = charged_or_none(item.exclusive if category is Category.IMAGES else item.referenced)
            name = _name(item, category)
            if count is not None and name:
                sizes[Owner(kind, name).text()] += count
    return dict(sizes)


def _name(item: Item, category: Category) -> str:
    if category is not Category.IMAGES:
        return item.name
    return repository_of(item.name) if item.state != "dangling" else ""


def _tags(snapshot: Snapshot) -> Mapping[str, str] | None:
    images = snapshot.engine.images
    return {tag: image.id for image in images.value for tag in image.tags} if isinstance(images, Exact) else None


def _in_use(snapshot: Snapshot) -> frozenset[str] | None:
    use = uses(snapshot.engine)
    return frozenset(use.containers_of_image) if use.known else None


def _dangling(report: Report) -> Mapping[str, int] | None:
    if report.trend.runs == 0 and not report.trend.churn:
        return None
    return {
        one.repository: charged(one.dangling_bytes)
        for one in report.trend.churn
        if not isinstance(one.dangling_bytes, Unavailable)
    }


def _noted(shown: tuple[Finding, ...], raw: tuple[Finding, ...]) -> tuple[Noted, ...]:
    # The worst first: of a rule that several filesystems have, that one.
    stands = {finding.rule: finding.severity for finding in reversed(shown)}
    seen = {finding.rule: finding for finding in raw}
    return tuple(
        Noted(
            rule=rule,
            severity=stands.get(rule, Severity.OK),
            raw=seen[rule].severity if rule in seen else Severity.OK,
            bytes=charged_or_none(size) if rule in seen and (size := seen[rule].bytes) is not None else None,
        )
        for rule in dict.fromkeys([*seen, *stands])
    )


# Changes smaller than this are breathing, not news.
_NEWS_BYTES = 16 << 20


def bullets(report: Report, record: Record, before: Record | None, actions: tuple[Action, ...] = ()) -> list[str]:
    """A few lines; one where nothing changed."""
    si = report.settings.si
    changed = _changed(record, before, si=si)
    told = [_state(report), *changed, *(_action(action, si=si) for action in actions)]
    if before is None or changed or _rules(record) != _rules(before):
        urgent = (finding for finding in report.findings if finding.severity >= Severity.P2)
        told += [line(finding, si=si) for finding in urgent]
    gone = _rules(before) - _rules(record) if before else set()
    told += [f"Resolved: {rule}" for rule in sorted(gone)]
    return told


def line(finding: Finding, *, si: bool = False) -> str:
    """`[P2] claim, 1.2 GiB — remedy`."""
    return f"[{finding.severity.name}] {_claim(finding, si=si)} — {formatting.quoted(finding.remedy, 200)}"


def _claim(finding: Finding, *, si: bool) -> str:
    amount = f", {formatting.size(finding.bytes, si=si)}" if finding.bytes is not None else ""
    return f"{formatting.quoted(finding.claim, 200)}{amount}"


def tasks(report: Report, journal: Journal | None) -> tuple[Task, ...]:
    """What P0 to P2 findings need of a person, with what was tried and what it really freed; one task a rule.

    Where several filesystems have the same finding, the worst leads and the others stand below it.
    """
    by_rule: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        if finding.severity >= Severity.P2:
            by_rule[finding.rule].append(finding)
    return tuple(_task(mine, report, journal) for mine in by_rule.values())


def _task(findings: Sequence[Finding], report: Report, journal: Journal | None) -> Task:
    worst = findings[0]
    return Task(
        rule=worst.rule,
        severity=worst.severity,
        needed=f"{_claim(worst, si=report.settings.si)} on {formatting.quoted(report.host)}",
        what=[text for finding in findings for text in _what(finding, report)],
        why=[_state(report), f"Host: {formatting.quoted(report.host)}"],
        unblocks=[
            "- Factory health: the disk of this host stays writable for builds, containers and the engine itself",
            "The task closes by itself once the finding is gone.",
        ],
        tried=[_action(action, si=report.settings.si) for action in _tried(worst.rule, journal)],
    )


def _what(finding: Finding, report: Report) -> Iterator[str]:
    si = report.settings.si
    yield line(finding, si=si)
    yield from (f"- {_evidence(label, value, si=si)}" for label, value in finding.evidence)
    yield f"Why the supervisor cannot do it itself: {_why_a_person(finding, report)}"
    yield from _steps(finding, report)


_MOST_STEPS = 10  # of a task


def _why_a_person(finding: Finding, report: Report) -> str:
    plan, steps = _plan_of(finding, report), _steps_of(finding, report)
    if not steps:
        why = plan.answers.get(finding.id, "").removeprefix(f"{finding.claim}: ")
        return formatting.quoted(why or "no step of the plan is for it", None)
    if all(step in plan.for_person for step in steps):
        return "it destroys data, which only a person can decide about"
    if not any(step.automatic for step in steps):
        return "nothing here does it: its commands are for a person"
    if not any(step.unasked for step in steps):
        return f"what it would remove is younger than the keep rules ask for ({LIFTS_AGE})"
    tiers = sorted({step.risk for step in steps if step.unasked}, key=lambda risk: risk.rank)
    if tiers[0] is not Risk.SAFE:
        return f"a person has to open the {tiers[0]} tier: ullage --reclaim --tier {tiers[0]} --apply"
    return "it can do a part: ullage --reclaim --apply; the rest is below"


def _steps(finding: Finding, report: Report) -> Iterator[str]:
    """The plan's own, each with its command."""
    steps = _steps_of(finding, report)
    for step in steps[:_MOST_STEPS]:
        frees = formatting.size(step.frees, si=report.settings.si)
        yield f"- {formatting.quoted(step.title, 200)}, frees {frees}"
        # As in the plan's text: a command that is cut short, or that Markdown's escapes stand in, is no command.
        yield f"  Command: {formatting.safe(step.command)}"
    if len(steps) > _MOST_STEPS:
        yield f"- and {formatting.count(len(steps) - _MOST_STEPS, 'more step', 'more steps')}: ullage --plan"


def _steps_of(finding: Finding, report: Report) -> tuple[Step, ...]:
    """Those that answer it; of an alarm that something runs out, all steps of the plan below what destroys data."""
    plan, cause = _plan_of(finding, report), causes.find(finding.rule)
    if cause is not None and cause.short_of is not None:
        return plan.steps or plan.for_person
    return tuple(step for step in plan.every_step if finding.id in step.answers or finding.rule == step.rule)


def _plan_of(finding: Finding, report: Report) -> Plan:
    """The one for its filesystem."""
    return report.plan_at(finding.mount) or report.plan


def _tried(rule: str, journal: Journal | None) -> Iterable[Action]:
    for record in journal.records if journal else ():
        for action in record.actions:
            if rule in (action.rule, disk_full.ID):
                yield action


def _state(report: Report) -> str:
    space = report.ledger.filesystem.space if report.ledger else None
    if not isinstance(space, Exact):
        return f"{report.severity.name}: {report.verdict}"
    figures, si = space.value, report.settings.si
    total = shown_total(figures, report.filesystem_facts)
    room = f"{formatting.bytes_(figures.used_bytes, si=si)} of {formatting.bytes_(total, si=si)}"
    return f"{formatting.whole_percent(figures.used_percent)} used ({room}), {report.severity.name}: {report.verdict}"


def _changed(record: Record, before: Record | None, *, si: bool) -> list[str]:
    if before is None:
        return []
    moved = []
    for name, now in record.categories.items():
        was = before.categories.get(name)
        if now is not None and was is not None and abs(now - was) >= _NEWS_BYTES:
            moved.append((now - was, name))
    moved.sort(key=lambda one: -abs(one[0]))
    return [f"{Category(name).words} {signed(change, si)} since the last run" for change, name in moved[:4]]


def _rules(record: Record) -> set[str]:
    return {noted.rule for noted in record.findings if noted.severity >= Severity.P2}


def _action(action: Action, *, si: bool) -> str:
    freed = "an unknown amount" if action.measured_bytes is None else formatting.bytes_(action.measured_bytes, si=si)
    promised = (
        "" if action.predicted_bytes is None else f", {formatting.bytes_(action.predicted_bytes, si=si)} predicted"
    )
    return f"Did {action.action} {formatting.quoted(action.target, 120)}: freed {freed}{promised}"


def _evidence(label: str, value: Size | str, *, si: bool) -> str:
    shown = formatting.quoted(value, 160) if isinstance(value, str) else formatting.size(value, si=si)
    return f"{formatting.quoted(label, 300)}: {shown}"
