"""The `--preflight` page: structured text that a person reads and a script greps.

Fixed sections in a fixed order, always all of them; `Field: value` at column 0; tables with fixed headers. No foreign
string stands at the start of a line, and every one is escaped by `formatting`.
"""

from __future__ import annotations

from collections.abc import Sequence

from collectors.causes.logs_unbounded import NO_ROOT_ID
from collectors.filesystems import report_parts
from collectors.model.ledger import Category, Ledger
from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable, Why, charged, charged_or_none
from collectors.model.report import Report
from collectors.model.snapshot import Outcome, shown_total
from collectors.report import formatting
from collectors.report.plan_text import frees_words, plan_lines
from collectors.report.trend_text import other_trends, trend_section


def sections() -> tuple[str, ...]:
    """The titles, in order."""
    own = (f"Docker Storage {part.title}" for part in report_parts())
    return ("Docker Storage", "Docker Storage Categories", *own, *_LAST_SECTIONS)


_LAST_SECTIONS = (
    "Docker Storage Findings",
    "Docker Storage Trend",
    "Docker Storage Plan",
    "Docker Storage Coverage",
)
SECTIONS = sections()


def render(report: Report, *, si: bool = False, by: Sequence[str] = ()) -> str:
    """The whole page, with a newline at its end; `by`: the kinds of bills that stand below the categories."""
    bodies = (
        _summary(report, si),
        [*_categories(report, si), *_bills(report, by, si)],
        *(part.section(report, si) for part in report_parts()),
        _findings(report, si),
        [*trend_section(report.trend, si), *other_trends(report, si)],
        _plan(report, si),
        _coverage(report),
    )
    return "\n\n".join(f"## {title}\n" + "\n".join(body) for title, body in zip(sections(), bodies, strict=True)) + "\n"


def _summary(report: Report, si: bool) -> list[str]:
    root = formatting.quoted(report.docker_root.value) if isinstance(report.docker_root, Exact) else ""
    lines = [f"Disk: {_disk(report, root, si)}", f"Severity: {report.severity.name}"]
    engine = report.engine
    lines.append(
        f"Driver: {formatting.quoted(engine.value.driver)}" if isinstance(engine, Exact) else "Driver: unknown"
    )
    lines.append(f"Filesystem: {_filesystem(report.ledger, si)}")
    if isinstance(engine, Exact):
        facts = engine.value
        version, api = formatting.quoted(facts.version), formatting.quoted(facts.api_version)
        named = f"{facts.flavour.capitalize()} {version}, API {api}"
        lines.append(f"Engine: {named}, {facts.image_store.value} image store")
    else:
        lines.append(f"Engine: {formatting.quoted(formatting.unread(engine), None)}")
    explained = report.explained_percent
    lines.append(
        f"Explained: {formatting.percent(explained.value)}{_estimated(report.ledger)}"
        if isinstance(explained, Exact)
        else f"Explained: {formatting.unknown(explained)}"
    )
    lines.append(f"Verdict: {report.verdict}")
    lines.append(
        f"Taken: {formatting.moment(report.taken_at)} in {report.took_s:.2f} s on {formatting.quoted(report.host)}"
        f" by ullage {report.tool_version}"
    )
    return lines


def _estimated(ledger: Ledger | None) -> str:
    """How much of what is explained was not measured: claims of an engine explain nothing for certain."""
    space = ledger.filesystem.space if ledger is not None else None
    if ledger is None or not isinstance(space, Exact) or not space.value.used_bytes:
        return ""
    guessed = sum(row.charged.best for row in ledger.rows if isinstance(row.charged, Between))
    share = 100 * guessed / space.value.used_bytes
    return f" ({formatting.percent(share)} of the used bytes by estimate)" if share >= 0.1 else ""


def _disk(report: Report, root: str, si: bool) -> str:
    if report.ledger is None:
        return "unknown (no filesystem was found)"
    filesystem = report.ledger.filesystem
    space = filesystem.space
    # Inside a container the room is seen through a file that the engine bound from its root: that root is meant.
    engine = formatting.quoted(report.engine.value.root) if isinstance(report.engine, Exact) else ""
    where = root or engine or formatting.quoted(filesystem.mount.mountpoint)
    if isinstance(space, Unavailable):
        return formatting.unknown(space)
    figures = space.value
    told = formatting.disk(
        figures.used_percent, figures.used_bytes, shown_total(figures, report.filesystem_facts), where, si=si
    )
    if any(finding.rule == NO_ROOT_ID for finding in report.findings):
        told += f": the Docker root's disk is not known; {where} is shown"
    return told


def _filesystem(ledger: Ledger | None, si: bool) -> str:
    if ledger is None:
        return "unknown"
    mount, space = ledger.filesystem.mount, ledger.filesystem.space
    fstype, source = formatting.quoted(mount.fstype), formatting.quoted(mount.source)
    text = f"{fstype} on {source} at {formatting.quoted(mount.mountpoint)}"
    if isinstance(space, Unavailable):
        return text
    figures = space.value
    text += f", {formatting.bytes_(figures.available_bytes, si=si)} available"
    if figures.inodes_used_percent is not None:
        text += f", inodes {formatting.whole_percent(figures.inodes_used_percent)} used"
    if mount.takes_no_writes:
        return text + ", read-only"
    return text + (", seen read-only" if figures.read_only else "")


