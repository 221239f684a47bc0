"""The common currency of trend and forecast: values over time. Pure data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value. `at_s` is Unix time; `boot_id` None where it is not known."""

    at_s: float
    value: int
    boot_id: str | None
