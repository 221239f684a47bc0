"""One day's file, `YYYY-MM-DD.md`: our records in it, and the used % in sections of other programs. Pure.

Of a section `## Supervisor run — HH:MM UTC` that another program wrote the first `- Disk: <X>%` is taken and nothing
else; a line that looks like one and cannot be read is counted.

Lines that are torn, edited, binary or CRLF are counted, never guessed at. The records of one file build on each other
(their maps are changes), so a file is read whole, or a record without its maps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from collectors.journal import Record, UsedPoint, encoding

_FOREIGN_MARKS = re.compile(rb"^(?:##? .*|- Disk:.*)$", re.MULTILINE)
_SUPERVISOR = re.compile(r"## Supervisor run [—–-] ([01]\d|2[0-3]):([0-5]\d) UTC *")
_DISK = re.compile(r"- Disk:\s+(\d{1,3}(?:\.\d+)?)\s?%")


def foreign_points(content: bytes, on: date) -> tuple[list[UsedPoint], int]:
    """The used % that others wrote into the file of the day `on`, and how many lines of theirs were skipped."""
    found: list[UsedPoint] = []
    skipped = 0
    section: time | None = None
    for match in _FOREIGN_MARKS.finditer(content):
        line = match[0].decode("utf-8", "replace")
        if line.startswith("#"):
            section = _section_time(line)
            skipped += section is None and line.startswith("## Supervisor run ")
        elif section is not None:
            percent = _percent(line)
            if percent is None:
                skipped += 1
            else:
                found.append(UsedPoint(datetime.combine(on, section, UTC), percent))
                section = None
    return found, skipped


def _section_time(header: str) -> time | None:
    match = _SUPERVISOR.fullmatch(header)  # a line that ends in CR does not match
    return time(int(match[1]), int(match[2])) if match else None


def _percent(line: str) -> int | None:
    match = _DISK.match(line)
    if match is None or line.endswith("\r") or float(match[1]) > 100:
        return None
    return math.ceil(float(match[1]))


HEADER = "## Docker storage"
_HEADER = HEADER.encode()
_OURS = encoding.PREFIX.strip().encode()
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}\.md")
_MARKS = re.compile(rb"^(?:##? .*|<!-- .*|<!--? ?)$", re.MULTILINE)
_LONGEST_LINE_BYTES = 1 << 20


@dataclass(slots=True)
class Day:
    """What one file holds, in the order of its lines. `last`: each filesystem's newest record, the base of the next.

    `bases`: every record by what a later line names it by; a run that wrote without the lock may have come between.
    """

    records: list[Record] = field(default_factory=list)
    foreign: list[UsedPoint] = field(default_factory=list)
    skipped_lines: int = 0
    machine_bytes: int = 0
    last: dict[str | None, Record] = field(default_factory=dict)
    bases: dict[encoding.Name, Record] = field(default_factory=dict)


def file_name(at: datetime) -> str:
    """The file that holds the entries of this moment's day, in UTC whatever the machine's zone."""
    return f"{at.astimezone(UTC):%Y-%m-%d}.md"


def date_of(name: str) -> date | None:
    """The day of a journal's file; None for any other file."""
    try:
        return date.fromisoformat(name[:10]) if _NAME.fullmatch(name) else None
    except ValueError:
        return None


def parse(content: bytes, on: date) -> Day:
    """Every record and foreign point of a day's file."""
    found = Day()
    found.foreign, found.skipped_lines = foreign_points(content, on)
    promised: int | None = None  # where a header of ours stands whose machine line is yet to come
    for match in _MARKS.finditer(content):
        line = match[0]
        if line.startswith(b"#"):
            found.skipped_lines += promised is not None
            promised = match.start() if line.startswith(_HEADER + b" \xe2\x80\x94") else None
        elif line.startswith(_OURS) or _OURS.startswith(line):
            _take(line, found)
            promised = None
    # A last entry that is torn is one line that was skipped, also where the cut goes through a character.
    found.skipped_lines += (promised is not None) + sum(1 for _ in _binary(content[:promised]))
    return found


def newest(block: bytes, on: date) -> tuple[Record | None, UsedPoint | None]:
    """The last whole record and the last foreign point of a part of a day's file; the record's maps are unknown."""
    points, _ = foreign_points(block, on)
    last = points[-1] if points else None
    end = len(block)
    while (start := _last_line(block, end)) is not None:
        try:
            return encoding.decode(block[start:end].partition(b"\n")[0].decode("ascii"), {}), last
        except ValueError:
            end = start
    return None, last


def _take(line: bytes, found: Day) -> None:
    try:
        if len(line) > _LONGEST_LINE_BYTES:
            raise ValueError("too long to be ours")
        record = encoding.decode(line.decode("ascii"), found.bases)
    except ValueError:
        found.skipped_lines += 1
        return
    found.machine_bytes += len(line)
    found.records.append(record)
    found.last[record.filesystem] = record
    found.bases[encoding.name_of(record)] = record


def _last_line(block: bytes, end: int) -> int | None:
    start = block.rfind(b"\n" + _OURS, 0, end)
    if start >= 0:
        return start + 1
    return 0 if end > 0 and block.startswith(_OURS, 0, end) else None


def _binary(content: bytes) -> Iterator[bytes]:
    """Lines that are no text; those that claim to be ours are counted as ours."""
    if _is_text(content):
        return
    yield from (line for line in content.split(b"\n") if not _is_text(line) and not line.startswith(_OURS))


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in content
