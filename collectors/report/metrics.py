"""For monitoring: a report as OpenMetrics for node_exporter's textfile collector, and what `--print` gives to paste.

An unknown figure has no sample; it is no zero. Labels hold the program's own words only (categories, rules, sources):
no foreign string can forge a sample or make the number of series grow. The one label of the verdict holds escaped
names. Bills are told on request alone, since theirs are names of projects and repositories.

To paste: the supervisor's lines, the timer, the Prometheus rules. A forecast never pages alone: a level stands beside
it. A cause that has an alert of its own says so itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CollectorRegistry, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest

from collectors import causes
from collectors.causes.base import Alert
from collectors.filesystems import report_parts
from collectors.model.ledger import Ledger
from collectors.model.plan import Severity
from collectors.model.reading import Unavailable, charged_or_none
from collectors.model.report import Report
from collectors.model.settings import Thresholds
from collectors.model.snapshot import Outcome

_PREFIX = "ullage"


def openmetrics(reports: Sequence[tuple[str | None, Report]], by: Sequence[str] = ()) -> str:
    """The whole exposition, ending in `# EOF`. Where there are several, each sample is labelled with its host as named.

    `by`: the kinds of bills that are told, each a series a group.
    """
    registry = CollectorRegistry()
    registry.register(_Once(reports, by))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode("utf-8")


class _Once:
    """A collector of reports that are made. A family stands once, with the samples of every host that has any."""

    def __init__(self, reports: Sequence[tuple[str | None, Report]], by: Sequence[str]) -> None:
        self._reports, self._by = reports, by

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for host, report in self._reports:
            own = {"host": host or ""} if len(self._reports) > 1 else {}
            for family in _families(report, self._by):
                one = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                one.samples += (sample._replace(labels={**own, **sample.labels}) for sample in family.samples)
        return iter(families.values())


def _families(report: Report, by: Sequence[str]) -> Iterator[Metric]:
    yield _gauge("severity", "The worst finding: 0 OK, 1 P4, 2 P3, 3 P2, 4 P1, 5 P0", int(report.severity))
    yield _labelled("verdict", "1; the label is the report's verdict, in one line", "verdict", {report.verdict: 1.0})
    yield _gauge("exit_status", "0 well, 1 warning, 2 critical, 3 not known", report.exit_status)
    yield _gauge("last_success_timestamp_seconds", "When this report was made", report.taken_at.timestamp())
    yield _gauge("duration_seconds", "How long the run took", report.took_s)
    if report.ledger is not None:
        yield from _filesystem(report.ledger)
        yield from _categories(report.ledger)
    for part in report_parts():
        yield from part.metrics(report.filesystem_facts)
    yield from _findings(report)
    yield from _forecast(report)
    yield from _bills(report, by)
    yield _sources(report)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _filesystem(ledger: Ledger) -> Iterator[Metric]:
    space = ledger.filesystem.space
    if isinstance(space, Unavailable):
        return
    figures = space.value
    yield _gauge("filesystem_size_bytes", "Size of the Docker root's filesystem", figures.total_bytes)
    yield _gauge("filesystem_used_bytes", "Used bytes: total less free", figures.used_bytes)
    yield _gauge("filesystem_available_bytes", "Bytes that users may still use", figures.available_bytes)
    text = "Used of what users may use, 0 to 1, rounded up to a whole percent as df does: what severities go by"
    yield _gauge("filesystem_used_ratio", text, figures.used_percent / 100)
    inodes = figures.inodes_used_percent
    if inodes is not None:
        yield _gauge("filesystem_inodes_used_ratio", "Used inodes, 0 to 1, rounded up to a whole percent", inodes / 100)


def _categories(ledger: Ledger) -> Iterator[Metric]:
    charges = {row.category.value: charged_or_none(row.charged) for row in ledger.rows}
    reclaims = {row.category.value: charged_or_none(row.reclaimable) for row in ledger.rows}
    yield _labelled(
        "category_bytes", "Bytes charged to each category; they add up to used", "category", _known(charges)
    )
    inodes = _known({row.category.value: charged_or_none(row.inodes) for row in ledger.rows})
    if inodes:
        text = "Inodes charged to each category; they add up to the used inodes"
        yield _labelled("category_inodes", text, "category", inodes)
    text = "What removing everything unused of the category would free"
    yield _labelled("category_reclaimable_bytes", text, "category", _known(reclaims))


def _findings(report: Report) -> Iterator[Metric]:
    worst: dict[str, float] = {}
    for finding in report.findings:
        worst[finding.rule] = max(worst.get(finding.rule, 0.0), float(finding.severity))
    yield _labelled("finding_severity", "Findings by rule: 1 P4, 2 P3, 3 P2, 4 P1, 5 P0", "rule", worst)
    alarms = sum(finding.severity >= Severity.P2 for finding in report.findings)
    yield _gauge("alarms", "Findings of P2 and worse", alarms)


def _forecast(report: Report) -> Iterator[Metric]:
    ahead = {
        str(crossing.percent): (crossing.at - report.taken_at).total_seconds() for crossing in report.trend.crossings
    }
    if ahead:
        text = "Seconds until used crosses a percentage, as forecast from the journal; absent where none is foreseen"
        yield _labelled("crossing_seconds", text, "percent", ahead)


def _bills(report: Report, by: Sequence[str]) -> Iterator[Metric]:
    texts = {"exclusive": "comes free when all of the group goes", "shared": "of what the group holds others hold too"}
    for field, text in texts.items():
        family = GaugeMetricFamily(f"{_PREFIX}_bill_{field}_bytes", f"What {text}", labels=["by", "name"])
        for bill in report.bills:
            count = charged_or_none(getattr(bill, field))
            if bill.by in by and count is not None:
                family.add_metric([bill.by, bill.name], count)
        if family.samples:
            yield family


def _sources(report: Report) -> GaugeMetricFamily:
    values = {row.source: float(row.outcome is Outcome.READ) for row in report.coverage if " /" not in row.source}
    return _labelled("source_read", "1 where a source was read whole, else 0", "source", values)


def _known(values: dict[str, int | None]) -> dict[str, float]:
    return {key: float(value) for key, value in values.items() if value is not None}


# Who it is about: the machine that was scraped, and the host that it asked where it asked several.
_WHERE = "{{ $labels.instance }}{{ with $labels.host }} {{ . }}{{ end }}"
_FIRST = """\
groups:
  - name: ullage
    rules:
      - alert: DockerDiskCritical
        expr: ullage_severity >= 4
        for: 5m
        labels: {severity: critical}
        annotations:
          summary: "%(where)s: Docker's disk is critical"
          description: "ullage --preflight on the host names the culprit and the plan."
      - alert: DockerDiskWarning
        expr: ullage_severity == 3
        for: 40m
        labels: {severity: warning}
        annotations:
          summary: "%(where)s: Docker's disk wants attention"