def _categories(report: Report, si: bool) -> list[str]:
    lines = [
        "| Category | Bytes | Size | Share | Apparent | Reclaimable | Note |",
        "|---|---|---|---|---|---|---|",
    ]
    ledger = report.ledger
    used = 0
    if ledger is not None and isinstance(ledger.filesystem.space, Exact):
        used = ledger.filesystem.space.value.used_bytes
    for row in ledger.rows if ledger else ():
        count = charged_or_none(row.charged)
        share = formatting.percent(100 * count / used) if count is not None and used > 0 else "?"
        cells = (
            row.category.value,
            "?" if count is None else str(count),
            formatting.size(row.charged, si=si),
            share,
            _quiet(row.apparent, si),
            _quiet(row.reclaimable, si),
            formatting.cell(row.reason, 160),
        )
        lines.append("| " + " | ".join(cells) + " |")
    if ledger is not None:
        lines.append(f"Method: {formatting.quoted(_method(ledger))}")
        lines.append(f"Inodes: {_inodes(ledger)}")
        if ledger.note:
            lines.append(f"Age: {formatting.quoted(ledger.note)}")
    for other in report.other_ledgers:
        lines.append(f"Other filesystem: {_other(other, si)}")
    return lines


def _bills(report: Report, by: Sequence[str], si: bool) -> list[str]:
    lines = []
    for kind in dict.fromkeys(by):
        mine = [bill for bill in report.bills if bill.by == kind]
        label = formatting.quoted(kind)
        lines.append(f"Bill by {label}: {formatting.count(len(mine), 'row') if mine else 'nothing has one'}")
        if mine:
            lines += [f"| {label} | Exclusive | Shared | Logs | Volumes | Things |", "|---|---|---|---|---|---|"]
        for bill in mine:
            sizes = (formatting.size(size, si=si) for size in (bill.exclusive, bill.shared, bill.logs, bill.volumes))
            name = formatting.cell(bill.name) or "(none)"
            lines.append(f"| {name} | {' | '.join(sizes)} | {bill.things} |")
    return lines


def _inodes(ledger: Ledger) -> str:
    """Who holds how many, the most first; what nobody was found for is always told."""
    space = ledger.filesystem.space
    if isinstance(space, Unavailable):
        return formatting.unknown(space)
    used = space.value.inodes_used
    if used is None:
        return "not limited: this filesystem makes them as it goes"
    rows = [row for row in ledger.rows if row.category is not Category.UNATTRIBUTED]
    known = [row for row in sorted(rows, key=lambda row: -charged(row.inodes)) if charged(row.inodes)]
    told = [f"{row.category.value} {_number(row.inodes)}" for row in (*known, ledger.row(Category.UNATTRIBUTED))]
    unread = [row.category.value for row in rows if isinstance(row.inodes, Unavailable)]
    gaps = f"; not counted: {', '.join(unread)}" if unread else ""
    return f"{used:,} of {space.value.inodes:,} used: {', '.join(told)}{gaps}"


def _number(inodes: Size) -> str:
    floor = "≥ " if isinstance(inodes, AtLeast) else ""
    return f"{floor}{charged(inodes):,}"


def _other(ledger: Ledger, si: bool) -> str:
    space = ledger.filesystem.space
    mount = formatting.quoted(ledger.filesystem.mount.mountpoint)
    if isinstance(space, Unavailable):
        return f"{mount} {formatting.unknown(space)}"
    largest = max(ledger.rows, key=lambda row: charged(row.charged))
    figures = space.value
    used, total = formatting.whole_percent(figures.used_percent), formatting.bytes_(figures.total_bytes, si=si)
    return (
        f"{mount} {used} used of {total},"
        f" most of it {largest.category.words} ({formatting.size(largest.charged, si=si)})"
    )


def _method(ledger: Ledger) -> str:
    return next(row.method for row in ledger.rows if row.category is Category.IMAGES)


def _quiet(size: Size, si: bool) -> str:
    """A cell of the table: a dash where the question makes no sense."""
    if isinstance(size, Unavailable) and size.why is Why.NOT_APPLICABLE:
        return "–"
    return formatting.size(size, si=si)


def _findings(report: Report, si: bool) -> list[str]:
    lines = [f"Findings: {len(report.findings)}"]
    for finding in report.findings:
        amount = f", {formatting.size(finding.bytes, si=si)}" if finding.bytes is not None else ""
        doubt = "" if finding.certain else " (not certain)"
        claim, remedy = formatting.quoted(finding.claim, 300), formatting.quoted(finding.remedy, 300)
        lines.append(f"- [{finding.severity.name}] {claim}{amount}{doubt} — {remedy}")
        lines.append(f"  - id: {formatting.quoted(finding.id)}")
        for label, value in finding.evidence:
            shown = formatting.quoted(value, 200) if isinstance(value, str) else formatting.size(value, si=si)
            lines.append(f"  - {formatting.quoted(label, 300)}: {shown}")
    return lines


def _plan(report: Report, si: bool) -> list[str]:
    plan = report.plan
    unasked = frozenset(step.id for step in plan.steps if step.unasked)
    lines = [f"Plan: {formatting.count(len(plan.steps), 'step')}"]
    if plan.steps:
        lines.append(f"Frees: {frees_words(plan, plan.ids, si)}")
        lines.append(f"Frees automatically: {frees_words(plan, unasked, si)}")
    return lines + plan_lines(report, si)


def _coverage(report: Report) -> list[str]:
    outcomes = [row.outcome for row in report.coverage]
    lines = [
        f"Coverage: {outcomes.count(Outcome.READ)} read, {outcomes.count(Outcome.PARTIAL)} partial,"
        f" {outcomes.count(Outcome.UNREAD)} unread",
        "| Source | Outcome | Took | Reason |",
        "|---|---|---|---|",
    ]
    for row in report.coverage:
        reason = formatting.cell(row.reason, 240)
        lines.append(f"| {formatting.cell(row.source)} | {row.outcome.value} | {row.took_s:.2f} s | {reason} |")
    return lines
