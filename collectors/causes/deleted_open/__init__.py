"""Files that are deleted and still held open: only the end of their holder frees them. A person decides on that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from collectors.causes import base
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, count
from collectors.causes.plan_context import PlanContext
from collectors.model import Owner, OwnerKind
from collectors.model.filesystem import OpenDeleted
from collectors.model.ledger import Books, Category, Item, Release
from collectors.model.plan import Finding, Harm, Risk
from collectors.model.reading import AtLeast, Exact, Unavailable, Why, charged
from collectors.model.snapshot import FilesystemStudy

ID = "deleted-open"
_UNLINKED = frozenset({Owner(OwnerKind.UNLINKED, "")})  # all of them together, as the trees of a btrfs see them
_NOTABLE_SHARE = 50  # of all such bytes: a holder of less is not worth a restart
_ENGINES = ("dockerd", "podman")
_LOOP = "the loop device "


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    items = context.items(Category.DELETED_OPEN)
    amount = context.sum(item.referenced for item in items)
    if items and context.notable(charged(amount)):
        one = len(items) == 1
        claim = (
            f"{count(len(items), 'deleted file')} still held open{'' if one else ', the largest'} by {items[0].owner}"
        )
        evidence = tuple((f"{item.owner}: {item.name}", item.referenced) for item in items[:5])
        yield Finding(ID, context.severity(amount), claim, amount, evidence, _remedy(items), (), True)


def _remedy(items: Sequence[Item]) -> str:
    """For the first of them, if a loop device holds it; else for all."""
    if items[0].owner.startswith(_LOOP):
        return f"losetup -d {items[0].owner.removeprefix(_LOOP)}"
    return "restart the process that holds it" if len(items) == 1 else "restart the processes that hold them"


def with_open_files(books: Books, study: FilesystemStudy | None) -> Books:
    """The books with one release for each deleted file: its bytes come free once nobody holds it.

    On btrfs the trees know all of them as one. Where their figure is another one than that of the files (shared or
    partly overwritten extents) nothing is added, and the steps are estimates.
    """
    files = _files(study)
    together = next((r.bytes for r in books.releases if r.owners == _UNLINKED), None)
    if not files or (together is not None and together != sum(f.allocated_bytes for f in files)):
        return books
    inodes = 1 if together is None else None  # btrfs has no fixed number of them
    own = tuple(Release(frozenset({_target(f)}), f.allocated_bytes, 0, inodes) for f in files if f.allocated_bytes)
    return replace(books, releases=(*(r for r in books.releases if r.owners != _UNLINKED), *own))


def propose(context: PlanContext) -> Proposal:
    """One proposal for each process or container that holds a notable part of them."""
    files = _files(context.study)
    if not files:
        return Proposal()
    least = sum(f.allocated_bytes for f in files) // _NOTABLE_SHARE
    asked = context.found(ID) is not None
    drafts = tuple(
        _draft(context, who, held)
        for who, held in _by_holder(files).items()
        if asked and sum(f.allocated_bytes for f in held) >= max(1, least)
    )
    small = len(files) - sum(len(draft.targets) for draft in drafts)
    return Proposal(drafts, (_too_small(small),) if small else ())


def _by_holder(files: Iterable[OpenDeleted]) -> Mapping[str, list[OpenDeleted]]:
    """By the container, else the process, else the loop device that keeps them open."""
    holders: defaultdict[str, list[OpenDeleted]] = defaultdict(list)
    for file in files:
        holders[file.container or (str(file.pid) if file.pid else file.command)].append(file)
    return holders


def _draft(context: PlanContext, who: str, held: list[OpenDeleted]) -> Draft:
    size = sum(file.allocated_bytes for file in held)
    title, command, needs = _ending(context, held[0])
    return Draft(
        id=f"holder:{who}",
        action="holder.restart",
        title=title,
        command=command,
        targets=tuple(dict.fromkeys(_target(file) for file in held)),
        rank=160,
        within=(-size, who),
        harm=Harm.DATA,
        risk=Risk.DESTRUCTIVE,
        needs=needs,
        costs="its work is interrupted, and the content of the deleted files is lost permanently",
        undo="none; before that /proc/PID/fd still gives the content",
        automatic=False,
        estimate=None if _known(context, held) else _at_least_nothing(context, who),
    )


def _ending(context: PlanContext, first: OpenDeleted) -> tuple[str, str, str]:
    """How the holder of a file is made to let go of it: what to do, the command, what that needs."""
    if first.container:
        names = {str(c.id): c.name for c in context.containers() or ()}
        name = names.get(first.container) or first.container[:12]
        title = f"Restart the container {name}, which holds deleted files open"
        command = base.ask_engine(context, "restart", name)
        needs = "a person who knows whether it may be restarted now"
    elif not first.pid:
        title = f"Detach {first.command}, which holds a deleted file"
        command = base.command("losetup", "-d", first.command)
        needs = f"nothing mounted from it, and nobody who writes to it: findmnt {first.command} shows it"
    elif first.command in _ENGINES:
        title = f"Restart the engine ({first.command}), which holds deleted files open"
        command = base.command("systemctl", "restart", "docker" if first.command == "dockerd" else "podman")
        needs = "a moment at which the containers may stop, unless live-restore is on"
    else:
        title = f"End {first.command} (pid {first.pid}), which holds deleted files open, and start it again"
        # Where its start is not known it had ended already: what has its number now is not what is meant.
        command = "" if first.started_ticks is None else base.end_process(first.pid, first.started_ticks)
        needs = f"a person who knows how it is started again; systemctl status {first.pid} names its service"
    return title, command, needs


def _known(context: PlanContext, held: list[OpenDeleted]) -> bool:
    wanted = {_target(file) for file in held if file.allocated_bytes}
    return wanted <= frozenset().union(*(release.owners for release in context.books.releases))


def _at_least_nothing(context: PlanContext, who: str) -> AtLeast:
    origin = context.origin(f"holder:{who}")
    why = "the trees and the open files give different figures: extents of theirs are shared, or partly overwritten"
    return AtLeast(0, (Unavailable(Why.INCONSISTENT, why, origin),), origin)


def _too_small(count: int) -> str:
    return (
        f"{count} deleted {'file is' if count == 1 else 'files are'} kept open by processes, too small to restart "
        f"{'its' if count == 1 else 'their'} holders for."
    )


def _files(study: FilesystemStudy | None) -> tuple[OpenDeleted, ...]:
    found = study.open_deleted if study else None
    return found.value.files if isinstance(found, Exact) else ()


def _target(file: OpenDeleted) -> Owner:
    """As the ledger calls it; a row of many small files has no inode and is told apart by its process."""
    return Owner(OwnerKind.OPEN, f"{file.device}:{file.inode}" + ("" if file.inode else f":{file.pid}"))


LINE = "files that are deleted and that a process still holds open"
NO_STEP = "none of their holders has enough of them open to be worth its end"
CAUSE = Cause(ID, Category.DELETED_OPEN, OwnerKind.OPEN, Harm.DATA, LINE, detect, propose, no_step=NO_STEP)
