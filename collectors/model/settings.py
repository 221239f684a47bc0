"""What the program is told by its configuration: the numbers that judge, each with its reason, and what must stay.

They travel in the report, so that whoever shows, replays or carries it out goes by what it was judged by.
"""

from __future__ import annotations

from dataclasses import dataclass

from collectors.model.finding import Severity
from collectors.model.keep import MIB, Rules

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Thresholds:
    # 70 a ticket, 80 soon, 90 now: the mainstream of disk alerts. ext4 slows down and btrfs starts to fight for chunks
    # above 90.
    p2_percent: int = 70
    p1_percent: int = 80
    p0_percent: int = 90
    # A level clears this many points below itself, for this many runs: a disk that breathes around 80 does not flap.
    clear_points: int = 5
    clear_runs: int = 2
    # What is not P0 is raised by so many runs that agree.
    raise_runs: int = 2
    # A forecast is news only when there is still time to act, and noise when the horizon is longer than a plan.
    forecast_p1_hours: float = 4.0
    forecast_p2_hours: float = 24.0
    # A leak of a twentieth of the disk is a matter of days, whatever the fill is now.
    leak_share: float = 0.05
    # Below this a finding is not worth a line of its own.
    notable_bytes: int = 64 * MIB
    notable_share: float = 0.01
    # What the books may leave unexplained before that is a finding itself: the promise is 99 %.
    unattributed_share: float = 0.01
    # btrfs cannot allocate a chunk with less than this; data chunks are up to 1 GiB, metadata chunks 256 MiB.
    chunk_bytes: int = GIB
    metadata_full_share: float = 0.90
    metadata_high_share: float = 0.75
    # Inodes run out as suddenly as bytes; kubelet evicts at 5 % free.
    inodes_p1_percent: int = 90
    inodes_p0_percent: int = 95
    # ext's reserve is 5 % by default: meant for a root filesystem's daemons, wasted on a data disk.
    reserve_share: float = 0.03
    # Half-done work of a running engine is younger than this.
    grace_s: float = 3600.0
    # A log without a limit is a misconfiguration at any size, and a culprit above this.
    log_bytes: int = GIB

    @property
    def marks(self) -> tuple[int, int]:
        """The used % from which it is P1 and P0: what bars and charts mark, and what is foretold."""
        return self.p1_percent, self.p0_percent

    def level(self, used_percent: float) -> Severity:
        """What a used % says on its own."""
        for least, severity in (
            (self.p0_percent, Severity.P0),
            (self.p1_percent, Severity.P1),
            (self.p2_percent, Severity.P2),
        ):
            if used_percent >= least:
                return severity
        return Severity.OK


@dataclass(frozen=True, slots=True)
class Settings:
    """The tables `[thresholds]` and `[keep]` of the configuration."""

    thresholds: Thresholds
    keep: Rules


# Where nothing is configured, and for recordings from before reports carried their settings.
DEFAULTS = Settings(Thresholds(), Rules())
