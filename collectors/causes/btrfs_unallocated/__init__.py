"""All disk is in chunks that are not full: the next kind that runs out cannot grow."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import btrfs_metadata
from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.btrfs import Btrfs
from collectors.model.finding import Finding, Severity
from collectors.model.plan import Harm
from collectors.model.reading import Unavailable, charged

ID = "btrfs-unallocated"


def detect(context: FindingContext) -> Iterable[Finding]:
    """Little is unallocated, and twice as much lies idle inside data chunks."""
    facts = context.facts(Btrfs)
    if facts is None or isinstance(facts.unallocated_bytes, Unavailable) or isinstance(facts.spaces, Unavailable):
        return
    left = charged(facts.unallocated_bytes)
    data = [space for space in facts.spaces.value if space.kind.lower() == "data"]
    slack = sum(space.logical_total_bytes - space.logical_used_bytes for space in data)
    chunk = min(context.limits.chunk_bytes, context.total_bytes // 10)
    if left < chunk and slack > 2 * chunk:
        evidence = (("unallocated", facts.unallocated_bytes), ("free space inside data chunks", context.exact(slack)))
        claim = "nearly all of the disk is in chunks that are not full"
        remedy = "balance data chunks by their fill, with a limit"
        yield Finding(ID, Severity.P3, claim, facts.unallocated_bytes, evidence, remedy, (), True)


LINE = "nearly all of the disk is in btrfs chunks that are not full"
CAUSE = Cause(ID, None, None, Harm.NONE, LINE, detect, btrfs_metadata.propose, btrfs_metadata.REMOVER, wants_step=False)
