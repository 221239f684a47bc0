"""A superblock that the kernel turned read-only: nothing that writes will help.

Devices of a btrfs that have failed to read or write.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.btrfs import Btrfs
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact

READ_ONLY_ID = "forced-read-only"


def detect_read_only(context: FindingContext) -> Iterable[Finding]:
    """Mounted for writing, and read-only all the same."""
    mount = context.study.filesystem.mount
    if "ro" in mount.super_options and "rw" in mount.options:
        claim = f"the kernel turned {mount.mountpoint} read-only after an error"
        remedy = "read the kernel log, stop writers, repair or replace; never prune now"
        yield Finding(READ_ONLY_ID, Severity.P0, claim, None, (("device", mount.source),), remedy, (), True)


READ_ONLY_LINE = "the kernel turned the filesystem read-only after an error"
READ_ONLY = Cause(READ_ONLY_ID, None, None, None, READ_ONLY_LINE, detect_read_only)


DEVICE_ID = "btrfs-device-errors"


def detect_device(context: FindingContext) -> Iterable[Finding]:
    """One finding a device whose counters are not all zero."""
    facts = context.facts(Btrfs)
    for device in facts.devices.value if facts is not None and isinstance(facts.devices, Exact) else ():
        errors = device.errors.value if isinstance(device.errors, Exact) else ()
        seen = tuple((name, str(count)) for name, count in errors if count)
        if seen:
            claim = f"device {device.path} has errors"
            yield Finding(DEVICE_ID, Severity.P1, claim, None, seen, "scrub, and replace the device", (), True)


DEVICE_LINE = "a device of the btrfs counts errors"
DEVICE = Cause(DEVICE_ID, None, None, None, DEVICE_LINE, detect_device)
