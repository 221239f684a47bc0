"""What a btrfs' figures say of themselves: a walk that did not close, quotas flagged wrong, extents pinned whole."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.finding_context import FindingContext, count
from collectors.causes.plan_context import PlanContext
from collectors.model.btrfs import Btrfs, QuotaMode
from collectors.model.finding import Finding, Severity
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Between, Exact, Unavailable

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
    return commands.line("btrfs", "balance", "start", *forced, *filters, mountpoint)


PROFILES_LINE = "chunks of one kind have two profiles: a conversion is half done"
PROFILES = Cause(PROFILES_ID, None, None, None, PROFILES_LINE, detect_profiles)


ID = "btrfs-bookends"


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
        yield Finding(ID, context.severity(amount), claim, amount, (), remedy, (), True)


def propose_bookends(context: PlanContext) -> Proposal:
    """One proposal, for a person: which files it is about is not known."""
    sharing = facts.sharing if (facts := context.facts(Btrfs)) else None
    asked = context.found(ID) is not None
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


LINE = "overwritten data that stays on disk, because a part of its extent is still used"
NO_STEP = "how much of it there is was not read again"
BOOKENDS = Cause(ID, None, None, Harm.TIME, LINE, detect_bookends, propose_bookends, no_step=NO_STEP)
