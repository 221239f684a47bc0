"""btrfs: full though df says otherwise, pinned, pending, damaged."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.diagnosis.case import Case, count, largest
from collectors.model.btrfs import Btrfs, QuotaMode, Space
from collectors.model.facts import facts_of
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Exact, Unavailable
from collectors.model.sums import charged


def _facts(case: Case) -> Btrfs | None:
    return facts_of(case.study.filesystem_facts, Btrfs)


def _fill(space: Space) -> float:
    return space.logical_used_bytes / space.logical_total_bytes if space.logical_total_bytes else 0.0


def metadata(case: Case) -> Iterable[Finding]:
    """Writes fail when metadata is full and no chunk is left to grow into, whatever df says."""
    facts = _facts(case)
    if facts is None or isinstance(facts.spaces, Unavailable) or isinstance(facts.unallocated_bytes, Unavailable):
        return
    unallocated, limits = charged(facts.unallocated_bytes), case.limits
    for space in facts.spaces.value:
        if space.kind.lower() not in ("metadata", "mixed"):
            continue
        fill, room = _fill(space), limits.chunk_bytes * space.copies // space.copies_of
        small = min(room, case.total_bytes // 10)  # chunks are a tenth of a small filesystem at most
        if unallocated >= small or fill < limits.metadata_high_share:
            continue
        severity = Severity.P0 if fill >= limits.metadata_full_share else Severity.P1
        evidence = (
            ("unallocated", facts.unallocated_bytes),
            ("metadata fill", f"{100 * fill:.1f}%"),
            ("df says", f"{case.space.used_percent}% used" if case.space else "not read"),
        )
        claim = "no chunk is left to grow metadata into, and it is nearly full: writes fail next"
        remedy = "free metadata first (delete many small files, snapshots), then balance by chunk fill with a limit"
        yield Finding("btrfs-metadata", severity, claim, facts.unallocated_bytes, evidence, remedy, (), True)


def unallocated(case: Case) -> Iterable[Finding]:
    """All disk is in chunks: the next kind that runs out cannot grow."""
    facts = _facts(case)
    if facts is None or isinstance(facts.unallocated_bytes, Unavailable) or isinstance(facts.spaces, Unavailable):
        return
    left = charged(facts.unallocated_bytes)
    data = [space for space in facts.spaces.value if space.kind.lower() == "data"]
    slack = sum(space.logical_total_bytes - space.logical_used_bytes for space in data)
    room = min(case.limits.chunk_bytes, case.total_bytes // 10)
    if left < room and slack > 2 * room:
        evidence = (("unallocated", facts.unallocated_bytes), ("room inside data chunks", case.exact(slack)))
        claim = "nearly all of the disk is in chunks that are not full"
        remedy = "balance data chunks by their fill, with a limit"
        yield Finding("btrfs-unallocated", Severity.P3, claim, facts.unallocated_bytes, evidence, remedy, (), True)


def pending(case: Case) -> Iterable[Finding]:
    """Dropped subvolumes that the cleaner still holds: wait, do not escalate."""
    row = case.ledger.row(Category.DELETED_PENDING)
    items = case.items(Category.DELETED_PENDING)
    if items:
        claim = f"{count(len(items), 'deleted subvolume')} waiting for the cleaner"
        remedy = "wait, or btrfs subvolume sync"
        owners = tuple(item.owner_id for item in items)
        yield Finding("btrfs-pending", Severity.P4, claim, row.reclaimable, largest(items), remedy, owners, True)


def snapshots(case: Case) -> Iterable[Finding]:
    """Snapshots outside Docker that hold what is deleted elsewhere, Docker's data included."""
    items = case.items(Category.SNAPSHOTS)
    row = case.ledger.row(Category.SNAPSHOTS)
    if items and case.notable(charged(row.reclaimable)):
        severity = Severity.P2 if case.leak(charged(row.reclaimable)) else Severity.P3
        claim = f"{count(len(items), 'snapshot')} outside Docker, holding what nothing else holds"
        remedy = "thin them out with the tool that makes them; keep the Docker root on a subvolume of its own"
        owners = tuple(item.owner_id for item in items)
        yield Finding("btrfs-snapshots", severity, claim, row.reclaimable, largest(items), remedy, owners, True)
    yield from _root_snapshotted(case)


