"""Truncating a live container's log: for experts, with the tail set aside. Rotation is the real remedy.

From engine 23 on the daemon remembers its own idea of the file's size, so `docker logs --tail` and `--follow` stay
silent after a truncation until the container restarts. The step says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands, stopped_containers
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.commands import KEPT, because
from collectors.causes.finding_context import FindingContext, count, largest, mostly, owners
from collectors.causes.holders import TRUNCATABLE, large_logs
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Container
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Exact, charged
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
    ended = {draft.targets[0].id: draft for draft in context.once(stopped_containers.propose).drafts}
    keeps = [by_id[i].name for i in large if stopped_containers.kept(context, by_id[i])]
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
        command=commands.truncate_log(log.paths[0], log.paths[1:], context.rules.log_tail_bytes),
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
