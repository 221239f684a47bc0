"""Every number that judges, with its reason. All of them can be set in the configuration."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30
MIB = 1 << 20


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


DEFAULT = Thresholds()
