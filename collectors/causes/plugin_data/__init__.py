"""A plugin that logs into its own root filesystem."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.causes.leftovers import detect_leftovers
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.store import UnitKind

ID = "plugin-data"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All plugins together."""
    claim, remedy = "plugins keep data of their own", "inspect the plugin's logs"
    return detect_leftovers(context, ID, UnitKind.PLUGIN, claim, remedy)


LINE = "data that plugins keep in their own root filesystems"
CAUSE = Cause(ID, Category.DOCKER_OTHER, None, None, LINE, detect)
