"""Files that are deleted and still held open: only the end of their holder frees them. A person decides on that."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from collectors.model.filesystem import OpenDeleted
from collectors.model.ledger import Books, Release
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.model.reading import AtLeast, Exact, Origin, Unavailable, Why
from collectors.model.snapshot import FilesystemStudy
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft, Found, Rank

_ASKS = "deleted-open"
_UNLINKED = frozenset({Owner(OwnerKind.UNLINKED, "")})  # all of them together, as the trees of a btrfs see them
_NOTABLE_SHARE = 50  # of all such bytes: a holder of less is not worth a restart
_ENGINES = ("dockerd", "podman")


def with_open_files(books: Books, study: FilesystemStudy | None) -> Books:
    """The books with one release for each deleted file: its bytes come free once nobody holds it.

    On btrfs the trees know all of them as one. Where their figure is another one than that of the files (shared or
    partly overwritten extents) nothing is added, and the steps are estimates.
    """
    files = _files(study)
    together = next((r.bytes for r in books.releases if r.owners == _UNLINKED), None)
    if not files or (together is not None and together != sum(f.allocated_bytes for f in files)):
        return books
    own = tuple(Release(frozenset({_target(f)}), f.allocated_bytes) for f in files if f.allocated_bytes)
    return replace(books, releases=(*(r for r in books.releases if r.owners != _UNLINKED), *own))


def open_files(case: Case) -> Found:
    """One proposal for each process or container that holds a notable part of them."""
    files = _files(case.study)
    if not files:
        return Found()
    holders: defaultdict[str, list[OpenDeleted]] = defaultdict(list)
    for file in files:
        holders[file.container or str(file.pid)].append(file)
    least = sum(f.allocated_bytes for f in files) // _NOTABLE_SHARE
    asked = any(finding.rule == _ASKS for finding in case.findings)
    drafts = tuple(
        _draft(case, who, held)
        for who, held in holders.items()
        if asked and sum(f.allocated_bytes for f in held) >= max(1, least)
    )
    small = len(files) - sum(len(draft.targets) for draft in drafts)
    return Found(drafts, (explain.small_deleted_but_open(small),) if small else ())


def _draft(case: Case, who: str, held: list[OpenDeleted]) -> Draft:
    first, count = held[0], sum(file.allocated_bytes for file in held)
    names = {str(c.id): c.name for c in case.containers() or ()}
    if first.container:
        name = names.get(first.container) or first.container[:12]
        title = f"Restart the container {name}, which holds deleted files open"
        command = commands.line(case.tool, "restart", name)
        needs = "somebody who knows whether it may be restarted now"
    elif first.command in _ENGINES:
        title = f"Restart the engine ({first.command}), which holds deleted files open"
        command = commands.line("systemctl", "restart", "docker" if first.command == "dockerd" else "podman")
        needs = "a moment at which the containers may stop, unless live-restore is on"
    else:
        title = f"End {first.command} (pid {first.pid}), which holds deleted files open, and start it again"
        command = commands.line("kill", str(first.pid))
        needs = f"somebody who knows how it is started again; `systemctl status {first.pid}` names its service"
    return Draft(
        id=f"holder:{who}",
        action="holder.restart",
        title=title,
        command=command,
        targets=tuple(dict.fromkeys(_target(file) for file in held)),
        rank=Rank.HOLDER,
        within=(-count, who),
        risk=Risk.DESTRUCTIVE,
        needs=needs,
        costs="its work is interrupted, and the content of the deleted files is lost for good",
        undo="none; before that /proc/PID/fd still gives the content",
        automatic=False,
        rules=(_ASKS,),
        estimate=None if _known(case, held) else _at_least_nothing(case, who),
    )


def _known(case: Case, held: list[OpenDeleted]) -> bool:
    wanted = {_target(file) for file in held if file.allocated_bytes}
    return wanted <= frozenset().union(*(release.owners for release in case.books.releases))


def _at_least_nothing(case: Case, who: str) -> AtLeast:
    origin = Origin("plan", f"holder:{who}", case.snapshot.ended_at, 0.0)
    why = "the trees and the open files give different figures: extents of theirs are shared, or partly overwritten"
    return AtLeast(0, (Unavailable(Why.INCONSISTENT, why, origin),), origin)


def _files(study: FilesystemStudy | None) -> tuple[OpenDeleted, ...]:
    found = study.open_deleted if study else None
    return found.value.files if isinstance(found, Exact) else ()


def _target(file: OpenDeleted) -> Owner:
    """As the ledger calls it; a row of many small files has no inode and is told apart by its process."""
    return Owner(OwnerKind.OPEN, f"{file.device}:{file.inode}" + ("" if file.inode else f":{file.pid}"))
