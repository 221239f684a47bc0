"""Sections of the journal that other programs wrote: used % of `## Supervisor run — HH:MM UTC`. Pure.

Takes the first `- Disk: <X>%` of such a section and nothing else; a line that looks like one and cannot be read is
counted.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time

from collectors.history.record import UsedPoint

_MARKS = re.compile(rb"^(?:##? .*|- Disk:.*)$", re.MULTILINE)
_SUPERVISOR = re.compile(r"## Supervisor run [—–-] ([01]\d|2[0-3]):([0-5]\d) UTC *")
_DISK = re.compile(r"- Disk:\s+(\d{1,3}(?:\.\d+)?)\s?%")


def points(content: bytes, on: date) -> tuple[list[UsedPoint], int]:
    """The used % that others wrote into the file of the day `on`, and how many lines of theirs were skipped."""
    found: list[UsedPoint] = []
    skipped = 0
    section: time | None = None
    for match in _MARKS.finditer(content):
        line = match[0].decode("utf-8", "replace")
        if line.startswith("#"):
            section = _time(line)
            skipped += section is None and line.startswith("## Supervisor run ")
        elif section is not None:
            percent = _percent(line)
            if percent is None:
                skipped += 1
            else:
                found.append(UsedPoint(datetime.combine(on, section, UTC), percent))
                section = None
    return found, skipped


def _time(header: str) -> time | None:
    match = _SUPERVISOR.fullmatch(header)  # a line that ends in CR does not match
    return time(int(match[1]), int(match[2])) if match else None


def _percent(line: str) -> int | None:
    match = _DISK.match(line)
    if match is None or line.endswith("\r") or float(match[1]) > 100:
        return None
    return math.ceil(float(match[1]))
