"""Prometheus rules for the metrics: `--print alerts`. A forecast never pages alone: a level stands beside it.

A cause that has an alert of its own says so itself.

What `--print` gives besides the schema: ready to paste, so that adopting the program is one step.
"""

from __future__ import annotations

from collectors import causes
from collectors.causes.base import Alert
from collectors.model.finding import Severity
from collectors.model.settings import Thresholds

_FIRST = """\
groups:
  - name: ullage
    rules:
      - alert: DockerDiskCritical
        expr: ullage_severity >= 4
        for: 5m
        labels: {severity: critical}
        annotations:
          summary: "{{ $labels.instance }}: Docker's disk is critical"
          description: "ullage --preflight on the host names the culprit and the plan."
      - alert: DockerDiskWarning
        expr: ullage_severity == 3
        for: 40m
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.instance }}: Docker's disk wants attention"
"""
_AHEAD = """\
      - alert: DockerDiskFillsIn%(hours)gHours
        expr: %(ahead)s < %(hours)g * 3600 and on(instance) ullage_filesystem_used_ratio > %(least).2g
        for: 30m
        labels: {severity: critical}
        annotations:
          summary: "{{ $labels.instance }}: %(percent)d%% will be crossed in {{ $value | humanizeDuration }}"
"""
# How much below the threshold the level that stands beside a forecast begins.
_POINTS_BELOW = 30
_LAST = """\
      - alert: DockerDiskNotWatched
        expr: time() - ullage_last_success_timestamp_seconds > 3600 or ullage_exit_status == 3
        for: 20m
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.instance }}: ullage has not reported for an hour, or could not tell"
"""


def alerts(thresholds: Thresholds) -> str:
    """The rules as a file for Prometheus, by the thresholds that the runs are judged by.

    Those of causes stand in the order of how bad they have to be.
    """
    own = sorted(
        ((cause.id, cause.alert) for cause in causes.CAUSES if cause.alert is not None),
        key=lambda pair: (pair[1].at_least, pair[1].name),
    )
    return "".join((_FIRST, _ahead(thresholds), *(_rule(cause, alert) for cause, alert in own), _LAST))


def _ahead(thresholds: Thresholds) -> str:
    percent = thresholds.p0_percent
    return _AHEAD % {
        "hours": thresholds.forecast_p1_hours,
        "ahead": f'ullage_crossing_seconds{{percent="{percent}"}}',
        "least": max(0, percent - _POINTS_BELOW) / 100,
        "percent": percent,
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
            f'          summary: "{{{{ $labels.instance }}}}: {alert.summary}"\n',
        )
    )


SUPERVISOR = """\
# --- Docker storage: paste into the supervisor's preflight script -----------------------------------------
# Prints the sections `## Docker Storage` … `## Docker Storage Coverage`; `Disk: NN% used` stands in the first.
# Exit status of ullage: 0 well, 1 warning, 2 critical, 3 not known. The journal goes where the supervisor's own
# journal is ($OPS_JOURNAL_ROOT or $OPS_REPO_ROOT/journal/supervisor), open tasks to $OPS_REPO_ROOT/vault/pending.
docker_storage_report=$(ullage --preflight --deadline 60 2>>"${SUPERVISOR_LOG:-/dev/stderr}")
docker_storage_status=$?
printf '%s\\n' "$docker_storage_report"
disk_used=$(grep -oP 'Disk:\\s+\\K[0-9]+' <<<"$docker_storage_report" | head -n 1)
docker_storage_severity=$(grep -oP '^Severity: \\K\\S+' <<<"$docker_storage_report")

# --- Recipe: what to do about it, in place of `docker system prune` ------------------------------------------
# Nothing here removes a volume, a tagged image that is in use, or a layer without proof.
if [ "${disk_used:-0}" -ge 80 ]; then
    ullage --reclaim --apply --until 75%                  # the safe tier: unused build cache, pending deletes
fi
if [ "${disk_used:-0}" -ge 90 ]; then
    ullage --reclaim --apply --tier careful --until 85%   # and old dangling or unused images, old stopped containers
fi
# What is still unresolved stands in the vault as supervisor-docker-storage-<rule>.md, with what was tried.
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
