"""Days of a journal: our entries, those of supervisors, notes; sections damaged, put in between, torn.

Right is: nothing raises; the entries that were not touched are all there with their figures, and their maps are right
or unknown; every machine line is either a record or counted as skipped. A case is the day's file: its first line says
which sections were left alone (JSON), the rest is the file.
"""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

from collectors.journal import Record, day, encoding, reading
from tests.fuzz.change import ODD, damaged
from tests.fuzz.change_json import changed
from tests.fuzz.target import Target
from tests.journal.build import NOON, a_record

_RUNS = 8
_ON = NOON.date()
_END = NOON + timedelta(days=1)
_OURS = encoding.PREFIX.strip().encode()


@cache
def sections() -> tuple[bytes, ...]:
    """Whole sections, ours and a supervisor's in turn; the records build on each other."""
    found: list[bytes] = []
    base: Record | None = None
    for run in range(_RUNS):
        record = a_record(run)
        at = f"{record.at:%H:%M}"
        line = encoding.encode(record, base)
        found.append(f"## Docker storage — {at} UTC\n\n- Disk: {50 + run}% used\n\n{line}\n\n".encode())
        found.append(f"## Supervisor run — {at} UTC\n\n- Disk: {50 + run}%\n- Engine: up\n\n".encode())
        base = record
    return tuple(found)


def _seeds() -> tuple[bytes, ...]:
    whole = list(range(len(sections())))
    return (_case(whole, b"".join(sections()), sealed=False), _case([], sections()[0], sealed=False))


def _case(kept: list[int], content: bytes, *, sealed: bool) -> bytes:
    return json.dumps({"kept": kept, "sealed": sealed}).encode() + b"\n" + content


def _mutate(random: Random, case: bytes) -> bytes:
    head, _, content = case.partition(b"\n")
    told = json.loads(head)
    if not told["kept"]:
        return _case([], damaged(random, content, 3), sealed=told["sealed"])
    found: list[bytes] = []
    kept, sealed = [], told["sealed"]
    for number, section in enumerate(sections()):
        if random.random() < 0.7:
            kept.append(number)
            found.append(section)
            continue
        spoilt = section
        match random.randrange(6):
            case 0:
                spoilt = damaged(random, section, 4)
            case 1:
                spoilt, sealed = _resealed(random, section), True
            case 2:
                spoilt = section.replace(b"\n", b"\r\n")
            case 3:
                spoilt = section[: random.randrange(len(section))]
            case 4:
                spoilt = random.choice(ODD) * random.randrange(1, 300) + section
            case _:
                spoilt = b""
        found.append(spoilt if spoilt.endswith(b"\n") else spoilt + b"\n")
    if random.random() < 0.1:
        found.append(damaged(random, random.choice(sections()), 2))
    return _case(kept, b"".join(found), sealed=sealed)


def _resealed(random: Random, section: bytes) -> bytes:
    """A machine line that says something else and carries the checksum of what it says."""
    start = section.find(_OURS)
    if start < 0:
        return damaged(random, section)
    line, newline, after = section[start:].partition(b"\n")
    body = line[len(encoding.PREFIX) :].rpartition(b',"crc":"')[0] + b"}"
    other = changed(random, body).rpartition(b"}")[0].replace(b"\n", b"")
    try:
        crc = zlib.crc32(other.decode("ascii").encode())
    except UnicodeDecodeError:
        crc = 0
    again = encoding.PREFIX.encode() + other + b',"crc":"%08x"}' % crc + encoding.SUFFIX.encode()
    return section[:start] + again + newline + after


def _judge(case: bytes) -> str:
    head, _, content = case.partition(b"\n")
    try:
        told = json.loads(head)
        kept, sealed = [sections()[number] for number in told["kept"]], bool(told["sealed"])
    except (ValueError, LookupError, TypeError):  # made by leaving things out of a case
        return "no case"
    if not _in_order(content, kept):
        return "no case"
    found = day.parse(content, _ON)
    lines = sum(line.startswith(_OURS) for line in content.split(b"\n"))
    assert len(found.records) + found.skipped_lines >= lines, "a machine line is neither read nor counted"
    ours = [number // 2 for number in told["kept"] if number % 2 == 0]
    for run in ours:
        _there(a_record(run), found.records, sealed)
    points = {(point.at, point.used_percent) for point in found.foreign}
    for number in told["kept"]:
        if number % 2:
            run = number // 2
            at = datetime.combine(_ON, a_record(run).at.time(), UTC)
            assert (at, 50.0 + run) in points, "a supervisor's section that nobody touched is not there"
    _from_folder(content, len(set(ours)), sealed)
    return "whole" if not found.skipped_lines else "lines skipped"


def _in_order(content: bytes, kept: list[bytes]) -> bool:
    at = 0
    for section in kept:
        at = content.find(section, at)
        if at < 0 or (at and content[at - 1 : at] != b"\n"):
            return False
        at += len(section)
    return True


def _there(wanted: Record, records: list[Record], sealed: bool) -> None:
    alike = [
        record
        for record in records
        if (record.at, record.used_bytes, record.categories) == (wanted.at, wanted.used_bytes, wanted.categories)
    ]
    assert alike, "an entry that nobody touched is not there"
    if not sealed:
        for record in alike:
            assert record.owners in (None, wanted.owners), "a map of another record"


def _from_folder(content: bytes, ours: int, sealed: bool) -> None:
    """The same through the reader of folders, whole and sampled."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        (Path(folder) / day.file_name(NOON)).write_bytes(content)
        whole = reading.read(Path(folder), since=None, now=_END)
        reading.sample(Path(folder), since=NOON - timedelta(days=1), count=5, now=_END)
    assert sealed or len(whole.records) >= ours, "the reader of folders leaves an entry out"


TARGETS = (
    Target(
        "journal",
        "days of a journal: our sections, a supervisor's, machine lines with a right checksum",
        _seeds,
        _mutate,
        _judge,
        (),
    ),
)
