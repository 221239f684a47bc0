"""Half-done work, old drivers, plugins, deleted-but-open files, host files: the invisible culprits."""

from __future__ import annotations

import re
from collections.abc import Iterable

from collectors.diagnosis.case import Case, count, largest
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category, Item
from collectors.model.owner import OwnerKind
from collectors.model.store import UnitKind
from collectors.model.sums import charged


def _of_kind(case: Case, kind: UnitKind) -> tuple[Item, ...]:
    """Of temporary files only those that nobody has open and nothing touched for long."""
    items = (item for item in case.items(Category.DOCKER_OTHER) if item.state == kind.value)
    return tuple(i for i in items if kind is not UnitKind.TEMPORARY or i.owner_id.kind is OwnerKind.LEFTOVER)


def _leftover(case: Case, rule: str, kind: UnitKind, claim: str, remedy: str) -> Iterable[Finding]:
    items = _of_kind(case, kind)
    amount = case.sum(item.referenced for item in items)
    # An interrupted write is the trace of a crash that may have leaked a layer: worth knowing at any size.
    if items and (case.notable(charged(amount)) or kind is UnitKind.INTERRUPTED_WRITE):
        worth = Severity.P3 if case.notable(charged(amount)) else Severity.P4
        severity = Severity.P2 if case.leak(charged(amount)) else worth
        owners = tuple(item.owner_id for item in items)
        yield Finding(rule, severity, claim, amount, largest(items), remedy, owners, True)


def temporary(case: Case) -> Iterable[Finding]:
    """Downloads and build contexts that were never cleaned up."""
    claim = "unfinished downloads and build contexts under the Docker root's tmp"
    return _leftover(
        case, "engine-tmp", UnitKind.TEMPORARY, claim, "remove what no process has open and is over 1 h old"
    )


def interrupted(case: Case) -> Iterable[Finding]:
    """Writes that a crash cut short."""
    claim = "layer writes that a crash interrupted"
    return _leftover(case, "interrupted-writes", UnitKind.INTERRUPTED_WRITE, claim, "remove with the engine stopped")


def other_driver(case: Case) -> Iterable[Finding]:
    """What a switch of storage driver or image store left behind."""
    claim = "data of a storage driver that is not in use"
    remedy = "archive what is needed, then remove the directory with the engine stopped"
    return _leftover(case, "other-driver", UnitKind.OTHER_DRIVER, claim, remedy)


def plugins(case: Case) -> Iterable[Finding]:
    """A plugin that logs into its own root filesystem."""
    return _leftover(
        case, "plugin-data", UnitKind.PLUGIN, "plugins keep data of their own", "look into the plugin's logs"
    )


def deleted_open(case: Case) -> Iterable[Finding]:
    """Files that are deleted and still take room, because a process has them open."""
    items = case.items(Category.DELETED_OPEN)
    amount = case.sum(item.referenced for item in items)
    if items and case.notable(charged(amount)):
        severity = Severity.P2 if case.leak(charged(amount)) else Severity.P3
        holder = items[0].owner
        claim = f"{count(len(items), 'deleted file')} still held open, the largest by {holder}"
        evidence = tuple((f"{item.owner}: {item.name}", item.referenced) for item in items[:5])
        remedy = "restart the process that holds them"
        yield Finding("deleted-open", severity, claim, amount, evidence, remedy, (), True)


def host_files(case: Case) -> Iterable[Finding]:
    """When Docker is not the culprit, say so and name the directories."""
    row = case.ledger.row(Category.OTHER_FILES)
    if case.used_bytes and charged(row.charged) > case.used_bytes // 3:
        items = case.items(Category.OTHER_FILES)
        claim = "files outside Docker on the same filesystem"
        remedy = "look into the largest directories"
        yield Finding("host-files", Severity.P4, claim, row.charged, largest(items), remedy, (), True)


_JOURNAL_REMEDY = "journalctl --vacuum-size=500M, then SystemMaxUse= in journald.conf"
_CORES_REMEDY = "look at them with coredumpctl, then MaxUse= in coredump.conf"
# journald keeps one folder a machine id, wherever its parent is mounted.
_GROWING = (
    (re.compile(r".*/log/journal(/[0-9a-f]{32})?(/.*)?"), "journald", "the system journal", _JOURNAL_REMEDY),
    (re.compile(r".*/systemd/coredump(/.*)?"), "core-dumps", "core dumps", _CORES_REMEDY),
)


def journal_and_cores(case: Case) -> Iterable[Finding]:
    """Two host directories that fill up by themselves."""
    for pattern, rule, what, remedy in _GROWING:
        inside = [i for i in case.items(Category.OTHER_FILES) if pattern.fullmatch(i.name)]
        amount = case.sum(item.referenced for item in inside)
        if inside and case.notable(charged(amount)):
            severity = Severity.P2 if case.leak(charged(amount)) else Severity.P4
            claim = f"{what} in {inside[0].name}"
            yield Finding(rule, severity, claim, amount, largest(inside), remedy, (), True)


def covered(case: Case) -> Iterable[Finding]:
    """Files below a directory that another mount lies over: they take room, and no path leads to them."""
    hidden = [
        item
        for item in case.items(Category.OTHER_FILES)
        if any(item.name == path or item.name.startswith(f"{path}/") for path in case.study.covered)
    ]
    amount = case.sum(item.referenced for item in hidden)
    if hidden and case.notable(charged(amount)):
        severity = Severity.P2 if case.leak(charged(amount)) else Severity.P3
        claim = f"files hidden below a mount, in {hidden[0].name}"
        remedy = "bind-mount the filesystem elsewhere without its submounts, look, and move them away"
        yield Finding("hidden-below-mount", severity, claim, amount, largest(hidden), remedy, (), True)


def binds(case: Case) -> Iterable[Finding]:
    """Host directories that containers write to: not in any figure of the engine's."""
    items = [i for i in case.items(Category.OTHER_FILES) if i.state == UnitKind.BIND.value]
    amount = case.sum(item.referenced for item in items)
    if items and case.notable(charged(amount)):
        evidence = tuple((f"{item.name} of {item.owner}", item.referenced) for item in items[:5])
        claim = f"{count(len(items), 'host directory', 'host directories')} mounted into containers"
        yield Finding("bind-mounts", Severity.P4, claim, amount, evidence, "look into the containers' data", (), True)


def inside_containers(case: Case) -> Iterable[Finding]:
    """Core dumps in writable layers, and engines inside containers that keep a whole Docker root."""
    known = (
        (
            UnitKind.CORE_DUMP,
            "container-core-dumps",
            "core dump",
            "copy out what is needed, remove it, set ulimit core=0",
        ),
        (UnitKind.NESTED_ROOT, "nested-root", "Docker root inside a container", "prune with the inner engine"),
    )
    for kind, rule, what, remedy in known:
        items = [i for items in case.ledger.items.values() for i in items if i.state == kind.value]
        amount = case.sum(item.referenced for item in items)
        if items and case.notable(charged(amount)):
            severity = Severity.P2 if case.leak(charged(amount)) else Severity.P3
            claim = f"{count(len(items), what)}: {items[0].name}"
            yield Finding(rule, severity, claim, amount, largest(items), remedy, (), True)


RULES = (
    inside_containers,
    temporary,
    interrupted,
    other_driver,
    plugins,
    deleted_open,
    journal_and_cores,
    covered,
    binds,
    host_files,
)
