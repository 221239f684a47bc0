"""The figures of a filesystem on which no Docker root was found: true, but perhaps not those that matter."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact, Unavailable

ID = "no-docker-root"


def detect(context: FindingContext) -> Iterable[Finding]:
    """A filesystem was measured, and Docker is not on it."""
    root = context.snapshot.docker_root
    if isinstance(root, Unavailable) and isinstance(context.study.occupancy, Exact):
        where = context.study.filesystem.mount.mountpoint
        claim = f"no Docker root was found: these are the figures of {where}, where it would usually be"
        why = (("reason", f"{root.why}: {root.detail}"),)
        remedy = "name it with --docker-root, or run where it can be seen"
        yield Finding(ID, Severity.P4, claim, None, why, remedy, (), False)


LINE = "no Docker root was found; the figures are those of the place where it usually is"
CAUSE = Cause(ID, None, None, None, LINE, detect)
