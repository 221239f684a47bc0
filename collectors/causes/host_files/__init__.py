"""Files outside Docker on the same filesystem: the largest directories, the system's journal, core dumps."""

from __future__ import annotations

import re
from collections.abc import Iterable

from collectors.causes import base
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import (
    FindingContext,
    count,
    detect_folders,
    detect_inside,
    estimate,
    folder_of,
    largest,
    mostly,
)
from collectors.causes.plan_context import PlanContext
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import charged
from collectors.model.store import UnitKind

ID = "host-files"


def detect(context: FindingContext) -> Iterable[Finding]:
    """They are more than a third of what is used."""
    row = context.ledger.row(Category.OTHER_FILES)
    if context.used_bytes and charged(row.charged) > context.used_bytes // 3:
        evidence = largest(context.items(Category.OTHER_FILES))
        claim, remedy = "files outside Docker on the same filesystem", "inspect the largest directories"
        yield Finding(ID, Severity.P4, claim, row.charged, evidence, remedy, (), True)


LINE = "files outside Docker on the same filesystem, with the largest directories"
NO_STEP = "only who put these files there can tell which may go"
CAUSE = Cause(ID, Category.OTHER_FILES, None, None, LINE, detect, no_step=NO_STEP)


BIND_ID = "bind-mounts"


def detect_bind(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    items = context.in_state(Category.OTHER_FILES, UnitKind.BIND.value)
    amount = context.sum(item.referenced for item in items)
    if items and context.notable(charged(amount)):
        evidence = tuple((f"{item.name} of {item.owner}", item.referenced) for item in items[:5])
        claim = f"{count(len(items), 'host directory', 'host directories')} mounted into containers{mostly(items)}"
        yield Finding(BIND_ID, Severity.P4, claim, amount, evidence, "inspect the containers' data", (), True)


BIND_LINE = "host directories that containers write to"
BIND_NO_STEP = "containers are given these directories for data that is to stay"
BIND = Cause(BIND_ID, Category.OTHER_FILES, None, None, BIND_LINE, detect_bind, no_step=BIND_NO_STEP)


HIDDEN_ID = "hidden-below-mount"


def detect_hidden(context: FindingContext) -> Iterable[Finding]:
    """What lies below the covered directories, as far as it is notable."""
    hidden = [
        item
        for item in context.items(Category.OTHER_FILES)
        if any(item.name == path or item.name.startswith(f"{path}/") for path in context.study.covered)
    ]
    amount = context.sum(item.referenced for item in hidden)
    if hidden and context.notable(charged(amount)):
        claim = f"files hidden below a mount, in {hidden[0].name}"
        remedy = "bind-mount the filesystem elsewhere without its submounts, look, and move them away"
        yield Finding(HIDDEN_ID, context.severity(amount), claim, amount, largest(hidden), remedy, (), True)


HIDDEN_LINE = "files below a directory that another mount lies over"
HIDDEN_NO_STEP = "no path leads to them while the mount lies over them"
HIDDEN = Cause(HIDDEN_ID, Category.OTHER_FILES, None, None, HIDDEN_LINE, detect_hidden, no_step=HIDDEN_NO_STEP)


JOURNALD_ID = "journald"
# One folder a machine id, wherever its parent is mounted.
_FOLDER = re.compile(r".*/log/journal(/[0-9a-f]{32})?(/.*)?")
_KEPT_BYTES, _KEPT = 500 << 20, "500M"


def detect_journald(context: FindingContext) -> Iterable[Finding]:
    """Its directories together, as far as they are notable."""
    remedy = "journalctl --vacuum-size=500M, then SystemMaxUse= in journald.conf"
    return detect_folders(context, JOURNALD_ID, _FOLDER, "the system journal", remedy)


def propose_journald(context: PlanContext) -> Proposal:
    """One proposal, if anything would come free."""
    found = folder_of(context, JOURNALD_ID)
    if found is None:
        return Proposal()
    folder, size = found
    if size <= _KEPT_BYTES:
        said = f"The system journal: no step, because it holds less than the usual limit of {_KEPT}."
        return Proposal((), (said,), answered=True)
    method = "whole archived files are removed, those in use stay"
    draft = Draft(
        id=JOURNALD_ID,
        action="journal.vacuum",
        title=f"Shorten the system journal to {_KEPT}",
        command=base.command("journalctl", f"--directory={folder}", f"--vacuum-size={_KEPT}"),
        targets=(),
        rank=140,
        within=(JOURNALD_ID,),
        harm=Harm.HISTORY,
        risk=Risk.DESTRUCTIVE,
        needs="a person who does not need the older entries; then SystemMaxUse= in journald.conf, or it grows back",
        costs="the oldest entries are lost; files in use stay",
        undo="none",
        automatic=False,
        estimate=estimate(context, JOURNALD_ID, size - _KEPT_BYTES, size, method),
    )
    return Proposal((draft,))


JOURNALD_LINE = "the system journal"
JOURNALD_NO_STEP = "which directory holds it is not known"
JOURNALD = Cause(
    JOURNALD_ID,
    Category.OTHER_FILES,
    None,
    Harm.HISTORY,
    JOURNALD_LINE,
    detect_journald,
    propose_journald,
    no_step=JOURNALD_NO_STEP,
)


CORES_ID = "core-dumps"
_CORES_FOLDER = re.compile(r".*/systemd/coredump(/.*)?")
_KEPT_DAYS = 3


def detect_cores(context: FindingContext) -> Iterable[Finding]:
    """Their directories together, as far as they are notable."""
    remedy = "inspect them with coredumpctl, then MaxUse= in coredump.conf"
    return detect_folders(context, CORES_ID, _CORES_FOLDER, "core dumps", remedy)


def propose_cores(context: PlanContext) -> Proposal:
    """One proposal."""
    found = folder_of(context, CORES_ID)
    if found is None:
        return Proposal()
    folder, size = found
    words = ("-xdev", "-type", "f", "-name", "core.*", "-mtime", f"+{_KEPT_DAYS}", "-delete")
    draft = Draft(
        id=CORES_ID,
        action="core-dumps.remove",
        title=f"Remove core dumps older than {_KEPT_DAYS} days",
        command=base.command("find", folder, *words),
        targets=(),
        rank=140,
        within=(CORES_ID,),
        harm=Harm.HISTORY,
        risk=Risk.DESTRUCTIVE,
        needs="a person who has looked at them (coredumpctl list); then MaxUse= in coredump.conf",
        costs="the crashes can no longer be analysed",
        undo="none",
        automatic=False,
        estimate=estimate(context, CORES_ID, size, size, "how old each of them is was not read"),
    )
    return Proposal((draft,))


CORES_LINE = "core dumps of the host"
CORES_NO_STEP = "which directory holds them is not known"
CORES = Cause(
    CORES_ID, Category.OTHER_FILES, None, Harm.HISTORY, CORES_LINE, detect_cores, propose_cores, no_step=CORES_NO_STEP
)


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
