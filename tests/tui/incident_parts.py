"""The things in the made-up incident: items, findings and plan. Invented, like all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from collectors.model import Owner
from collectors.model.ledger import Category, Item
from collectors.model.plan import Finding, Harm, Plan, Risk, Severity, Step, Unlock
from tests.tui.build import a_finding, an_item, exact, gib

C = Category
_CHECKED = ("layer database", "containers' layers", "BuildKit records", "containerd snapshots", "live mounts")
_IMAGES = (
    ("registry.corp/ml/train:2025-11-22", 18.4, 2.9, "dangling"),
    ("registry.corp/ml/train:latest", 18.4, 2.9, "in use"),
    ("registry.corp/ml/serve:4.2", 11.2, 2.2, "in use"),
    ("registry.corp/etl/spark:3.5", 9.6, 3.8, "unused"),
    ("registry.corp/api/gateway:prod", 3.1, 0.3, "in use"),
    ("registry.corp/web/front:prod", 2.8, 0.4, "in use"),
    ("nvidia/cuda:12.4-runtime", 2.1, 0.0, "in use"),
    ("postgres:16", 0.4, 0.4, "in use"),
)


def orphans_of(whole: int, hours: float) -> list[Item]:
    count = max(1, round(41 * whole / gib(312.0)))
    weights = [1.0 / (rank + 2.2) for rank in range(count)]
    sizes = [int(whole * weight / sum(weights)) // 4096 * 4096 for weight in weights]
    sizes[0] += whole - sum(sizes)
    return [
        an_item(
            C.ORPHANS,
            hashlib.sha256(str(rank).encode()).hexdigest(),
            size + size // 9,
            size,
            state="orphan",
            days_old=5.8 - rank / 11 - hours / 24 + 0.2,
            proof=_CHECKED,
            note="left behind when the engine was killed during a pull",
        )
        for rank, size in enumerate(sizes)
    ]


def images() -> list[Item]:
    return [
        an_item(
            C.IMAGES,
            name,
            gib(whole),
            gib(own),
            state=state,
            days_old=rank + 0.4,
            owner="3 containers" if state == "in use" else "",
            reclaimable=gib(own) if state != "in use" else 0,
        )
        for rank, (name, whole, own, state) in enumerate(_IMAGES)
    ]


def volumes() -> list[Item]:
    names = (("pg-data", 84.0, "postgres-1"), ("minio-data", 20.0, "minio-1"), (f"{0xA5:064x}", 17.3, ""))
    return [
        an_item(C.VOLUMES, name, gib(size), state="in use" if owner else "unused", owner=owner, reclaimable=0)
        for name, size, owner in names
    ]


def logs() -> list[Item]:
    names = (("api-gateway-1", 31.4), ("spark-worker-3", 20.2), ("ml-serve-1", 8.0), ("front-2", 2.1))
    return [an_item(C.LOGS, name, gib(size), state="no max-size", owner=name) for name, size in names]


def containers() -> list[Item]:
    names = (("spark-worker-3", 22.0, "running"), ("api-gateway-1", 10.3, "running"), ("debug-jo", 6.1, "exited"))
    return [an_item(C.CONTAINERS, name, gib(size), state=state, owner=f"{name}:image") for name, size, state in names]


def findings(freed: dict[Category, int], orphans: Sequence[Owner]) -> list[Finding]:
    return [
        a_finding(
            "orphan-layers",
            Severity.P0,
            f"{len(orphans)} btrfs subvolumes Docker no longer knows",
            freed[C.ORPHANS],
            evidence=(("since", "17 Nov, engine killed (OOM)"), ("proof", "5 owner sources read, two listings")),
            remedy="delete them: step 1 of the plan",
            owners=tuple(orphans),
        ),
        a_finding(
            "build-cache-unused",
            Severity.P1,
            "unused build cache older than 48 h",
            freed[C.BUILD_CACHE],
            evidence=(("policy", "no builder GC in daemon.json"),),
            remedy="prune what is older than 48 h",
        ),
        a_finding(
            "metadata-full",
            Severity.P1,
            "btrfs metadata is 97.9% used: writes can fail before the disk is full",
            evidence=(("unallocated", exact(1 << 20)),),
            remedy="free data first, then balance by chunk fill",
        ),
        a_finding(
            "logs-unbounded",
            Severity.P2,
            "4 container logs without max-size",
            freed[C.LOGS],
            evidence=(("growth a day", exact(gib(6.4))),),
            remedy="set max-size and max-file, recreate the containers",
        ),
        a_finding(
            "snapshots-pin",
            Severity.P2,
            "12 snapshots hold deleted Docker data",
            gib(41.8),
            evidence=(("tool", "snapper includes /var/lib/docker"),),
            remedy="exclude the Docker root",
        ),
        a_finding(
            "churn",
            Severity.P3,
            "registry.corp/ml/train was rebuilt 31 times in 7 days",
            gib(44.7),
            evidence=(("busting step", "COPY . /src before pip install"),),
            remedy="copy requirements first",
        ),
        a_finding(
            "volumes-unused",
            Severity.P4,
            "1 volume no container uses",
            gib(17.3),
            remedy="look into it: data is never deleted for you",
        ),
    ]


HARMS = {
    "orphan.delete": Harm.NONE,  # of this made-up incident, where nothing is lost with them
    "build-cache.prune": Harm.NONE,
    "image.remove": Harm.TIME,
    "log.truncate": Harm.HISTORY,
    "container.remove": Harm.STATE,
}


def plan_of(freed: dict[Category, int], orphans: Sequence[Owner]) -> Plan:
    rows = [
        (
            "s1",
            "orphan.delete",
            f"Delete {len(orphans)} orphaned subvolumes",
            freed[C.ORPHANS],
            Risk.SAFE,
            "btrfs subvolume delete --commit-after …",
            "nobody refers to them",
            "none: they belong to nothing",
            "orphan-layers",
            tuple(orphans),
        ),
        (
            "s2",
            "build-cache.prune",
            "Prune build cache older than 48 h",
            freed[C.BUILD_CACHE],
            Risk.SAFE,
            "docker builder prune --filter until=48h",
            "next builds are slower once",
            "the next build makes it again",
            "build-cache-unused",
            (),
        ),
        (
            "s3",
            "image.remove",
            "Remove dangling and unused images",
            freed[C.IMAGES],
            Risk.SAFE,
            "docker image rm sha256:…",
            "a pull, when needed again",
            "docker pull",
            "images-unused",
            (),
        ),
        (
            "s4",
            "log.truncate",
            "Truncate 4 container logs",
            freed[C.LOGS],
            Risk.CAREFUL,
            "truncate -s 0 /var/lib/docker/containers/…-json.log",
            "the log text is lost",
            "none",
            "logs-unbounded",
            (),
        ),
        (
            "s5",
            "container.remove",
            "Remove 1 exited container",
            freed[C.CONTAINERS],
            Risk.DESTRUCTIVE,
            "docker rm debug-jo",
            "its writable layer is lost",
            "none",
            "containers-exited",
            (),
        ),
    ]
    steps = tuple(
        Step(
            id=key,
            action=action,
            title=title,
            command=command,
            targets=targets,
            frees=exact(frees),
            risk=risk,
            harm=HARMS[action],
            needs="",
            costs=costs,
            undo=undo,
            rule=rule,
            automatic=risk is Risk.SAFE,
        )
        for key, action, title, frees, risk, command, costs, undo, rule, targets in rows
    )
    unlocks = tuple(Unlock(frozenset({step.id}), step.frees.value) for step in steps)  # type: ignore[union-attr]
    return Plan(steps, unlocks, ("balance -dusage=10: would fail, next to nothing is unallocated",))
