"""What is removed on disk, past the engine: a log's content, proved orphans, a snapshot that a person named."""

from __future__ import annotations

from pathlib import Path

from collectors.filesystems.btrfs import filesystem as btrfs_filesystem
from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.model.reading import Exact
from collectors.remediation.apply import btrfs_actions, log_truncate, orphans, recheck
from collectors.remediation.apply.act import GONE, REMOVED, Act, failed, skipped
from collectors.remediation.apply.handler import Handler
from collectors.remediation.apply.tools import Tools
from collectors.remediation.plan.leftovers import reachable
from collectors.system.mountinfo import mounts as mount_table


class Logs(Handler):
    """Truncated in place; the container goes on writing."""

    def before(self, step: Step) -> str:
        return "" if self._tools.context.docker_root else "the Docker root is not known"

    def act(self, step: Step, target: Owner) -> Act:
        context, name = self._tools.context, target.id
        reply = self._tools.wire.get(f"/containers/{name}/json")
        if reply.status == 404:
            return GONE
        if not reply.ok or not isinstance(reply.body, dict):
            return failed(reply.message)
        if reason := recheck.log(reply.body, context.rules):
            return skipped(reason)
        live = log_truncate.live_log(Path(context.docker_root or ""), name)
        if live is None:
            return GONE
        return log_truncate.truncate(live, context.state, name, context.rules.log_tail_bytes)


class Orphans(Handler):
    """Each proved again; the engine idle or stopped."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._prover = orphans.Prover(tools.context, tools.wire)

    def before(self, step: Step) -> str:
        # What a probe saw under the root may be another directory under the same path here, or none: not "gone".
        return "" if self._tools.context.docker_root else "the Docker root is not known"

    def act(self, step: Step, target: Owner) -> Act:
        path = target.id
        if not Path(path).exists():
            return GONE
        if reason := self._prover.why_not(path):
            return skipped(reason)
        return orphans.remove(Path(path))

    def still_there(self, target: Owner) -> bool | None:
        return Path(target.id).exists()


class Snapshots(Handler):
    """A read-only copy that is mounted nowhere, which a person named."""

    def act(self, step: Step, target: Owner) -> Act:
        context, name = self._tools.context, target.id
        mounts = mount_table(context.host, timeout_s=5.0)
        facts = btrfs_filesystem(Path(context.mountpoint), context.host, timeout_s=20.0)
        if not isinstance(mounts, Exact) or not isinstance(facts, Exact):
            return skipped("the mounts and subvolumes could not be read again")
        listed = facts.value.subvolumes.value if isinstance(facts.value.subvolumes, Exact) else ()
        found = next((s for s in listed if s.path == name and not s.deleted), None)
        if found is None:
            return GONE
        if not found.parent_uuid:
            return skipped("it is not a snapshot")
        if any(m.fstype == "btrfs" and m.root.strip("/") == name for m in mounts.value):
            return skipped("it is mounted")
        mount = next((m for m in reversed(mounts.value) if m.mountpoint == context.mountpoint), None)
        path = reachable(mount, name) if mount else ""
        if not btrfs_actions.is_subvolume(Path(path)):
            return skipped("it lies outside what is mounted here")
        try:
            btrfs_actions.destroy(Path(path))
        except OSError as error:
            return failed(error.strerror or str(error))
        return REMOVED
