"""Truncating a live container's log: for experts, with the tail set aside. Rotation is the real remedy.

From engine 23 on the daemon remembers its own idea of the file's size, so `docker logs --tail` and `--follow` stay
silent after a truncation until the container restarts. The step says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands, stopped_containers
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Container
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Exact, charged
from collectors.model.store import ContainerLog

ID = "logs-unbounded"
TRUNCATABLE = frozenset({"json-file", "local"})  # the writer appends, so an emptied file starts again at 0


def detect(context: FindingContext) -> Iterable[Finding]:
    """All logs without a limit together: a culprit above a size, and worth a line below it."""
    free = [i for i in context.items(Category.LOGS) if i.state.endswith("no rotation")]
    amount = context.sum(item.referenced for item in free)
    if free and (charged(amount) >= context.limits.log_bytes or context.notable(charged(amount))):
        claim = f"{count(len(free), 'container log')} without a size limit"
        remedy = "set log-opts max-size and max-file, recreate the containers"
        yield Finding(ID, context.severity(amount), claim, amount, largest(free), remedy, owners(free), True)


def propose(context: PlanContext) -> Proposal:
    """One step for each large log of a container that no earlier step takes away whole."""
    removed = frozenset(t.id for draft in context.once(stopped_containers.propose).drafts for t in draft.targets)
    store = context.snapshot.store
    listed = context.containers()
    if not isinstance(store, Exact) or not isinstance(store.value.logs, Exact) or listed is None:
        return Proposal()
    by_id = {container.id: container for container in listed}
    drafts = [
        _draft(context, log, by_id[log.container_id])
        for log in store.value.logs.value
        if log.allocated_bytes >= context.rules.log_bytes
        and log.driver in TRUNCATABLE
        and log.paths
        and log.container_id in by_id
        and log.container_id not in removed
        and not stopped_containers.kept(context, by_id[log.container_id])
    ]
    return Proposal(tuple(drafts))


def _draft(context: PlanContext, log: ContainerLog, container: Container) -> Draft:
    advice = "" if log.rotates else "set max-size for its log driver and create it again, or the log grows back; "
    return Draft(
        id=Owner(OwnerKind.LOG, log.container_id).text(),
        action="log.truncate",
        title=f"Truncate the log of the container {container.name}",
        command=commands.truncate_log(log.paths[0], log.paths[1:], context.rules.log_tail_bytes),
        targets=(Owner(OwnerKind.LOG, log.container_id),),
        rank=130,
        within=(-log.allocated_bytes, log.container_id),
        harm=Harm.HISTORY,
        risk=Risk.DESTRUCTIVE,
        needs=f"{advice}root on the engine's machine",
        costs=(
            "the log's history is lost except for its end; `logs --tail` and `logs --follow` of this container show "
            "nothing new until it restarts (engine 23 and later)"
        ),
        undo="none; the end of the log is kept in the state folder",
        automatic=True,
        claimed=Exact(log.allocated_bytes, context.origin("log files")),
    )


LINE = "container logs without a size limit"
REMOVER = "collectors.causes.logs_unbounded.remove:Logs"
CAUSE = Cause(ID, Category.LOGS, OwnerKind.LOG, Harm.HISTORY, LINE, detect, propose, REMOVER)
