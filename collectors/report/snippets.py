"""What `--print` gives besides the schema: ready to paste, so that adopting the program is one step."""

from __future__ import annotations

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
