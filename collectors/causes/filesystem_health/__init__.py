"""What a filesystem says of itself: that it is in trouble, or that its figures cannot be trusted to the byte.

Forced read-only, a device missing or failing; on btrfs a walk that did not close, quotas flagged wrong, extents pinned
whole, a half-done conversion; and used bytes that no source explains, though the books promise to explain 99 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collectors.causes import base
from collectors.causes.base import Alert, Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, count
from collectors.causes.plan_context import PlanContext
from collectors.model.btrfs import Btrfs, Device, QuotaMode
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import Between, Exact, Size, Unavailable

READ_ONLY_ID = "forced-read-only"


def detect_read_only(context: FindingContext) -> Iterable[Finding]:
    """Mounted for writing, and read-only all the same."""
    mount = context.study.filesystem.mount
    if mount.takes_no_writes and "rw" in mount.options:
        claim = f"the kernel turned {mount.mountpoint} read-only after an error"
        remedy = (
            "stop the engine, save the kernel log (dmesg): the error in it tells what to do; then unmount and check "
            "read-only (btrfs check --readonly, e2fsck -n, xfs_repair -n) before it is mounted again; never prune now"
        )
        yield Finding(READ_ONLY_ID, Severity.P0, claim, None, (("device", mount.source),), remedy, (), True)


READ_ONLY_LINE = "the kernel turned the filesystem read-only after an error"
READ_ONLY = Cause(READ_ONLY_ID, None, None, None, READ_ONLY_LINE, detect_read_only)


DEVICE_ID = "btrfs-device-errors"


def detect_device(context: FindingContext) -> Iterable[Finding]:
    """One finding a device whose counters are not all zero; a missing one has a finding of its own."""
    facts, at = context.facts(Btrfs), context.study.filesystem.mount.mountpoint
    for device in facts.known_devices if facts is not None else ():
        errors = device.errors.value if isinstance(device.errors, Exact) else ()
        seen = tuple((name, str(count)) for name, count in errors if count)
        if seen and not device.missing:
            what, remedy = _trouble(device, dict(errors), at)
            yield Finding(
                DEVICE_ID,
                Severity.P1,
                f"device {device.path} {what}",
                None,
                seen,
                remedy,
                (),
                True,
                subject=device.path,
            )


def _trouble(device: Device, errors: Mapping[str, int], mountpoint: str) -> tuple[str, str]:
    """What the counters of one device mean, and what to do first."""
    scrub = base.command("btrfs", "scrub", "start", "-B", mountpoint)
    if errors.get("write_errs") or errors.get("flush_errs"):
        return "fails to write", f"replace it before anything is balanced: {_replace(device, mountpoint)}"
    if errors.get("generation_errs"):
        return "is stale: it missed writes while it was away", f"write it anew from the other copies: {scrub}"
    return "has errors", f"scrub ({scrub}), and replace the device where they come back"


DEVICE_LINE = "a device of the btrfs counts errors"
DEVICE = Cause(DEVICE_ID, None, None, None, DEVICE_LINE, detect_device)

MISSING_ID = "btrfs-device-missing"


def detect_missing(context: FindingContext) -> Iterable[Finding]:
    """One finding a device that is not there. Most profiles survive one loss; another one may end it."""
    facts, at = context.facts(Btrfs), context.study.filesystem.mount.mountpoint
    for device in facts.known_devices if facts is not None else ():
        if facts is None or not device.missing:
            continue
        claim = f"device {device.devid} of the btrfs is missing: what it had a copy of has one copy less"
        evidence: list[tuple[str, Size | str]] = [("the next mount needs", "-o degraded")]
        evidence += [(f"{kind} in", " and ".join(profiles)) for kind, profiles in facts.profiles.items()]
        evidence.append(("chunks on it", context.exact(device.allocated_bytes)))
        remedy = f"bring it back, or replace it before anything else: {_replace(device, at)}; do not balance until then"
        yield Finding(
            MISSING_ID, Severity.P1, claim, None, tuple(evidence), remedy, (), True, subject=str(device.devid)
        )


def _replace(device: Device, mountpoint: str) -> str:
    return f"{base.command('btrfs', 'replace', 'start', str(device.devid))} NEW_DEVICE {base.command(mountpoint)}"


MISSING_LINE = "a device of the btrfs is missing"
MISSING_ALERT = Alert(
    "DockerDiskDeviceMissing", Severity.P1, "", "critical", "a device of the btrfs is missing: another loss may end it"
)
MISSING = Cause(MISSING_ID, None, None, None, MISSING_LINE, detect_missing, alert=MISSING_ALERT)


INEXACT_ID = "btrfs-inexact"


def detect_inexact(context: FindingContext) -> Iterable[Finding]:
    """What the walk counted and what the kernel counts differ."""
    sharing = facts.sharing if (facts := context.facts(Btrfs)) else None
    if not isinstance(sharing, Exact):
        return
    table = sharing.value
    if table.residual_data_bytes or table.residual_metadata_bytes:
        evidence = (
            ("data", f"{table.residual_data_bytes} bytes"),
            ("metadata", f"{table.residual_metadata_bytes} bytes"),
        )
        claim = "the exact walk and the kernel's own counters differ: sizes are inexact"
        yield Finding(INEXACT_ID, Severity.P3, claim, None, evidence, "run again", (), False)


INEXACT_LINE = "the exact walk of the btrfs and the kernel's own counters differ"
INEXACT = Cause(INEXACT_ID, None, None, None, INEXACT_LINE, detect_inexact)


QUOTA_ID = "btrfs-quotas"


def detect_quota(context: FindingContext) -> Iterable[Finding]:
    """They are on, and flagged inconsistent."""
    quotas = facts.quotas if (facts := context.facts(Btrfs)) else None
    if isinstance(quotas, Exact) and quotas.value.mode is not QuotaMode.OFF and not quotas.value.consistent:
        claim = "quotas are on and flagged inconsistent: their figures are not used"
        remedy = "btrfs quota rescan, or switch quotas off"
        yield Finding(QUOTA_ID, Severity.P4, claim, None, (), remedy, (), True)


QUOTA_LINE = "btrfs quotas are on and flagged inconsistent"
QUOTA = Cause(QUOTA_ID, None, None, None, QUOTA_LINE, detect_quota)


PROFILES_ID = "btrfs-profiles"
_FILTERS = {"data": "d", "metadata": "m", "system": "s"}


def detect_profiles(context: FindingContext) -> Iterable[Finding]:
    """One finding a kind whose chunks have more than one profile: some data has fewer copies than one would think."""
    facts = context.facts(Btrfs)
    if facts is None:
        return
    doing = facts.operation.value if isinstance(facts.operation, Exact) else "none"
    for kind, profiles in facts.profiles.items():
        if len(profiles) < 2:
            continue
        mine = (space for space in facts.known_spaces if space.kind == kind)
        evidence = tuple((space.profile, context.exact(space.logical_used_bytes)) for space in mine)
        claim = f"{kind} in {count(len(profiles), 'profile')}, {' and '.join(profiles)}: a conversion is half done"
        ways = [_convert(kind, profile, context.study.filesystem.mount.mountpoint) for profile in profiles]
        remedy = f"finish or undo it: {' or '.join(ways)}"
        severity = Severity.P3
        if doing.startswith("balance"):
            severity, remedy = Severity.P4, f"let it end, or resume it ({doing} now)"
        yield Finding(PROFILES_ID, severity, claim, None, evidence, remedy, (), True)


def _convert(kind: str, profile: str, mountpoint: str) -> str:
    to = f"convert={profile.lower()},soft"
    filters = [f"-d{to}", f"-m{to}"] if kind == "mixed" else [f"-{_FILTERS[kind]}{to}"]
    forced = ["-f"] if kind == "system" else []
    return base.command("btrfs", "balance", "start", *forced, *filters, mountpoint)


PROFILES_LINE = "chunks of one kind have two profiles: a conversion is half done"
PROFILES = Cause(PROFILES_ID, None, None, None, PROFILES_LINE, detect_profiles)


BOOKENDS_ID = "btrfs-bookends"


def detect_bookends(context: FindingContext) -> Iterable[Finding]:
    """As far as they are notable."""
    facts = context.facts(Btrfs)
    if facts is None or isinstance(facts.sharing, Unavailable):
        return
    wasted = facts.sharing.value.bookend_bytes
    if context.notable(wasted):
        claim = "overwritten data that stays on disk, because a part of its extent is still used"
        remedy = "rewrite the largest random-write files: cp --reflink=never and mv (this ends their sharing)"
        amount = context.exact(wasted)
        yield Finding(BOOKENDS_ID, context.severity(amount), claim, amount, (), remedy, (), True)


def propose_bookends(context: PlanContext) -> Proposal:
    """One proposal, for a person: which files it is about is not known."""
    sharing = facts.sharing if (facts := context.facts(Btrfs)) else None
    asked = context.found(BOOKENDS_ID) is not None
    if not asked or not isinstance(sharing, Exact) or sharing.value.bookend_bytes <= 0:
        return Proposal()
    most = sharing.value.bookend_bytes
    draft = Draft(
        id="btrfs.rewrite",
        action="btrfs.rewrite",
        title="Rewrite files whose overwritten parts are still pinned",
        command="cp --archive --reflink=never FILE FILE.new && mv FILE.new FILE",
        targets=(),
        rank=100,
        within=(),
        harm=Harm.TIME,
        risk=Risk.CAREFUL,
        needs="the writer of the file stopped; room for one copy of it",
        costs="what the file shared with snapshots or clones is no longer shared; defragmenting does not help",
        undo="none needed: the content is the same",
        automatic=False,
        estimate=Between(most // 2, 0, most, 0.9, "pinned by extents that are only partly referenced", sharing.origin),
    )
    return Proposal((draft,))


BOOKENDS_LINE = "overwritten data that stays on disk, because a part of its extent is still used"
NO_STEP = "how much of it there is was not read again"
BOOKENDS = Cause(BOOKENDS_ID, None, None, Harm.TIME, BOOKENDS_LINE, detect_bookends, propose_bookends, no_step=NO_STEP)


UNATTRIBUTED_ID = "unattributed"


def detect_unattributed(context: FindingContext) -> Iterable[Finding]:
    """The rest is larger than what may be left over."""
    row = context.ledger.row(Category.UNATTRIBUTED)
    if isinstance(row.charged, Exact) and context.used_bytes:
        left = row.charged.value
        if left > context.limits.unattributed_share * context.used_bytes and left >= context.limits.notable_bytes:
            why = (("why", row.reason or "every source was read; a mount may hide files below it"),)
            remedy = "run as root with the Docker root visible; see Coverage"
            claim = "used bytes that no source explains"
            yield Finding(UNATTRIBUTED_ID, Severity.P3, claim, row.charged, why, remedy, (), False)


UNATTRIBUTED_LINE = "used bytes that no source explains"
UNATTRIBUTED = Cause(
    UNATTRIBUTED_ID,
    Category.UNATTRIBUTED,
    None,
    None,
    UNATTRIBUTED_LINE,
    detect_unattributed,
    symptom=True,
    wants_step=False,
)
