"""No log rotation is configured: growth that nothing bounds is found before it hurts."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, of_docker
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category

ID = "no-log-rotation"


def detect(context: FindingContext) -> Iterable[Finding]:
    """daemon.json leaves json-file logs without a size limit."""
    found = of_docker(context)
    if found is not None and not found[1].logs_bounded and found[0].logging_driver == "json-file":
        claim = f"no log rotation is configured in {found[1].path}: a container's log grows without limit"
        remedy = 'set "log-opts": {"max-size": "10m", "max-file": "3"}; it holds for containers made afterwards'
        yield Finding(ID, Severity.P4, claim, None, (), remedy, (), True)


LINE = "daemon.json sets no size limit for the logs of containers"
CAUSE = Cause(ID, Category.LOGS, None, None, LINE, detect)
