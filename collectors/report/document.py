"""The JSON document, schema 1: a contract for other programs.

`*_bytes` are integers; null is unknown and the object carries a `reason`. A figure of which only a floor is known
stands as that floor, with its `high_bytes` null and the reason beside it. Foreign strings stand as they are: JSON
escapes them.
"""

from __future__ import annotations

from datetime import datetime
from itertools import zip_longest

from collectors.filesystems import report_parts
from collectors.model.engine import Engine
from collectors.model.filesystem import Filesystem, PathUsage
from collectors.model.ledger import Bill, Category, Item, Ledger, Row
from collectors.model.plan import Finding
from collectors.model.reading import Exact, Reading, Size, Unavailable, ceiling, charged_or_none, floor, reason
from collectors.model.report import Crossing, Report, TrendView
from collectors.model.snapshot import SourceReport
from collectors.report import formatting
from collectors.report.plan_document import SCHEMA, gaps, no_step, other_plan, plan_fields

Json = dict[str, object]


def encode(report: Report, asked_host: str | None = None) -> Json:
    """The whole document, ready for `json.dumps`. `asked_host`: the engine as it was named; None: it was not."""
    ledger = report.ledger
    return {
        "schema": SCHEMA,
        "tool_version": report.tool_version,
        "host": report.host,
        "asked_host": asked_host,
        "taken_at": formatting.moment(report.taken_at),
        "took_s": round(report.took_s, 3),
        "severity": report.severity.name,
        "exit_status": report.exit_status,
        "verdict": report.verdict,
        "filesystem": _filesystem(ledger.filesystem) if ledger else None,
        "engine": _engine(report.engine, report.docker_root),
        "ledger": _rows(ledger) if ledger else [],
        "items": _items(ledger) if ledger else {},
        **{part.key: part.document(report.filesystem_facts) for part in report_parts()},
        "findings": [_finding(finding, report) for finding in report.findings],
        "trend": trend_fields(report.trend),
        **plan_fields(report),
        "filesystem_plan": other_plan(report, ""),
        "bills": [_bill(bill) for bill in report.bills],
        "coverage": [_coverage(row) for row in report.coverage],
        "other_filesystems": [
            {
                "filesystem": _filesystem(other.filesystem),
                "ledger": _rows(other),
                "items": _items(other),
                "trend": trend_fields(trend) if trend is not None else None,
                "plan": other_plan(report, other.filesystem.mount.mountpoint),
            }
            for other, trend in zip_longest(report.other_ledgers, report.other_trends)
        ],
    }


def _filesystem(filesystem: Filesystem) -> Json:
    mount, space = filesystem.mount, filesystem.space
    if isinstance(space, Unavailable):
        keys = ("total_bytes", "used_bytes", "available_bytes", "used_percent", "inodes_used", "inodes_used_percent")
        unknown: Json = dict.fromkeys(keys)
        return {"mount": mount.mountpoint, "type": mount.fstype, **unknown, "reason": reason(space)}
    figures = space.value
    inodes = figures.inodes_used_percent
    return {
        "mount": mount.mountpoint,
        "type": mount.fstype,
        "total_bytes": figures.total_bytes,
        "used_bytes": figures.used_bytes,
        "available_bytes": figures.available_bytes,
        "used_percent": figures.used_percent,
        "inodes_used": figures.inodes_used,
        "inodes_used_percent": inodes,
        "reason": "" if inodes is not None else "this filesystem has no fixed number of inodes",
    }


def _engine(engine: Reading[Engine], root: Reading[str]) -> Json:
    where = root.value if isinstance(root, Exact) else None
    if isinstance(engine, Unavailable):
        unknown: Json = {"version": None, "api_version": None, "driver": None}
        return {"reachable": False, **unknown, "root": where, "reason": reason(engine)}
    facts = engine.value
    return {
        "reachable": True,
        "version": facts.version,
        "api_version": facts.api_version,
        "driver": facts.driver,
        "root": where if where is not None else facts.root,
        "reason": "",
    }


def _bill(bill: Bill) -> Json:
    sizes = {"exclusive": bill.exclusive, "shared": bill.shared, "logs": bill.logs, "volumes": bill.volumes}
    told = {f"{name}_bytes": charged_or_none(size) for name, size in sizes.items()}
    return {"by": bill.by, "name": bill.name, "things": bill.things, **told, "reason": gaps(*sizes.values())}


def _rows(ledger: Ledger) -> list[Json]:
    return [_row(row) for row in ledger.rows]


