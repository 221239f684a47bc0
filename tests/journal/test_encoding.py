"""The machine line: what goes in comes out, and nothing foreign gets out of it."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.journal import Action, Noted, NotedFilesystem, Record, encoding, fields, reading
from collectors.journal.appending import append
from collectors.journal.encoding import (
    OTHERS_KEPT,
    OWNERS_KEPT,
    THINGS_KEPT,
    Name,
    bounded,
    clip,
    decode,
    encode,
    name_of,
    short_id,
)
from collectors.journal.reading import read
from collectors.model.filesystem import Allocation
from collectors.model.plan import Severity
from tests.journal.build import NOON, RUN, a_folder, a_record, image_id

HOSTILE = [
    "a-->b",
    "--><h1>",
    "<!-- ullage {} -->",
    "x\n## Escalation\n",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b[2J",
    "\u202eevil\u2066",
    "nul\x00nul",
    "\x9b31m",
    "|`*_[x](y)",
    "----->",
    "\udcff\udcfe",
    "\u2028## Supervisor run — 10:00 UTC\u2029- Disk: 1%",
    "é漢🐳",
    "&lt;&#45;",
    "\\u003e\\",
]
FOREIGN = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=40),
    st.text(alphabet=st.characters(categories=["Cc", "Cf", "Zl", "Zp"]), max_size=10),
    st.text(alphabet=[chr(code) for code in range(0xDC80, 0xDD00)], max_size=10),  # bytes that are no UTF-8
)
COUNTS = st.one_of(st.none(), st.integers(0, 1 << 60))
SEVERITIES = st.sampled_from(Severity)


@st.composite
def records(draw: st.DrawFn) -> Record:
    names = st.dictionaries(FOREIGN, st.integers(0, 1 << 60), max_size=6)
    noted = st.builds(Noted, FOREIGN, SEVERITIES, SEVERITIES, COUNTS)
    sizes = st.one_of(st.none(), st.integers(-(1 << 60), 1 << 60))
    return Record(
        at=NOON + timedelta(microseconds=draw(st.integers(0, 10**12))),
        boot_id=draw(st.one_of(st.none(), FOREIGN)),
        uptime_s=draw(st.one_of(st.none(), st.floats(0, 1e9))),
        filesystem=draw(st.one_of(st.none(), FOREIGN)),
        total_bytes=draw(COUNTS),
        used_bytes=draw(COUNTS),
        available_bytes=draw(COUNTS),
        severity=draw(st.one_of(st.none(), SEVERITIES)),
        categories=draw(st.dictionaries(FOREIGN, sizes, max_size=4)),
        allocation=draw(st.one_of(st.none(), st.builds(Allocation, *[st.integers(0, 1 << 60)] * 4, *[COUNTS] * 3))),
        owners=draw(st.one_of(st.none(), names)),
        tags=draw(st.one_of(st.none(), st.dictionaries(FOREIGN, FOREIGN, max_size=6))),
        dangling=draw(st.one_of(st.none(), names)),
        orphans=draw(st.one_of(st.none(), st.frozensets(FOREIGN, max_size=6))),
        findings=tuple(draw(st.lists(noted, max_size=3))),
        actions=tuple(draw(st.lists(st.builds(Action, FOREIGN, FOREIGN, FOREIGN, sizes, sizes, sizes), max_size=3))),
    )


def _bases(*known: Record) -> dict[Name, Record]:
    return {name_of(record): record for record in known}


@settings(max_examples=40, deadline=None)
@given(records())
def test_a_record_survives_the_line(record: Record) -> None:
    kept = bounded(record)
    assert replace(decode(encode(record, None), {}), actions=()) == replace(kept, actions=())
    assert sorted(decode(encode(record, None), {}).actions, key=repr) == sorted(kept.actions, key=repr)


@settings(max_examples=40, deadline=None)
@given(records(), records())
def test_a_record_survives_as_a_change_against_any_other(before: Record, record: Record) -> None:
    base = decode(encode(replace(before, filesystem=record.filesystem), None), {})
    line = encode(record, base)
    assert decode(line, _bases(base)) == decode(encode(record, None), {})


@settings(max_examples=40, deadline=None)
@given(records(), records())
def test_a_change_without_its_base_is_unknown_and_never_wrong(before: Record, record: Record) -> None:
    base = decode(encode(replace(before, filesystem=record.filesystem), None), {})
    alone, whole = decode(encode(record, base), {}), decode(encode(record, None), {})
    for name in ("owners", "tags", "dangling", "orphans"):
        assert getattr(alone, name) in (None, getattr(whole, name))
    assert alone.used_bytes == whole.used_bytes


@settings(max_examples=40, deadline=None)
@given(records())
def test_a_line_is_ascii_and_nothing_in_it_closes_the_comment(record: Record) -> None:
    line = encode(record, None)
    assert line.isascii()
    assert line.isprintable()
    inside = line.removeprefix("<!-- ullage ").removesuffix(" -->")
    assert not set("<>&") & set(inside)
    assert "--" not in inside


@settings(max_examples=30, deadline=None)
@given(record=records(), bullets=st.lists(FOREIGN, max_size=4))
def test_foreign_strings_forge_no_line_of_the_journal(
    record: Record, bullets: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path: Path = tmp_path_factory.mktemp("journal")
    wrote = append(a_folder(path), replace(record, at=NOON), bullets)
    assert wrote.path is not None
    text = wrote.path.read_bytes().decode()
    lines = text.split("\n")
    assert [line for line in lines if line.startswith("#")] == ["## Docker storage — 12:00 UTC"]
    assert text.count("<!--") == text.count("-->") == 1
    assert all(char == "\n" or char.isprintable() for char in text)
    assert len(lines) == 6 + len(bullets)
    found = read(path, now=NOON)
    assert (len(found.records), found.foreign, found.skipped_lines) == (1, (), 0)


@pytest.mark.parametrize("bullet", HOSTILE)
def test_a_hostile_bullet_is_one_printable_line_that_begins_nothing(bullet: str) -> None:
    line = encoding.markdown_line(bullet)
    assert line.isprintable()
    assert not line.startswith(("#", "<!--", "---", "===", "```"))
    assert "-->" not in line
    assert "<!--" not in line


def test_a_bullet_that_is_a_page_is_cut() -> None:
    assert len(encoding.markdown_line("x" * 100_000)) == encoding.LONGEST


@pytest.mark.parametrize("length", [0, 1, 200, 201, 10_000])
def test_long_names_are_cut_and_stay_apart(length: int) -> None:
    one, other = clip("n" * length + "a"), clip("n" * length + "b")
    assert one != other
    assert len(one) <= 200


def test_image_ids_are_kept_short() -> None:
    assert short_id("sha256:" + "ab" * 32) == "abababababababab"
    assert short_id("abababababababab") == "abababababababab"


def test_only_the_largest_owners_are_kept() -> None:
    kept = bounded(a_record(owners={f"container:{number}": number for number in range(1000)})).owners
    assert kept is not None
    assert sorted(kept.values()) == list(range(1000 - OWNERS_KEPT, 1000))


def test_a_line_without_room_names_what_it_left_out(tmp_path: Path) -> None:
    tags = {f"team/app-{number}:latest": image_id(number) for number in range(20_000)}
    record = decode(encode(a_record(tags=tags), None), {})
    assert record.tags is None
    assert record.trimmed == ("tags",)
    assert record.owners == a_record().owners


def test_what_a_full_line_left_out_comes_back_when_there_is_room(tmp_path: Path) -> None:
    def tags(round_: int) -> dict[str, str]:
        return {f"registry.example/team/app-{number:04d}:latest": image_id(number + round_) for number in range(3000)}

    for run in range(30):  # every tag moves in every run, ten times
        append(a_folder(tmp_path), a_record(run % 70, at=NOON + run * RUN / 10, tags=tags(min(run, 10))), [])
    found = read(tmp_path, now=NOON + timedelta(days=1)).records
    assert any(record.tags is None for record in found)
    assert found[-1].tags == {tag: short_id(id_) for tag, id_ in tags(10).items()}


def another(number: int, *, alarms: int = 1) -> NotedFilesystem:
    """A filesystem beside the Docker root's, the fuller the smaller its number."""
    noted = tuple(Noted(f"rule-number-{n}", Severity.P2, Severity.P1, 10**10) for n in range(alarms))
    return NotedFilesystem(f"ext4:/dev/disk/by-id/{number:064x} /mnt/{number}", 10**12, 10**11, number * 10**9, noted)


