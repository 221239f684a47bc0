"""Repositories that are rebuilt all day: rebuilding one tag again and again leaves an image behind each time."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import charged

ID = "churn"


def detect(context: FindingContext) -> Iterable[Finding]:
    """One finding a repository, from the journal and the engine's events."""
    for one in context.trend.churn:
        if one.rebuilds >= 3 and context.notable(charged(one.dangling_bytes)):
            claim = f"{one.repository} rebuilt {one.rebuilds} times since {one.since.strftime('%H:%M UTC')}"
            evidence = (("new bytes come from", one.busting_step),) if one.busting_step else ()
            remedy = "order the Dockerfile so that what changes most comes last; prune dangling images and build cache"
            yield Finding(ID, Severity.P3, claim, one.dangling_bytes, evidence, remedy, (), True)


LINE = "one tag is rebuilt again and again, and each time leaves an image behind"
NO_STEP = "what it leaves behind is answered as dangling images, and only its Dockerfile stops it"
CAUSE = Cause(ID, Category.IMAGES, None, None, LINE, detect, of_engine=True, no_step=NO_STEP)
