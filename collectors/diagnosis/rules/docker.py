"""What Docker itself keeps that could go, or should never have grown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from collectors.diagnosis.case import Case, count, largest
from collectors.model.engine import Flavour
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category, Item
from collectors.model.owner import Owner
from collectors.model.reading import Exact, Unavailable
from collectors.model.store import Orphanhood
from collectors.model.sums import charged

BUILDER_VOLUME = re.compile(r"buildx_buildkit_.+_state")


def _some(case: Case, category: Category, states: tuple[str, ...]) -> tuple[Item, ...]:
    return tuple(i for i in case.items(category) if i.state in states)


def _owners(items: Iterable[Item]) -> tuple[Owner, ...]:
    return tuple(item.owner_id for item in items)


def build_cache(case: Case) -> Iterable[Finding]:
    """Build cache that nothing uses."""
    row = case.ledger.row(Category.BUILD_CACHE)
    free = [i for i in case.items(Category.BUILD_CACHE) if i.state != "in use"]
    if free and case.notable(charged(row.reclaimable)):
        severity = Severity.P2 if case.leak(charged(row.reclaimable)) else Severity.P3
        claim = f"build cache in {count(len(free), 'record')} that no build is using"
        remedy = "docker builder prune, then set builder.gc in daemon.json so that it stays bounded"
        yield Finding("build-cache", severity, claim, row.reclaimable, largest(free), remedy, _owners(free), True)


def dangling_images(case: Case) -> Iterable[Finding]:
    """Images without a tag that no container uses: what rebuilding the same tag leaves behind."""
    dangling = _some(case, Category.IMAGES, ("dangling",))
    freed = case.freed_beside_cache(_owners(dangling))
    if dangling and case.notable(charged(freed)):
        severity = Severity.P2 if case.leak(charged(freed)) else Severity.P3
        claim = f"{count(len(dangling), 'dangling image')} that no container uses"
        remedy = "docker image prune, and docker builder prune for what the build cache holds of them"
        yield Finding("dangling-images", severity, claim, freed, largest(dangling), remedy, _owners(dangling), True)


def unused_images(case: Case) -> Iterable[Finding]:
    """Tagged images that no container uses."""
    unused = _some(case, Category.IMAGES, ("unused",))
    freed = case.freed_beside_cache(_owners(unused))
    if unused and case.notable(charged(freed)):
        claim = f"{count(len(unused), 'tagged image')} that no container uses"
        remedy = "remove those that are not needed any more, by id"
        yield Finding("unused-images", Severity.P4, claim, freed, largest(unused), remedy, _owners(unused), True)


def stopped_containers(case: Case) -> Iterable[Finding]:
    """Containers that have ended and keep their writable layers and logs."""
    stopped = _some(case, Category.CONTAINERS, ("exited", "dead"))
    freed = case.freed(_owners(stopped))
    if stopped and case.notable(charged(freed)):
        claim = f"writable layers and logs of {count(len(stopped), 'stopped container')}"
        remedy = "look whether their data is needed, then docker rm"
        yield Finding("stopped-containers", Severity.P4, claim, freed, largest(stopped), remedy, _owners(stopped), True)


def unused_volumes(case: Case) -> Iterable[Finding]:
    """Volumes that no container refers to: data, never deleted automatically."""
    unused = [i for i in case.items(Category.VOLUMES) if i.state.startswith("unused")]
    freed = case.freed(_owners(unused))
    if unused and case.notable(charged(freed)):
        claim = f"{count(len(unused), 'volume')} that no container refers to"
        remedy = "data: look into each, then docker volume rm by name"
        yield Finding("unused-volumes", Severity.P4, claim, freed, largest(unused), remedy, _owners(unused), True)


def builders(case: Case) -> Iterable[Finding]:
    """Builders that run in containers keep their cache in a volume that no prune of the engine's looks at."""
    states = [i for i in case.items(Category.VOLUMES) if BUILDER_VOLUME.fullmatch(i.name)]
    amount = case.sum(item.referenced for item in states)
    if states and case.notable(charged(amount)):
        severity = Severity.P2 if case.leak(charged(amount)) else Severity.P3
        claim = f"{count(len(states), 'container builder')} with a cache of its own in a volume"
        remedy = "docker buildx prune --builder NAME, or docker buildx rm NAME"
        yield Finding("builder-volumes", severity, claim, amount, largest(states), remedy, _owners(states), True)


