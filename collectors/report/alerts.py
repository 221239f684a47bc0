"""Prometheus rules for the metrics: `--print alerts`. A forecast never pages alone: a level stands beside it."""

from __future__ import annotations

ALERTS = """\
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
      - alert: DockerDiskFillsIn4Hours
        expr: ullage_crossing_seconds{percent="90"} < 4 * 3600 and on(instance) ullage_filesystem_used_ratio > 0.6
        for: 30m
        labels: {severity: critical}
        annotations:
          summary: "{{ $labels.instance }}: 90% will be crossed in {{ $value | humanizeDuration }}"
      - alert: DockerDiskLeak
        expr: ullage_finding_severity{rule="orphans"} >= 3
        for: 40m
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.instance }}: layers that Docker no longer knows fill the disk"
      - alert: DockerDiskWritesFail
        expr: ullage_finding_severity{rule="btrfs-metadata"} == 5
        labels: {severity: critical}
        annotations:
          summary: "{{ $labels.instance }}: btrfs metadata is full; writes fail whatever df says"
      - alert: DockerDiskNotWatched
        expr: time() - ullage_last_success_timestamp_seconds > 3600 or ullage_exit_status == 3
        for: 20m
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.instance }}: ullage has not reported for an hour, or could not tell"
"""
