"""Puts the records of one boot on one clock: a clock that was set, ahead or back, moves no run. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from collectors.history.record import Record

# Kernel and wall clock part by less than this while the clock is only steered, not set.
_SET_S = 90.0


def straightened(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records, those of each boot timed by its newest run's clock and their uptimes. Order is kept.

    Without an uptime the time stands as it was written.
    """
    kept = tuple(records)
    newest: dict[str, tuple[float, datetime]] = {}
    for record in kept:
        if record.boot_id is not None and record.uptime_s is not None:
            known = newest.get(record.boot_id)
            if known is None or record.uptime_s > known[0]:
                newest[record.boot_id] = (record.uptime_s, record.at)
    return tuple(_straight(record, newest) for record in kept)


def _straight(record: Record, newest: dict[str, tuple[float, datetime]]) -> Record:
    if record.boot_id is None or record.uptime_s is None:
        return record
    uptime_s, at = newest[record.boot_id]
    meant = at - timedelta(seconds=uptime_s - record.uptime_s)
    return replace(record, at=meant) if abs((meant - record.at).total_seconds()) > _SET_S else record
