"""The common currency of trend and forecast: values over time. Pure data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value. `at_s` is Unix time; `boot_id` None where it is not known."""

    at_s: float
    value: int
    boot_id: str | None


@dataclass(frozen=True, slots=True)
class Levels:
    """The numbers that hysteresis and forecast judge by; `diagnosis.thresholds` fills them, with reasons.

    Percent of used, points of a percent, and numbers of runs.
    """

    p0: float = 90.0
    p1: float = 80.0
    p2: float = 70.0
    clear_points: float = 5.0
    clear_runs: int = 2
    raise_runs: int = 2
