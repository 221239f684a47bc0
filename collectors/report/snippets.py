"""What `--print` gives besides the schema, ready to paste: the supervisor's lines, the timer, the alerts.

Prometheus rules for the metrics: `--print alerts`. A forecast never pages alone: a level stands beside it.

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
