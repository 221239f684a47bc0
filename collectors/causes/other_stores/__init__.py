"""What a switch of storage driver or image store left behind. Only proposed: it may be the way back.

Engines inside containers that keep a whole Docker root of their own.

A plugin that logs into its own root filesystem.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.engine_leftovers import ENGINE_STOPPED, detect_leftovers, leftover_targets, leftovers
from collectors.causes.finding_context import FindingContext, detect_inside
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.owner import OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.store import Unit, UnitKind

DRIVER_ID = "other-driver"


def detect_driver(context: FindingContext) -> Iterable[Finding]:
    """All drivers that are not in use, together."""
    claim = "data of a storage driver that is not in use"
    remedy = "archive what is needed, then remove the directory with the engine stopped"
    return detect_leftovers(context, DRIVER_ID, UnitKind.OTHER_DRIVER, claim, remedy)


def propose_driver(context: PlanContext) -> Proposal:
    """One proposal a driver."""
    return Proposal(tuple(_draft_driver(context, name, units) for name, units in sorted(_by_driver(context).items())))


def _by_driver(context: PlanContext) -> dict[str, list[Unit]]:
    """The directories, and on btrfs the subvolumes in them, of each driver that is not in use."""
    found: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in leftovers(context, UnitKind.OTHER_DRIVER):
        found[unit.name.partition(":")[0].removeprefix("image/").partition("/")[0] or unit.name].append(unit)
    return found


def _draft_driver(context: PlanContext, name: str, units: list[Unit]) -> Draft:
    mount = context.ledger.filesystem.mount
    folders = sorted(unit.path for unit in units if unit.path.startswith("/"))
    inside = {commands.reachable(mount, u.path).rpartition("/")[0] for u in units if not u.path.startswith("/")}
    first = [f"btrfs subvolume delete {commands.quote(folder)}/*" for folder in sorted(inside)]
    archive = commands.line("tar", "--create", "--zstd", "--file", f"/OTHER-DISK/{name}.tar.zst", "--", *folders)
    return Draft(
        id=f"{DRIVER_ID}:{name}",
        action="former-driver.remove",
        title=f"Remove what the storage driver {name}, which is not in use, left behind",
        command=" && ".join((*first, commands.remove_trees(*folders))),
        targets=leftover_targets(units),
        rank=210,
        within=(name,),
        harm=Harm.STATE,
        risk=Risk.DESTRUCTIVE,
        needs=f"{ENGINE_STOPPED}; {commands.NOTHING_MOUNTED}; "
        f"first an archive of what may still be wanted, on another disk: {archive}",
        costs="the images, containers and layers of that driver are lost, and so is the chance to return to it",
        undo="none; only from the archive",
        automatic=False,
    )


DRIVER_LINE = "data of a storage driver or image store that is not in use"
DRIVER = Cause(
    DRIVER_ID, Category.DOCKER_OTHER, OwnerKind.LEFTOVER, Harm.STATE, DRIVER_LINE, detect_driver, propose_driver
)


NESTED_ID = "nested-root"


def detect_nested(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    remedy = "prune with the inner engine"
    return detect_inside(context, NESTED_ID, UnitKind.NESTED_ROOT, "Docker root inside a container", remedy)


NESTED_LINE = "a whole Docker root inside a container or volume"
NESTED = Cause(NESTED_ID, None, None, None, NESTED_LINE, detect_nested, inside=UnitKind.NESTED_ROOT)


PLUGIN_ID = "plugin-data"


def detect_plugin(context: FindingContext) -> Iterable[Finding]:
    """All plugins together."""
    claim, remedy = "plugins keep data of their own", "inspect the plugin's logs"
    return detect_leftovers(context, PLUGIN_ID, UnitKind.PLUGIN, claim, remedy)


PLUGIN_LINE = "data that plugins keep in their own root filesystems"
PLUGIN = Cause(PLUGIN_ID, Category.DOCKER_OTHER, None, None, PLUGIN_LINE, detect_plugin)
