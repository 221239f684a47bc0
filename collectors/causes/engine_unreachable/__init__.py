"""An engine that does not answer hides what is in use."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Unavailable

ID = "engine-unreachable"


def detect(context: FindingContext) -> Iterable[Finding]:
    """It was asked, and there is no answer."""
    engine = context.snapshot.engine.engine
    if isinstance(engine, Unavailable):
        claim = "the engine did not answer: what is in use is not known"
        why = (("reason", f"{engine.why}: {engine.detail}"),)
        remedy = "check the engine and the permission on its socket"
        yield Finding(ID, Severity.P3, claim, None, why, remedy, (), False)


LINE = "the engine does not answer: what is in use is not known"
CAUSE = Cause(ID, None, None, None, LINE, detect)
