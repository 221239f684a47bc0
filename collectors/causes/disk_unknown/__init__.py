"""A filesystem that could not be asked how full it is: a finding too, never a zero."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Unavailable

ID = "disk-unknown"


def detect(context: FindingContext) -> Iterable[Finding]:
    """statvfs failed."""
    space = context.study.filesystem.space
    if isinstance(space, Unavailable):
        why = (("reason", f"{space.why}: {space.detail}"),)
        remedy = "run where the Docker root can be seen"
        yield Finding(ID, Severity.P2, "how full the disk is could not be read", None, why, remedy, (), False)


LINE = "how full the disk is could not be read"
CAUSE = Cause(ID, None, None, None, LINE, detect, symptom=True, wants_step=False)
