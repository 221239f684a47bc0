"""A snapshot that a person named, if read-only and mounted nowhere; and the wait for what is dropped already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from collectors.causes.base import reachable
from collectors.filesystems import freeing as btrfs_changes
from collectors.filesystems.btrfs import filesystem as btrfs_filesystem
from collectors.filesystems.btrfs import mounted_subvolumes
from collectors.model import Owner
from collectors.model.btrfs import Subvolume
from collectors.model.filesystem import Mount
from collectors.model.plan import Step
from collectors.model.reading import Exact
from collectors.reclaim import GONE, REMOVED, Act, EventKind, engine_and_disk, failed, skipped
from collectors.reclaim.preconditions import given_to_container, mounted_inside
from collectors.reclaim.tools import Remover, WholeStep
from collectors.system.deadline import Declined
from collectors.system.mountinfo import mounts as mount_table


class Snapshots(Remover):
    """A read-only copy that is mounted nowhere, which a person named."""

    def act(self, step: Step, target: Owner) -> Act:
        context, name = self._tools.context, target.id
        mounts = mount_table(context.host, timeout_s=5.0)
        facts = btrfs_filesystem(Path(context.mountpoint), context.host, timeout_s=20.0)
        if not isinstance(mounts, Exact) or not isinstance(facts, Exact):
            return skipped("the mounts and subvolumes could not be read again")
        listed = facts.value.subvolumes.value if isinstance(facts.value.subvolumes, Exact) else ()
        kept = _kept(name, listed, mounts.value)
        if kept is not None:
            return kept
        mount = next((m for m in reversed(mounts.value) if m.mountpoint == context.mountpoint), None)
        path = reachable(mount, name) if mount else ""
        if not btrfs_changes.is_subvolume(Path(path)):
            return skipped("it lies outside what is mounted here")
        return self._destroy(path)

    def _destroy(self, path: str) -> Act:
        engine, host = self._tools.engine, self._tools.context.host
        if reason := mounted_inside(host, path) or given_to_container(engine, host, path):
            return skipped(reason)
        try:
            btrfs_changes.destroy(Path(path))
        except OSError as error:
            return failed(error.strerror or str(error))
        return REMOVED


def _kept(name: str, listed: Iterable[Subvolume], mounts: Sequence[Mount]) -> Act | None:
    """Why it is not to be removed, from what btrfs lists and what is mounted; None where nothing speaks against it."""
    found = next((s for s in listed if s.path == name and not s.deleted), None)
    if found is None:
        return GONE
    if not found.parent_uuid:
        return skipped("it is not a snapshot")
    return skipped("it is mounted") if name in mounted_subvolumes(mounts) else None


class Cleaner(WholeStep):
    """Removes nothing itself; tells which of the step's subvolumes are gone afterwards."""

    def perform(self, step: Step, acts: dict[Owner, Act]) -> Act:
        tools = self._tools
        mountpoint = tools.context.mountpoint

        def waiting(left: int, total: int) -> bool:
            text = "subvolumes wait for the cleaner"
            tools.tell(EventKind.WAITING, step, text=text, done=total - left, total=total)
            return not tools.cancelled()

        said = engine_and_disk.settle(mountpoint, tools.context.cleaner_timeout_s, tools.stuck, waiting)
        acts.update(self._acts(step, said))
        note = "; ".join(dict.fromkeys(act.reason for act in acts.values() if act.reason))
        return Act(all(act.removed for act in acts.values()), note)

    def _acts(self, step: Step, said: str) -> dict[Owner, Act]:
        try:
            left = {str(number) for number in btrfs_changes.pending(Path(self._tools.context.mountpoint))}
        except (OSError, Declined) as error:
            return dict.fromkeys(step.targets, failed(said or str(error)))
        return {target: failed(said or "still pending") if target.id in left else REMOVED for target in step.targets}
