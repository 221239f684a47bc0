"""An engine that does not answer hides what is in use.

The figures of a filesystem on which no Docker root was found: true, but perhaps not those that matter.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Unavailable

UNREACHABLE_ID = "engine-unreachable"


def detect_unreachable(context: FindingContext) -> Iterable[Finding]:
    """It was asked, and there is no answer, and a store is here that only an engine can tell the use of."""
    engine = context.snapshot.engine.engine
    if isinstance(engine, Unavailable) and not context.snapshot.alone:
        claim = "the engine did not answer: what is in use is not known"
        why = (("reason", f"{engine.why}: {engine.detail}"),)
        remedy = "check the engine and the permission on its socket"
        yield Finding(UNREACHABLE_ID, Severity.P3, claim, None, why, remedy, (), False)


UNREACHABLE_LINE = "the engine does not answer: what is in use is not known"
UNREACHABLE = Cause(UNREACHABLE_ID, None, None, None, UNREACHABLE_LINE, detect_unreachable, of_engine=True)


NO_ROOT_ID = "no-docker-root"


def detect_no_root(context: FindingContext) -> Iterable[Finding]:
    """A filesystem was measured, and perhaps Docker is not on it."""
    root = context.snapshot.docker_root
    if isinstance(root, Unavailable) and context.snapshot.assumed:
        where = context.study.filesystem.mount.mountpoint
        claim = f"no Docker root was found: these are the figures of {where}, where it would usually be"
        why = (("reason", f"{root.why}: {root.detail}"),)
        remedy = "name it with --docker-root, or run where it can be seen"
        yield Finding(NO_ROOT_ID, Severity.P4, claim, None, why, remedy, (), False)


NO_ROOT_LINE = "no Docker root was found; the figures are those of the place where it usually is"
NO_ROOT = Cause(NO_ROOT_ID, None, None, None, NO_ROOT_LINE, detect_no_root, of_engine=True)