def _row(row: Row) -> Json:
    unread = isinstance(row.charged, Unavailable)
    return {
        "category": row.category.value,
        "bytes": charged_or_none(row.charged),
        "low_bytes": None if unread else floor(row.charged),
        "high_bytes": ceiling(row.charged),
        "inodes": charged_or_none(row.inodes),
        "apparent_bytes": charged_or_none(row.apparent),
        "reclaimable_bytes": charged_or_none(row.reclaimable),
        "method": row.method,
        "reason": row.reason or gaps(row.inodes, row.apparent, row.reclaimable),
    }


def _items(ledger: Ledger) -> Json:
    return {category.value: [_item(item) for item in ledger.items.get(category, ())] for category in Category}


def _item(item: Item) -> Json:
    fields: Json = {
        "id": item.id,
        "name": item.name,
        "bytes": charged_or_none(item.referenced),
        "exclusive_bytes": charged_or_none(item.exclusive),
        "inodes": charged_or_none(item.inodes),
        "apparent_bytes": charged_or_none(item.apparent),
        "reclaimable_bytes": charged_or_none(item.reclaimable),
        "owner": item.owner,
        "state": item.state,
        "created_at": _moment(item.created_at),
        "last_used_at": _moment(item.last_used_at),
        "inside": [_path_usage(place) for place in item.inside],
        "reason": item.note or gaps(item.referenced, item.exclusive, item.inodes, item.apparent, item.reclaimable),
    }
    if item.category is Category.ORPHANS:
        fields["proof"] = list(item.proof)
    return fields


def _path_usage(place: PathUsage) -> Json:
    return {
        "path": place.path,
        "directory": place.is_directory,
        "bytes": place.allocated_bytes,
        "apparent_bytes": place.apparent_bytes,
        "inodes": place.inodes,
    }


def _finding(finding: Finding, report: Report) -> Json:
    return {
        "id": finding.id,
        "rule": finding.rule,
        "severity": finding.severity.name,
        "title": finding.claim,
        "bytes": charged_or_none(finding.bytes) if finding.bytes is not None else None,
        "evidence": [_evidence(label, value, report.settings.si) for label, value in finding.evidence],
        "remedy": finding.remedy,
        "certain": finding.certain,
        "mount": finding.mount or (report.ledger.filesystem.mount.mountpoint if report.ledger else ""),
        "no_step": no_step(finding, report),
        "reason": "not about a number of bytes" if finding.bytes is None else gaps(finding.bytes),
    }


def _evidence(label: str, value: Size | str, si: bool) -> Json:
    if isinstance(value, str):
        return {"label": label, "value": value, "bytes": None}
    return {"label": label, "value": formatting.size(value, si=si), "bytes": charged_or_none(value)}


def trend_fields(trend: TrendView) -> Json:
    """The `trend` object, also of `--history`."""
    return {
        "runs": trend.runs,
        "oldest": _moment(trend.oldest),
        "reason": trend.reason,
        "skipped_lines": trend.skipped_lines,
        "growth": [
            {
                "key": growth.key,
                "bytes_per_day": growth.bytes_per_day,
                "low_bytes_per_day": growth.low_bytes_per_day,
                "high_bytes_per_day": growth.high_bytes_per_day,
                "runs": growth.runs,
                "span_s": round(growth.span_s),
                "change_24h_bytes": growth.change_24h_bytes,
            }
            for growth in trend.growth
        ],
        "crossings": [_crossing(crossing) for crossing in trend.crossings],
        "trees_full": _crossing(trend.trees_full) if trend.trees_full is not None else None,
        "churn": [
            {
                "repository": churn.repository,
                "rebuilds": churn.rebuilds,
                "since": formatting.moment(churn.since),
                "dangling_images": churn.dangling_images,
                "dangling_bytes": charged_or_none(churn.dangling_bytes),
                "busting_step": churn.busting_step,
            }
            for churn in trend.churn
        ],
        "used_percent": [{"at": formatting.moment(sample.at), "value": sample.value} for sample in trend.used_percent],
    }


def _crossing(crossing: Crossing) -> Json:
    return {
        "percent": crossing.percent,
        "at": formatting.moment(crossing.at),
        "earliest": formatting.moment(crossing.earliest),
        "latest": _moment(crossing.latest),
    }


def _coverage(row: SourceReport) -> Json:
    took_s = round(row.took_s, 3)
    return {"source": row.source, "outcome": row.outcome.value, "reason": row.reason, "took_s": took_s}


def _moment(at: datetime | None) -> str | None:
    return formatting.moment(at) if at else None
