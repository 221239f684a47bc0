"""A filesystem in trouble, on which nothing may be moved: forced read-only, a device missing, a device that fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collectors.causes import commands
from collectors.causes.base import Alert, Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.btrfs import Btrfs, Device
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact, Size

READ_ONLY_ID = "forced-read-only"


def detect_read_only(context: FindingContext) -> Iterable[Finding]:
    """Mounted for writing, and read-only all the same."""
    mount = context.study.filesystem.mount
    if mount.takes_no_writes and "rw" in mount.options:
        claim = f"the kernel turned {mount.mountpoint} read-only after an error"
        remedy = (
            "stop the engine, save the kernel log (dmesg): the error in it tells what to do; then unmount and check "
            "read-only (btrfs check --readonly, e2fsck -n, xfs_repair -n) before it is mounted again; never prune now"
        )
        yield Finding(READ_ONLY_ID, Severity.P0, claim, None, (("device", mount.source),), remedy, (), True)


READ_ONLY_LINE = "the kernel turned the filesystem read-only after an error"
READ_ONLY = Cause(READ_ONLY_ID, None, None, None, READ_ONLY_LINE, detect_read_only)


DEVICE_ID = "btrfs-device-errors"


def detect_device(context: FindingContext) -> Iterable[Finding]:
    """One finding a device whose counters are not all zero; a missing one has a finding of its own."""
    facts, at = context.facts(Btrfs), context.study.filesystem.mount.mountpoint
    for device in facts.known_devices if facts is not None else ():
        errors = device.errors.value if isinstance(device.errors, Exact) else ()
        seen = tuple((name, str(count)) for name, count in errors if count)
        if seen and not device.missing:
            what, remedy = _trouble(device, dict(errors), at)
            yield Finding(
                DEVICE_ID,
                Severity.P1,
                f"device {device.path} {what}",
                None,
                seen,
                remedy,
                (),
                True,
                subject=device.path,
            )


def _trouble(device: Device, errors: Mapping[str, int], mountpoint: str) -> tuple[str, str]:
    """What the counters of one device mean, and what to do first."""
    scrub = commands.line("btrfs", "scrub", "start", "-B", mountpoint)
    if errors.get("write_errs") or errors.get("flush_errs"):
        return "fails to write", f"replace it before anything is balanced: {_replace(device, mountpoint)}"
    if errors.get("generation_errs"):
        return "is stale: it missed writes while it was away", f"write it anew from the other copies: {scrub}"
    return "has errors", f"scrub ({scrub}), and replace the device where they come back"


DEVICE_LINE = "a device of the btrfs counts errors"
DEVICE = Cause(DEVICE_ID, None, None, None, DEVICE_LINE, detect_device)

MISSING_ID = "btrfs-device-missing"


def detect_missing(context: FindingContext) -> Iterable[Finding]:
    """One finding a device that is not there. Most profiles survive one loss; another one may end it."""
    facts, at = context.facts(Btrfs), context.study.filesystem.mount.mountpoint
    for device in facts.known_devices if facts is not None else ():
        if facts is None or not device.missing:
            continue
        claim = f"device {device.devid} of the btrfs is missing: what it had a copy of has one copy less"
        evidence: list[tuple[str, Size | str]] = [("the next mount needs", "-o degraded")]
        evidence += [(f"{kind} in", " and ".join(profiles)) for kind, profiles in facts.profiles.items()]
        evidence.append(("chunks on it", context.exact(device.allocated_bytes)))
        remedy = f"bring it back, or replace it before anything else: {_replace(device, at)}; do not balance until then"
        yield Finding(
            MISSING_ID, Severity.P1, claim, None, tuple(evidence), remedy, (), True, subject=str(device.devid)
        )


def _replace(device: Device, mountpoint: str) -> str:
    return f"{commands.line('btrfs', 'replace', 'start', str(device.devid))} NEW_DEVICE {commands.line(mountpoint)}"


MISSING_LINE = "a device of the btrfs is missing"
MISSING_ALERT = Alert(
    "DockerDiskDeviceMissing", Severity.P1, "", "critical", "a device of the btrfs is missing: another loss may end it"
)
MISSING = Cause(MISSING_ID, None, None, None, MISSING_LINE, detect_missing, alert=MISSING_ALERT)