def logs(case: Case) -> Iterable[Finding]:
    """Container logs that nothing bounds."""
    free = [i for i in case.items(Category.LOGS) if i.state.endswith("no rotation")]
    amount = case.sum(item.referenced for item in free)
    if not free:
        return
    large = charged(amount) >= case.limits.log_bytes or case.leak(charged(amount))
    if large or case.notable(charged(amount)):
        severity = Severity.P2 if case.leak(charged(amount)) else Severity.P3
        claim = f"{count(len(free), 'container log')} without a size limit"
        remedy = "set log-opts max-size and max-file, recreate the containers"
        yield Finding("logs-unbounded", severity, claim, amount, largest(free), remedy, _owners(free), True)


def orphans(case: Case) -> Iterable[Finding]:
    """Layers on disk that nobody knows, with proof; and the admission where proof was not possible."""
    found = case.items(Category.ORPHANS)
    if found:
        row = case.ledger.row(Category.ORPHANS)
        severity = Severity.P2 if case.leak(charged(row.reclaimable)) else Severity.P3
        claim = f"{count(len(found), 'orphaned layer')} that no image, container, build or mount knows"
        proof = (("checked", ", ".join(found[0].proof)),)
        remedy = "stop the engine, prove it again, delete just these"
        evidence = (*largest(found), *proof)
        yield Finding("orphans", severity, claim, row.reclaimable, evidence, remedy, _owners(found), True)
    yield from _candidates(case)
    store = case.snapshot.store
    if isinstance(store, Exact) and isinstance(store.value.orphans, Unavailable):
        told = store.value.orphans
        if told.why.value != "not applicable":
            yield Finding(
                "orphans-unknown",
                Severity.P4,
                "whether layers are orphaned could not be told",
                None,
                (("reason", f"{told.why}: {told.detail}"),),
                "see Coverage for what could not be read",
                (),
                False,
            )


def _candidates(case: Case) -> Iterable[Finding]:
    """Directories that nobody knows and that are not proven: too young, or a source could not be read."""
    states = (Orphanhood.YOUNG.value, Orphanhood.UNKNOWN.value)
    unproven = [i for i in case.items(Category.DOCKER_OTHER) if i.state in states]
    amount = case.sum(item.referenced for item in unproven)
    if unproven and case.notable(charged(amount)):
        directories = count(len(unproven), "layer directory", "layer directories")
        claim = f"{directories} that nobody seems to know, not proven to be orphans"
        evidence = (*largest(unproven), ("why", unproven[0].note or unproven[0].state))
        remedy = "wait: a later run proves it once they are old enough and every owner source was read"
        yield Finding("orphan-candidates", Severity.P4, claim, amount, evidence, remedy, (), False)


def engine(case: Case) -> Iterable[Finding]:
    """An engine that does not answer hides what is in use."""
    engine = case.snapshot.engine.engine
    if isinstance(engine, Unavailable):
        yield Finding(
            "engine-unreachable",
            Severity.P3,
            "the engine did not answer: what is in use is not known",
            None,
            (("reason", f"{engine.why}: {engine.detail}"),),
            "check the engine and the permission on its socket",
            (),
            False,
        )
    elif engine.value.flavour is Flavour.PODMAN:
        yield Finding(
            "podman-prune",
            Severity.P4,
            "Podman's volume prune over this API also removes named volumes",
            None,
            (),
            "never use a blanket volume prune here",
            (),
            True,
        )


def configuration(case: Case) -> Iterable[Finding]:
    """Growth that nothing bounds is found before it hurts."""
    engine, settings = case.snapshot.engine.engine, case.snapshot.settings
    if isinstance(settings, Unavailable) or isinstance(engine, Unavailable):
        return
    found, facts = settings.value, engine.value
    if facts.flavour is not Flavour.DOCKER:
        return
    if not found.logs_bounded and facts.logging_driver == "json-file":
        claim = f"no log rotation is configured in {found.path}: a container's log grows without end"
        remedy = 'set "log-opts": {"max-size": "10m", "max-file": "3"}; it holds for containers made afterwards'
        yield Finding("no-log-rotation", Severity.P4, claim, None, (), remedy, (), True)
    if not found.build_cache_bounded and case.items(Category.BUILD_CACHE):
        claim = f"no ceiling for the build cache is configured in {found.path}"
        remedy = 'set "builder": {"gc": {"enabled": true, "defaultKeepStorage": "20GB"}}'
        yield Finding("no-cache-ceiling", Severity.P4, claim, None, (), remedy, (), True)


RULES = (
    configuration,
    orphans,
    logs,
    build_cache,
    builders,
    dangling_images,
    unused_images,
    stopped_containers,
    unused_volumes,
    engine,
)
