"""No ceiling for the build cache is configured: growth that nothing bounds is found before it hurts."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, of_docker
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category

ID = "no-cache-ceiling"


def detect(context: FindingContext) -> Iterable[Finding]:
    """daemon.json sets no size for it, and there is some."""
    found = of_docker(context)
    if found is not None and not found[1].build_cache_bounded and context.items(Category.BUILD_CACHE):
        claim = f"no size limit for the build cache is configured in {found[1].path}"
        remedy = 'set "builder": {"gc": {"enabled": true, "defaultKeepStorage": "20GB"}}'
        yield Finding(ID, Severity.P4, claim, None, (), remedy, (), True)


LINE = "daemon.json sets no size limit for the build cache"
CAUSE = Cause(ID, Category.BUILD_CACHE, None, None, LINE, detect)