def _root_snapshotted(case: Case) -> Iterable[Finding]:
    """Is the Docker root inside a subvolume that is snapshotted? Then each snapshot pins volumes and logs."""
    facts, root = _facts(case), case.snapshot.docker_root
    if facts is None or isinstance(facts.subvolumes, Unavailable) or isinstance(root, Unavailable):
        return
    mount = case.study.filesystem.mount
    below = root.value.removeprefix(mount.mountpoint).strip("/")
    inside = "/".join(part for part in (mount.root.strip("/"), below) if part)
    holding = [
        s for s in facts.subvolumes.value if not s.deleted and (not s.path or f"{inside}/".startswith(f"{s.path}/"))
    ]
    home = max(holding, key=lambda s: len(s.path), default=None)
    if home is None:
        return
    copies = [s for s in facts.subvolumes.value if s.parent_uuid and s.parent_uuid == home.uuid and not s.deleted]
    if copies:
        copied = count(len(copies), "snapshot")
        claim = f"the Docker root lies in a subvolume that has {copied}: each pins its volumes and logs"
        evidence = tuple(("snapshot", s.path) for s in copies[:5])
        remedy = "put the Docker root on a subvolume of its own"
        yield Finding("root-snapshotted", Severity.P3, claim, None, evidence, remedy, (), True)


def bookends(case: Case) -> Iterable[Finding]:
    """Extents that were overwritten in part stay pinned whole; defragmenting does not help."""
    facts = _facts(case)
    if facts is None or isinstance(facts.sharing, Unavailable):
        return
    wasted = facts.sharing.value.bookend_bytes
    if case.notable(wasted):
        severity = Severity.P2 if case.leak(wasted) else Severity.P3
        claim = "overwritten data that stays on disk, because a part of its extent is still used"
        remedy = "rewrite the largest random-write files: cp --reflink=never and mv (this ends their sharing)"
        yield Finding("btrfs-bookends", severity, claim, case.exact(wasted), (), remedy, (), True)


def health(case: Case) -> Iterable[Finding]:
    """Device errors and quotas that say themselves that they are wrong."""
    facts = _facts(case)
    if facts is None:
        return
    for device in facts.devices.value if isinstance(facts.devices, Exact) else ():
        errors = device.errors.value if isinstance(device.errors, Exact) else ()
        seen = tuple((name, str(count)) for name, count in errors if count)
        if seen:
            claim = f"device {device.path} has errors"
            yield Finding(
                "btrfs-device-errors", Severity.P1, claim, None, seen, "scrub, and replace the device", (), True
            )
    quotas = facts.quotas
    if isinstance(quotas, Exact) and quotas.value.mode is not QuotaMode.OFF and not quotas.value.consistent:
        claim = "quotas are on and flagged inconsistent: their figures are not used"
        remedy = "btrfs quota rescan, or switch quotas off"
        yield Finding("btrfs-quotas", Severity.P4, claim, None, (), remedy, (), True)


def inexact(case: Case) -> Iterable[Finding]:
    """The self-check of the exact walk did not close."""
    facts = _facts(case)
    if facts is None or isinstance(facts.sharing, Unavailable):
        return
    table = facts.sharing.value
    if table.residual_data_bytes or table.residual_metadata_bytes:
        evidence = (
            ("data", f"{table.residual_data_bytes} bytes"),
            ("metadata", f"{table.residual_metadata_bytes} bytes"),
        )
        claim = "the exact walk and the kernel's own counters differ: sizes are inexact"
        yield Finding("btrfs-inexact", Severity.P3, claim, None, evidence, "run again", (), False)


RULES = (metadata, unallocated, pending, snapshots, bookends, health, inexact)