def test_other_filesystems_come_back_as_they_were_and_lines_without_them_are_read() -> None:
    unread = NotedFilesystem("ext4:2", None, None, None, ())
    chunks = replace(another(3), allocation=Allocation(9, 8, 7, 6, None, 5, 4))
    record = a_record(others=(another(1, alarms=2), unread, chunks))
    assert decode(encode(record, None), {}).others == record.others
    assert decode(encode(a_record(), None), {}).others == ()
    assert '"also"' not in encode(a_record(), None)


def test_of_very_many_the_fullest_are_kept_and_that_is_said() -> None:
    kept = decode(encode(a_record(others=tuple(another(n) for n in range(20))), None), {})
    assert [one.available_bytes for one in kept.others] == [n * 10**9 for n in range(OTHERS_KEPT)]
    assert "others" in kept.trimmed


@pytest.mark.parametrize(
    "wire", [1, [["x"]], [["x", 1, 2, 3, [["rule"]]]], [[None, 1, 2, 3, []]], [["x", -1, 2, 3, []]]]
)
def test_what_is_no_other_filesystem_makes_the_line_no_record(wire: object) -> None:
    good = fields.wire(a_record(others=(another(1),)), None)
    assert fields.record(good, None).others == (another(1),)
    with pytest.raises(ValueError, match=r"."):
        fields.record({**good, "also": wire}, None)


