"""What nothing bounds: logs and build cache that the engine's settings let grow; and an engine that does not answer.

Truncating a live container's log is for experts, with the tail set aside; rotation is the real remedy. From engine 23
on the daemon remembers its own idea of the file's size, so `docker logs --tail` and `--follow` stay silent after a
truncation until the container restarts. The step says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import base, containers_and_volumes
from collectors.causes.base import KEPT, Cause, Draft, Proposal, because
from collectors.causes.finding_context import FindingContext, count, largest, mostly, of_docker, owners
from collectors.causes.plan_context import TRUNCATABLE, PlanContext, large_logs
from collectors.model import Owner, OwnerKind
from collectors.model.engine import Container, Flavour
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import Exact, Unavailable, charged
from collectors.model.store import ContainerLog

ID = "logs-unbounded"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All logs without a limit together: a culprit above a size, and worth a line below it."""
    free = [i for i in context.items(Category.LOGS) if i.state.endswith("no rotation")]
    amount = context.sum(item.referenced for item in free)
    if free and (charged(amount) >= context.limits.log_bytes or context.notable(charged(amount))):
        claim = f"{count(len(free), 'container log')} without a size limit{mostly(free)}"
        remedy = "set log-opts max-size and max-file, recreate the containers"
        yield Finding(ID, context.severity(amount), claim, amount, largest(free), remedy, owners(free), True)


def propose(context: PlanContext) -> Proposal:
    """One step for each large log, of a stopped container too: that goes on without its log's history."""
    listed = context.containers()
    by_id = {str(container.id): container for container in listed or ()}
    large = context.once(large_logs)
    ended = {draft.targets[0].id: draft for draft in context.once(containers_and_volumes.propose).drafts}
    keeps = [by_id[i].name for i in large if containers_and_volumes.kept(context, by_id[i])]
    drafts = tuple(
        _draft(context, log, by_id[i], ended.get(i)) for i, log in large.items() if by_id[i].name not in keeps
    )
    return Proposal(drafts, reason=_reason(context, len(keeps), known=listed is not None))


def _reason(context: PlanContext, keeps: int, *, known: bool) -> str:
    """Why none is cut."""
    if not known:
        return "containers could not be listed"
    logs = context.snapshot.store.value.logs if isinstance(context.snapshot.store, Exact) else context.snapshot.store
    if not isinstance(logs, Exact):
        return f"log files could not be read ({logs.why}: {logs.detail})"
    small = sum(log.allocated_bytes < context.rules.log_bytes and not log.rotates for log in logs.value)
    foreign = sum(log.driver not in TRUNCATABLE for log in logs.value)
    stay = {
        KEPT: keeps,
        f"smaller than the {context.rules.log_bytes:,} bytes from which a log is cut (keep.log_bytes)": small,
        "written by a log driver whose file cannot be cut": foreign,
    }
    return because(stay, "the engine knows no container of theirs")


def _draft(context: PlanContext, log: ContainerLog, container: Container, removal: Draft | None) -> Draft:
    """`removal`: the step that removes the container, where it has ended; then its log is no riskier than that."""
    advice = "" if log.rotates else "set max-size for its log driver and create it again, or the log grows back; "
    small = removal is not None and removal.automatic
    return Draft(
        id=Owner(OwnerKind.LOG, log.container_id).text(),
        action="log.truncate",
        title=f"Truncate the log of the container {container.name}",
        command=base.truncate_log(log.paths[0], log.paths[1:], context.rules.log_tail_bytes),
        targets=(Owner(OwnerKind.LOG, log.container_id),),
        rank=130,
        within=(-log.allocated_bytes, log.container_id),
        harm=Harm.HISTORY,
        risk=Risk.CAREFUL if small else Risk.DESTRUCTIVE,
        needs=f"{advice}root on the engine's machine",
        costs=(
            "the log's history is lost except for its end; logs --tail and logs --follow of this container show "
            "nothing new until it restarts (engine 23 and later)"
        ),
        undo="none; the end of the log is kept in the state folder",
        automatic=True,
        claimed=Exact(log.allocated_bytes, context.origin("log files")),
        young_s=removal.young_s if removal is not None else 0.0,
    )


LINE = "container logs without a size limit"
REMOVER = "collectors.causes.logs_unbounded.remove:Logs"
CAUSE = Cause(ID, Category.LOGS, OwnerKind.LOG, Harm.HISTORY, LINE, detect, propose, REMOVER)


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
