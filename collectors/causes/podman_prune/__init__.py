"""Podman's volume prune over Docker's API takes named volumes too."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.engine import Flavour
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Exact

ID = "podman-prune"


def detect(context: FindingContext) -> Iterable[Finding]:
    """The engine is Podman."""
    engine = context.snapshot.engine.engine
    if isinstance(engine, Exact) and engine.value.flavour is Flavour.PODMAN:
        claim = "Podman's volume prune over this API also removes named volumes"
        yield Finding(ID, Severity.P4, claim, None, (), "never use a blanket volume prune here", (), True)


LINE = "Podman's volume prune over this API also removes named volumes"
CAUSE = Cause(ID, Category.VOLUMES, None, None, LINE, detect)