@pytest.mark.parametrize("busy", [False, True])
def test_a_day_of_72_runs_on_a_host_with_500_images_stays_under_a_megabyte(busy: bool, tmp_path: Path) -> None:
    def record(run: int, at: datetime) -> Record:
        moved = 60 * run if busy else run // 9
        images = {
            f"registry.example.com:5000/team-{number % 20}/service-{number:03d}:2026.11.{number % 30}": image_id(
                number + 1000 * (run if number < (40 if busy else 1) else 0)
            )
            for number in range(500)
        }
        rebuilt = 3 * moved if busy else 2 * run
        layers = {f"unit:{number + (10_000 if number < rebuilt else 0):012x}": 10**7 + number for number in range(1500)}
        logs = {f"log:{number:012x}": 10**8 + number * run for number in range(60)}
        named = dict.fromkeys(layers, "images registry.example.com:5000/team-7/service-123:2026.11.23")
        owners = {f"image:registry.example.com:5000/team/service-{n:03d}": 10**9 * n + moved * n for n in range(500)}
        return a_record(
            at=at,
            uptime_s=run * 1200.0,
            tags=images,
            owners=owners,
            dangling={f"registry.example.com:5000/team/service-{n:03d}": run * n * 10**6 for n in range(40)},
            orphans=frozenset(image_id(n).removeprefix("sha256:") for n in range(run if busy else 41)),
            things=layers | logs,
            labels=named | dict.fromkeys(logs, "logs service-123-worker"),
            findings=tuple(Noted(f"rule-number-{n}", Severity.P2, Severity.P2, 10**10) for n in range(12)),
            others=tuple(another(n, alarms=12) for n in range(OTHERS_KEPT + 4)),
        )

    midnight = NOON.replace(hour=0)
    for run in range(72):
        append(a_folder(tmp_path), record(run, midnight + run * RUN), ["a finding in words, with a size"] * 8)
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size < 1_000_000
    last = read(tmp_path, now=midnight + timedelta(days=2)).records[-1]
    assert last.tags is not None
    assert len(last.tags) == 500
    if not busy:  # 60 builds of three layers each run are more than a day can keep by name
        assert len(last.things or ()) == len(last.labels or ()) == THINGS_KEPT
        assert last.trimmed == ("others",)


