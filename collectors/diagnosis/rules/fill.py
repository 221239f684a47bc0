"""How full is the disk: bytes, inodes, the reserve of ext, forced read-only?"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.diagnosis.case import Case
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Exact, Origin, Unavailable
from collectors.model.sums import charged


def disk_full(case: Case) -> Iterable[Finding]:
    """Used bytes against the thresholds. A filesystem that could not be asked is a finding too."""
    space = case.study.filesystem.space
    if isinstance(space, Unavailable):
        yield Finding(
            "disk-unknown",
            Severity.P2,
            "how full the disk is could not be read",
            None,
            (("reason", f"{space.why}: {space.detail}"),),
            "run where the Docker root can be seen",
            (),
            False,
        )
        return
    percent, limits = space.value.used_percent, case.limits
    levels = ((limits.p0_percent, Severity.P0), (limits.p1_percent, Severity.P1), (limits.p2_percent, Severity.P2))
    for level, severity in levels:
        if percent >= level:
            rows = sorted(case.ledger.rows, key=lambda row: -charged(row.charged))
            told = tuple((row.category.value, row.charged) for row in rows[:4] if charged(row.charged) > 0)
            yield Finding(
                "disk-full",
                severity,
                f"the disk is above {level}%",
                Exact(space.value.used_bytes, space.origin),
                told,
                "follow the plan",
                (),
                True,
            )
            return


def no_root(case: Case) -> Iterable[Finding]:
    """The figures of a filesystem on which no Docker root was found: true, but perhaps not those that matter."""
    root = case.snapshot.docker_root
    if isinstance(root, Unavailable) and isinstance(case.study.occupancy, Exact):
        where = case.study.filesystem.mount.mountpoint
        yield Finding(
            "no-docker-root",
            Severity.P4,
            f"no Docker root was found: these are the figures of {where}, where it would usually be",
            None,
            (("reason", f"{root.why}: {root.detail}"),),
            "name it with --docker-root, or run where it can be seen",
            (),
            False,
        )


def inodes(case: Case) -> Iterable[Finding]:
    """Inodes run out while bytes are left; btrfs has no fixed number."""
    space = case.space
    if space is None or not space.inodes:
        return
    percent = -(-(space.inodes - space.inodes_available) * 100 // space.inodes)
    if percent >= case.limits.inodes_p1_percent:
        severity = Severity.P0 if percent >= case.limits.inodes_p0_percent else Severity.P1
        yield Finding(
            "inodes-exhausted",
            severity,
            f"{percent}% of the inodes are used: files cannot be made when they run out, whatever df says",
            None,
            (("free inodes", f"{space.inodes_available:,}"),),
            "remove images and build cache with many small files",
            (),
            True,
        )


def reserve(case: Case) -> Iterable[Finding]:
    """Blocks that only root may use."""
    space = case.space
    if space is None or not case.study.filesystem.mount.fstype.startswith("ext"):
        return
    kept = space.free_bytes - space.available_bytes
    if kept > case.limits.reserve_share * space.total_bytes and case.notable(kept):
        origin = Origin("diagnosis", "f_bfree − f_bavail", case.snapshot.ended_at, 0.0)
        source = case.study.filesystem.mount.source
        yield Finding(
            "ext-reserve",
            Severity.P4,
            "blocks that only root may use",
            Exact(kept, origin),
            (),
            f"on a data disk: tune2fs -m 1 {source}",
            (),
            True,
        )


def read_only(case: Case) -> Iterable[Finding]:
    """A superblock that the kernel turned read-only: nothing that writes will help."""
    mount = case.study.filesystem.mount
    if "ro" in mount.super_options and "rw" in mount.options:
        yield Finding(
            "forced-read-only",
            Severity.P0,
            f"the kernel turned {mount.mountpoint} read-only after an error",
            None,
            (("device", mount.source),),
            "read the kernel log, stop writers, repair or replace; never prune now",
            (),
            True,
        )


def unattributed(case: Case) -> Iterable[Finding]:
    """The promise is that the books explain 99 %."""
    row = case.ledger.row(Category.UNATTRIBUTED)
    if isinstance(row.charged, Exact) and case.used_bytes:
        left = row.charged.value
        if left > case.limits.unattributed_share * case.used_bytes and left >= case.limits.notable_bytes:
            yield Finding(
                "unattributed",
                Severity.P3,
                "used bytes that no source explains",
                row.charged,
                (("why", row.reason or "every source was read; a mount may hide files below it"),),
                "run as root with the Docker root visible; see Coverage",
                (),
                False,
            )


RULES = (disk_full, no_root, inodes, reserve, read_only, unattributed)
