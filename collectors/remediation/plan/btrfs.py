"""Remedies of the filesystem itself: wait for the cleaner, compact data chunks, rewrite files that pin dead bytes."""

from __future__ import annotations

from collectors.model.plan import Risk
from collectors.model.reading import Between, Exact
from collectors.model.store import UnitKind
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.balance import Pressure, Squeeze, pressure, squeeze
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft, Found, Rank

CLEANER, BALANCE, REWRITE = "btrfs.wait", "btrfs.balance", "btrfs.rewrite"
_BOOKENDS = "btrfs-bookends"


def filesystem(case: Case) -> Found:
    """Waiting and rewriting; the balance comes from `compaction`, since its place depends on the other steps."""
    drafts = []
    pending = tuple(sorted(who for unit in case.units if unit.kind is UnitKind.DELETED for who in unit.owners))
    if pending:
        drafts.append(
            Draft(
                id=CLEANER,
                action="btrfs.wait",
                title="Wait until btrfs has cleaned up what is already deleted",
                command=commands.wait_for_cleaner(case.mountpoint),
                targets=pending,
                rank=Rank.CLEANER,
                within=(),
                risk=Risk.SAFE,
                needs="",
                costs="",
                undo="none needed: it was deleted before",
                automatic=True,
                rules=("btrfs-pending",),
            )
        )
    rewrite = _rewrite(case)
    if rewrite is not None:
        drafts.append(rewrite)
    return Found(tuple(drafts))


def compaction(case: Case) -> tuple[Draft, Pressure] | str | None:
    """The balance and the pressure that asks for it; a sentence where none can work; None where none is needed."""
    btrfs = case.btrfs
    if btrfs is None:
        return None
    now = pressure(btrfs)
    if now is None:
        return None
    if not (isinstance(btrfs.chunks, Exact) and isinstance(btrfs.spaces, Exact)):
        return explain.unread("Balance", btrfs.chunks)
    found = squeeze(btrfs.chunks.value, btrfs.spaces.value, now)
    if found is None:
        return explain.no_chunk_to_empty()
    return _balance(case, found), now


def _balance(case: Case, found: Squeeze) -> Draft:
    return Draft(
        id=BALANCE,
        action="btrfs.balance",
        title=f"Compact {_chunks(found.limit)} filled to less than {found.usage_percent}%, so that metadata can grow",
        command=commands.balance(case.mountpoint, found.usage_percent, found.limit),
        targets=(),
        rank=Rank.BALANCE,
        within=(),
        risk=Risk.SAFE,
        needs="some free metadata to start with; the filter is derived again from the chunks' fill just before",
        costs="reads and writes the data of these chunks once",
        undo="none needed: no file changes",
        automatic=True,
        frees_elsewhere=True,
        rules=("btrfs-metadata", "btrfs-unallocated"),
    )


def _rewrite(case: Case) -> Draft | None:
    sharing = case.btrfs.sharing if case.btrfs else None
    asked = next((f for f in case.findings if f.rule == _BOOKENDS), None)
    if asked is None or not isinstance(sharing, Exact) or sharing.value.bookend_bytes <= 0:
        return None
    most = sharing.value.bookend_bytes
    return Draft(
        id=REWRITE,
        action="btrfs.rewrite",
        title="Rewrite files whose overwritten parts are still pinned",
        command="cp --archive --reflink=never FILE FILE.new && mv FILE.new FILE",
        targets=(),
        rank=Rank.REWRITE,
        within=(),
        risk=Risk.CAREFUL,
        needs="the writer of the file stopped; room for one copy of it",
        costs="what the file shared with snapshots or clones is no longer shared; defragmenting does not help",
        undo="none needed: the content is the same",
        automatic=False,
        rules=(_BOOKENDS,),
        estimate=Between(most // 2, 0, most, 0.9, "pinned by extents that are only partly referenced", sharing.origin),
    )


def _chunks(limit: int) -> str:
    return "one data chunk that is" if limit == 1 else f"up to {limit} data chunks that are"
