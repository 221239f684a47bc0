"""Waiting until btrfs' cleaner has cleaned up what is deleted by now."""

from __future__ import annotations

from pathlib import Path

from collectors.filesystems.btrfs import changes as btrfs_changes
from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.reclaim import measure
from collectors.reclaim.act import REMOVED, Act, EventKind, failed
from collectors.reclaim.tools import WholeStep
from collectors.system.deadline import Declined


class Cleaner(WholeStep):
    """Removes nothing itself; tells which of the step's subvolumes are gone afterwards."""

    def perform(self, step: Step, acts: dict[Owner, Act]) -> Act:
        tools = self._tools
        mountpoint = tools.context.mountpoint

        def waiting(left: int, total: int) -> bool:
            text = "subvolumes wait for the cleaner"
            tools.tell(EventKind.WAITING, step, text=text, done=total - left, total=total)
            return not tools.cancelled()

        said = measure.settle(mountpoint, tools.context.cleaner_timeout_s, tools.stuck, waiting)
        acts.update(self._acts(step, said))
        note = "; ".join(dict.fromkeys(act.reason for act in acts.values() if act.reason))
        return Act(all(act.removed for act in acts.values()), note)

    def _acts(self, step: Step, said: str) -> dict[Owner, Act]:
        try:
            left = {str(number) for number in btrfs_changes.pending(Path(self._tools.context.mountpoint))}
        except (OSError, Declined) as error:
            return dict.fromkeys(step.targets, failed(said or str(error)))
        return {target: failed(said or "still pending") if target.id in left else REMOVED for target in step.targets}
