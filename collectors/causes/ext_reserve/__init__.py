"""Blocks of an ext filesystem that only root may use: meant for a root filesystem's daemons, wasted on a data disk."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact, Origin

ID = "ext-reserve"


def detect(context: FindingContext) -> Iterable[Finding]:
    """More is kept back than a data disk needs."""
    space = context.space
    if space is None or not context.study.filesystem.mount.fstype.startswith("ext"):
        return
    kept = space.free_bytes - space.available_bytes
    if kept > context.limits.reserve_share * space.total_bytes and context.notable(kept):
        origin = Origin("diagnosis", "f_bfree − f_bavail", context.snapshot.ended_at, 0.0)
        remedy = f"on a data disk: tune2fs -m 1 {context.study.filesystem.mount.source}"
        claim = "blocks that only root may use"
        yield Finding(ID, Severity.P4, claim, Exact(kept, origin), (), remedy, (), True)


LINE = "blocks of ext4 that only root may use, on a disk of data"
NO_STEP = "nothing has to go for it: the filesystem keeps these blocks back"
CAUSE = Cause(ID, None, None, None, LINE, detect, symptom=True, no_step=NO_STEP)
