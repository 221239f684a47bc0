"""Which boot this is and how long it has lasted: what tells a clock that was set from time that passed."""

from __future__ import annotations

import time

from collectors.system.host import Host


def boot(host: Host) -> tuple[str | None, float | None]:
    """The kernel's boot id and the seconds since boot, suspended time included; None where it does not tell."""
    try:
        boot_id = (host.proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        boot_id = None
    try:
        uptime_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    except OSError:
        return boot_id, None
    return boot_id, uptime_s
