"""Core dumps that systemd-coredump keeps. Removing old ones is proposed to a person, never done.

Core dumps in writable layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, detect_folders, detect_inside, estimate, folder_of
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.plan import Harm, Risk
from collectors.model.store import UnitKind

ID = "core-dumps"
_FOLDER = re.compile(r".*/systemd/coredump(/.*)?")
_KEPT_DAYS = 3


def detect(context: FindingContext) -> Iterable[Finding]:
    """Their directories together, as far as they are notable."""
    remedy = "inspect them with coredumpctl, then MaxUse= in coredump.conf"
    return detect_folders(context, ID, _FOLDER, "core dumps", remedy)


def propose(context: PlanContext) -> Proposal:
    """One proposal."""
    found = folder_of(context, ID)
    if found is None:
        return Proposal()
    folder, size = found
    words = ("-xdev", "-type", "f", "-name", "core.*", "-mtime", f"+{_KEPT_DAYS}", "-delete")
    draft = Draft(
        id=ID,
        action="core-dumps.remove",
        title=f"Remove core dumps older than {_KEPT_DAYS} days",
        command=commands.line("find", folder, *words),
        targets=(),
        rank=140,
        within=(ID,),
        harm=Harm.HISTORY,
        risk=Risk.DESTRUCTIVE,
        needs="a person who has looked at them (coredumpctl list); then MaxUse= in coredump.conf",
        costs="the crashes can no longer be analysed",
        undo="none",
        automatic=False,
        estimate=estimate(context, ID, size, size, "how old each of them is was not read"),
    )
    return Proposal((draft,))


LINE = "core dumps of the host"
NO_STEP = "which directory holds them is not known"
CAUSE = Cause(ID, Category.OTHER_FILES, None, Harm.HISTORY, LINE, detect, propose, no_step=NO_STEP)


CONTAINER_ID = "container-core-dumps"


def detect_container(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    remedy = "copy out what is needed, remove it, set ulimit core=0"
    return detect_inside(context, CONTAINER_ID, UnitKind.CORE_DUMP, "core dump", remedy)


CONTAINER_LINE = "core dumps in the writable layers of containers"
CONTAINER = Cause(
    CONTAINER_ID,
    Category.CONTAINERS,
    None,
    None,
    CONTAINER_LINE,
    detect_container,
    inside=UnitKind.CORE_DUMP,
    no_step="they lie in the layer of a container that stays",
)
