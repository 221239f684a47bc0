"""Devices of a btrfs that have failed to read or write."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.btrfs import Btrfs
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact

ID = "btrfs-device-errors"


def detect(context: FindingContext) -> Iterable[Finding]:
    """One finding a device whose counters are not all zero."""
    facts = context.facts(Btrfs)
    for device in facts.devices.value if facts is not None and isinstance(facts.devices, Exact) else ():
        errors = device.errors.value if isinstance(device.errors, Exact) else ()
        seen = tuple((name, str(count)) for name, count in errors if count)
        if seen:
            claim = f"device {device.path} has errors"
            yield Finding(ID, Severity.P1, claim, None, seen, "scrub, and replace the device", (), True)


LINE = "a device of the btrfs counts errors"
CAUSE = Cause(ID, None, None, None, LINE, detect)
