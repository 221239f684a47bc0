"""Files outside Docker on the same filesystem: largest directories, what containers write to, what a mount hides."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, count, largest
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
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
        claim = f"{count(len(items), 'host directory', 'host directories')} mounted into containers"
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
