"""Truncating a live container's log: for experts, with the tail set aside. Rotation is the real remedy.

From engine 23 on the daemon remembers its own idea of the file's size, so `docker logs --tail` and `--follow` stay
silent after a truncation until the container restarts. The step says so.
"""

from __future__ import annotations

from collectors.model.engine import Container
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.model.reading import Exact, Origin
from collectors.model.store import ContainerLog
from collectors.remediation.plan import commands
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.containers import kept
from collectors.remediation.plan.draft import Draft, Found, Rank

TRUNCATABLE = frozenset({"json-file", "local"})  # the writer appends, so an emptied file starts again at 0


def logs(case: Case, removed: frozenset[str]) -> Found:
    """One step for each large log of a container that no earlier step (`removed`: container ids) takes away whole."""
    store = case.snapshot.store
    listed = case.containers()
    if not isinstance(store, Exact) or not isinstance(store.value.logs, Exact) or listed is None:
        return Found()
    by_id = {container.id: container for container in listed}
    drafts = [
        _draft(case, log, by_id[log.container_id])
        for log in store.value.logs.value
        if log.allocated_bytes >= case.rules.log_bytes
        and log.driver in TRUNCATABLE
        and log.paths
        and log.container_id in by_id
        and log.container_id not in removed
        and not kept(case, by_id[log.container_id])
    ]
    return Found(tuple(drafts))


def _draft(case: Case, log: ContainerLog, container: Container) -> Draft:
    advice = "" if log.rotates else "set max-size for its log driver and create it again, or the log grows back; "
    return Draft(
        id=Owner(OwnerKind.LOG, log.container_id).text(),
        action="log.truncate",
        title=f"Truncate the log of the container {container.name}",
        command=commands.truncate_log(log.paths[0], log.paths[1:], case.rules.log_tail_bytes),
        targets=(Owner(OwnerKind.LOG, log.container_id),),
        rank=Rank.LOG,
        within=(-log.allocated_bytes, log.container_id),
        risk=Risk.DESTRUCTIVE,
        needs=f"{advice}root on the engine's machine",
        costs=(
            "the log's history is lost but for its end; `logs --tail` and `logs --follow` of this container show "
            "nothing new until it restarts (engine 23 and later)"
        ),
        undo="none; the end of the log is kept in the state folder",
        automatic=True,
        rules=("logs-unbounded",),
        claimed=Exact(log.allocated_bytes, Origin("plan", "log files", case.snapshot.ended_at, 0.0)),
    )