"""
_AHEAD = """\
      - alert: DockerDiskFillsIn%(hours)gHours
        expr: %(ahead)s < %(hours)g * 3600 and on(instance, host) ullage_filesystem_used_ratio > %(least).2g
        for: 30m
        labels: {severity: critical}
        annotations:
          summary: "%(where)s: %(percent)d%% will be crossed in {{ $value | humanizeDuration }}"
"""
# How much below the threshold the level that stands beside a forecast begins.
_POINTS_BELOW = 30
_LAST = """\
      - alert: DockerDiskNotWatched
        expr: time() - ullage_last_success_timestamp_seconds > 3600 or ullage_exit_status == 3
        for: 20m
        labels: {severity: warning}
        annotations:
          summary: "%(where)s: ullage has not reported for an hour, or could not tell"
"""


def alerts(thresholds: Thresholds) -> str:
    """The rules as a file for Prometheus, by the thresholds that the runs are judged by.

    Those of causes stand in the order of how bad they have to be.
    """
    own = sorted(
        ((cause.id, cause.alert) for cause in causes.CAUSES if cause.alert is not None),
        key=lambda pair: (pair[1].at_least, pair[1].name),
    )
    first, last = (text % {"where": _WHERE} for text in (_FIRST, _LAST))
    return "".join((first, _ahead(thresholds), *(_rule(cause, alert) for cause, alert in own), last))


def _ahead(thresholds: Thresholds) -> str:
    percent = thresholds.p0_percent
    return _AHEAD % {
        "hours": thresholds.forecast_p1_hours,
        "ahead": f'ullage_crossing_seconds{{percent="{percent}"}}',
        "least": max(0, percent - _POINTS_BELOW) / 100,
        "percent": percent,
        "where": _WHERE,
    }


def _rule(cause: str, alert: Alert) -> str:
    compared = "==" if alert.at_least is Severity.P0 else ">="
    return "".join(
        (
            f"      - alert: {alert.name}\n",
            f'        expr: ullage_finding_severity{{rule="{cause}"}} {compared} {int(alert.at_least)}\n',
            f"        for: {alert.lasts}\n" if alert.lasts else "",
            f"        labels: {{severity: {alert.severity}}}\n",
            "        annotations:\n",
            f'          summary: "{_WHERE}: {alert.summary}"\n',
        )
    )


# For any POSIX shell, with `set -e`, `-u` and `pipefail` or without: no status ends the script, nothing but the shell's
# own means is used, and stderr is left as it is. What is judged, and with which figures, is the program's matter.
SUPERVISOR = """\
# Docker storage: the report, for people and for grep. Status: 0 well, 1 warning, 2 critical, else not known.
docker_storage_status=0
docker_storage_report=$(ullage --preflight --deadline 60) || docker_storage_status=$?
printf '%s\\n' "$docker_storage_report"
disk_used=${docker_storage_report#*Disk: }; disk_used=${disk_used%%[!0-9]*}; disk_used=${disk_used:-unknown}
# In place of `docker system prune`. Status: 0 well, 1 target not reached, 2 refused or busy, else not known.
docker_reclaim_status=0
ullage --reclaim --apply --when 80% --until 75% || docker_reclaim_status=$?                 # what comes back by itself
ullage --reclaim --apply --when 90% --until 85% --tier careful || docker_reclaim_status=$?  # and what can be made again
"""

SYSTEMD = """\
# /etc/systemd/system/ullage.service
[Unit]
Description=Where the Docker host's disk went
After=docker.service

[Service]
Type=oneshot
ExecStart=/usr/local/bin/ullage --preflight --deadline 120
# 1 and 2 are findings, not failures of the run; 3 (not known) fails the unit.
SuccessExitStatus=1 2
Nice=10
IOSchedulingClass=idle
StateDirectory=ullage
ProtectHome=read-only
NoNewPrivileges=yes

# /etc/systemd/system/ullage.timer
[Unit]
Description=Run ullage every 20 minutes

[Timer]
OnCalendar=*:0/20
RandomizedDelaySec=60
Persistent=true

[Install]
WantedBy=timers.target
"""

SNIPPETS = {"supervisor": SUPERVISOR, "systemd": SYSTEMD}
