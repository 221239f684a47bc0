"""What a btrfs' figures say of themselves: a walk that did not close, quotas flagged wrong, a conversion half done."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, count
from collectors.model.btrfs import Btrfs, QuotaMode
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact

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