@pytest.mark.parametrize("alphabet", [string.printable, string.hexdigits])
def test_no_edit_of_one_character_is_taken_for_a_record(alphabet: str) -> None:
    line = encode(a_record(), None)
    for index in range(0, len(line), 7):
        for char in alphabet[index % 5 :: 17]:
            if line[index] == char:
                continue
            with pytest.raises(ValueError, match=r"."):
                decode(line[:index] + char + line[index + 1 :], {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("used", -1),
        ("used", 1.5),
        ("used", True),
        ("used", "1"),
        ("used", 10**400),
        ("up", -1),
        ("up", float("nan")),
        ("at", "2026-11-23T12:00:00"),
        ("at", "noon"),
        ("at", None),
        ("cat", []),
        ("cat", {"logs": 1.5}),
        ("cat", {"logs": "1"}),
        ("btrfs", [1, 2, 3]),
        ("btrfs", [1, 2, 3, None, None]),
        ("owners", {"=": {"a": "b"}}),
        ("owners", {"+": {}, "x": 1}),
        ("owners", {"+": {}, "-": [1]}),
        ("tags", {"=": {"a": 1}}),
        ("found", [["rule", "P9", "P1", 1]]),
        ("found", [["rule"]]),
        ("did", {}),
        ("sev", "p1"),
    ],
)
def test_a_field_of_the_wrong_kind_makes_the_line_none_of_ours(field: str, value: Any) -> None:
    from collectors.journal import encoding, fields

    wire = fields.wire(bounded(a_record()), None) | {field: value}
    with pytest.raises(ValueError, match=r"."):
        decode(encoding._line(wire), {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("at", "0001-01-01T00:00:00+23:59"),
        ("at", "9999-12-31T23:59:59-23:59"),
        ("at", "1969-12-31T23:59:59Z"),
        ("up", 9e10),
        ("up", float("nan")),
    ],
)
def test_a_time_beyond_the_calendar_is_no_record_whatever_its_checksum(name: str, value: object) -> None:
    """A clock of one boot moves its records by up to an uptime: neither end of the calendar may be in reach."""
    wire = fields.wire(a_record(), None) | {name: value}
    with pytest.raises(ValueError, match=r"time|seconds|value|number"):
        decode(encoding._line(wire), {})


def test_the_oldest_time_and_the_longest_uptime_stay_in_the_calendar() -> None:
    early = replace(a_record(), at=datetime(1970, 1, 1, tzinfo=UTC), uptime_s=9.9e9)
    late = replace(early, at=datetime(1970, 1, 2, tzinfo=UTC), uptime_s=0.0)
    assert len(reading.straightened((late, early))) == 2


def test_an_allocation_from_before_allocatable_was_told_says_that_it_is_unknown() -> None:
    assert fields._allocation([5, 4, 3, 2, 1, 7, 6]) == Allocation(5, 4, 3, 2, 1, 7, 6)
    assert fields._allocation([5, 4, 3, 2, 1]) == Allocation(5, 4, 3, 2, 1, None, None)
    for damaged in ([5, 4, 3, 2], [5, 4, 3, 2, 1, 7], "5,4,3,2,1"):
        with pytest.raises(ValueError, match=r"."):
            fields._allocation(damaged)
