"""/sys/fs/btrfs/<uuid>: what every process may read: names and error counters of the devices, whether quotas are on.

Visible in a default container too, for all btrfs filesystems of the host. Refuses to guess: a file that is not there
raises, and the caller says so.
"""

from __future__ import annotations

from pathlib import Path

from collectors.system.deadline import Malformed
from collectors.system.host import Host

ERRORS = ("write_errs", "read_errs", "flush_errs", "corruption_errs", "generation_errs")


def folder(host: Host, uuid: str) -> Path:
    return host.sys / "fs" / "btrfs" / uuid


def device_errors(host: Host, uuid: str, devid: int) -> tuple[tuple[str, int], ...]:
    """(name, count) of each error counter of one device since they were last reset. Needs Linux 5.14."""
    text = (folder(host, uuid) / "devinfo" / str(devid) / "error_stats").read_text("ascii")
    found = dict(line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    try:
        return tuple((name, int(found[name])) for name in ERRORS)
    except KeyError as missing:
        raise Malformed(f"error_stats without {missing}") from None


def quotas_enabled(host: Host, uuid: str) -> bool:
    """Whether quotas are on. The folder of qgroups exists exactly then (Linux 5.9)."""
    if not folder(host, uuid).is_dir():
        raise FileNotFoundError(2, "no such filesystem in sysfs", str(folder(host, uuid)))
    return (folder(host, uuid) / "qgroups").is_dir()


def device_names(host: Host, uuid: str) -> tuple[str, ...]:
    """Names below /dev of the block devices of one filesystem, in no order. Never the kernel's own "/dev/root"."""
    return tuple(entry.name.replace("!", "/") for entry in (folder(host, uuid) / "devices").iterdir())
