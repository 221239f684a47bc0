"""Files below a directory that another mount lies over: they take space, and no path leads to them."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, largest
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.reading import charged

ID = "hidden-below-mount"


def detect(context: FindingContext) -> Iterable[Finding]:
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
        yield Finding(ID, context.severity(amount), claim, amount, largest(hidden), remedy, (), True)


LINE = "files below a directory that another mount lies over"
CAUSE = Cause(ID, Category.OTHER_FILES, None, None, LINE, detect)
