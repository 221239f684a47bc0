"""The system journal. Shortening it is proposed to a person, never done."""

from __future__ import annotations

import re
from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, detect_folders, estimate, folder_of
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.plan import Harm, Risk

ID = "journald"
# One folder a machine id, wherever its parent is mounted.
_FOLDER = re.compile(r".*/log/journal(/[0-9a-f]{32})?(/.*)?")
_KEPT_BYTES, _KEPT = 500 << 20, "500M"


def detect(context: FindingContext) -> Iterable[Finding]:
    """Its directories together, as far as they are notable."""
    remedy = "journalctl --vacuum-size=500M, then SystemMaxUse= in journald.conf"
    return detect_folders(context, ID, _FOLDER, "the system journal", remedy)


def propose(context: PlanContext) -> Proposal:
    """One proposal, if anything would come free."""
    found = folder_of(context, ID)
    if found is None:
        return Proposal()
    folder, size = found
    if size <= _KEPT_BYTES:
        said = f"The system journal: vacuuming it to the usual {_KEPT} would free nothing, since it holds less."
        return Proposal((), (said,), answered=True)
    method = "whole archived files are removed, those in use stay"
    draft = Draft(
        id=ID,
        action="journal.vacuum",
        title=f"Shorten the system journal to {_KEPT}",
        command=commands.line("journalctl", f"--directory={folder}", f"--vacuum-size={_KEPT}"),
        targets=(),
        rank=140,
        within=(ID,),
        harm=Harm.HISTORY,
        risk=Risk.DESTRUCTIVE,
        needs="a person who does not need the older entries; then SystemMaxUse= in journald.conf, or it grows back",
        costs="the oldest entries are lost; files in use stay",
        undo="none",
        automatic=False,
        estimate=estimate(context, ID, size - _KEPT_BYTES, size, method),
    )
    return Proposal((draft,))


LINE = "the system journal"
NO_STEP = "which directory holds it is not known"
CAUSE = Cause(ID, Category.OTHER_FILES, None, Harm.HISTORY, LINE, detect, propose, no_step=NO_STEP)
