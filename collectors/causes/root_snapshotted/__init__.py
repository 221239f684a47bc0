"""The Docker root lies inside a subvolume that is snapshotted: each snapshot pins its volumes and logs."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, count
from collectors.model.btrfs import Btrfs
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Unavailable

ID = "root-snapshotted"


def detect(context: FindingContext) -> Iterable[Finding]:
    """The smallest subvolume around the root has snapshots."""
    facts, root = context.facts(Btrfs), context.snapshot.docker_root
    if facts is None or isinstance(facts.subvolumes, Unavailable) or isinstance(root, Unavailable):
        return
    mount = context.study.filesystem.mount
    below = root.value.removeprefix(mount.mountpoint).strip("/")
    inside = "/".join(part for part in (mount.root.strip("/"), below) if part)
    holding = [
        s for s in facts.subvolumes.value if not s.deleted and (not s.path or f"{inside}/".startswith(f"{s.path}/"))
    ]
    home = max(holding, key=lambda s: len(s.path), default=None)
    if home is None:
        return
    copies = [s for s in facts.subvolumes.value if s.parent_uuid and s.parent_uuid == home.uuid and not s.deleted]
    if copies:
        copied = count(len(copies), "snapshot")
        claim = f"the Docker root lies in a subvolume that has {copied}: each pins its volumes and logs"
        evidence = tuple(("snapshot", s.path) for s in copies[:5])
        yield Finding(ID, Severity.P3, claim, None, evidence, "put the Docker root on a subvolume of its own", (), True)


LINE = "snapshots of the subvolume that the Docker root lies in pin its volumes and logs"
CAUSE = Cause(ID, Category.SNAPSHOTS, None, None, LINE, detect)
