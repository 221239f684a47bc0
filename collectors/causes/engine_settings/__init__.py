"""The engine itself: it does not answer, or nothing bounds its logs and its build cache."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, of_docker
from collectors.model.engine import Flavour
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Exact, Unavailable

LOGS_ID = "no-log-rotation"


def detect_logs(context: FindingContext) -> Iterable[Finding]:
    """daemon.json leaves json-file logs without a size limit."""
    found = of_docker(context)
    if found is not None and not found[1].logs_bounded and found[0].logging_driver == "json-file":
        claim = f"no log rotation is configured in {found[1].path}: a container's log grows without limit"
        remedy = 'set "log-opts": {"max-size": "10m", "max-file": "3"}; it holds for containers made afterwards'
        yield Finding(LOGS_ID, Severity.P4, claim, None, (), remedy, (), True)


LOGS_LINE = "daemon.json sets no size limit for the logs of containers"
LOGS = Cause(LOGS_ID, Category.LOGS, None, None, LOGS_LINE, detect_logs, of_engine=True)


CACHE_ID = "no-cache-ceiling"


def detect_cache(context: FindingContext) -> Iterable[Finding]:
    """daemon.json sets no size for it, and there is some."""
    found = of_docker(context)
    if found is not None and not found[1].build_cache_bounded and context.items(Category.BUILD_CACHE):
        claim = f"no size limit for the build cache is configured in {found[1].path}"
        remedy = 'set "builder": {"gc": {"enabled": true, "defaultKeepStorage": "20GB"}}'
        yield Finding(CACHE_ID, Severity.P4, claim, None, (), remedy, (), True)


CACHE_LINE = "daemon.json sets no size limit for the build cache"
CACHE = Cause(CACHE_ID, Category.BUILD_CACHE, None, None, CACHE_LINE, detect_cache, of_engine=True)


PRUNE_ID = "podman-prune"


def detect_prune(context: FindingContext) -> Iterable[Finding]:
    """The engine is Podman."""
    engine = context.snapshot.engine.engine
    if isinstance(engine, Exact) and engine.value.flavour is Flavour.PODMAN:
        claim = "Podman's volume prune over this API also removes named volumes"
        yield Finding(PRUNE_ID, Severity.P4, claim, None, (), "never use a blanket volume prune here", (), True)


PRUNE_LINE = "Podman's volume prune over this API also removes named volumes"
PRUNE = Cause(PRUNE_ID, Category.VOLUMES, None, None, PRUNE_LINE, detect_prune, of_engine=True)


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
