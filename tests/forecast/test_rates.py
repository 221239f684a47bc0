"""Who writes how fast, and how fast a disk fills, from looks a second apart."""

from __future__ import annotations

import pytest

from collectors.forecast.rates import FillRate, WriteRates

MIB = 1 << 20
ID = "c" * 64
Row = tuple[int, bytes, bytes, int, int, bool]


def row(pid: int, count: int, *, container: str = "", command: str = "dd", parent: int = 1, here: bool = True) -> Row:
    return (pid, container.encode(), command.encode(), parent, count, here)


def rates(*looks: list[Row], logs: tuple[dict[str, int], ...] = ()) -> dict[str, float]:
    """MiB a second of each writer after these looks."""
    counted = WriteRates({ID: "web-1"})
    for at, rows in enumerate(looks):
        counted.look(float(at), logs[at] if logs else {}, rows)
    return {f"{one.kind} {one.name}": one.bytes_per_s / MIB for one in counted.writers()}


def test_a_writer_has_its_whole_rate_with_its_first_whole_second() -> None:
    """It began within the first one, of which the look saw half."""
    written = [0, 10, 30, 50]
    told = rates(*([row(7, 5 * MIB + count * MIB, container=ID)] for count in written))
    assert told == {"container web-1": 20.0}
    assert rates(*([row(7, count * MIB, container=ID)] for count in written[:3])) == {"container web-1": 20.0}


def test_what_was_written_before_anybody_looked_is_no_rate() -> None:
    assert rates([row(7, 900 * MIB)], [row(7, 900 * MIB)]) == {}


def test_a_process_that_is_new_has_written_all_that_it_has() -> None:
    assert rates([row(1, MIB)], [row(1, MIB), row(7, 30 * MIB)]) == {"process dd": 30.0}


def test_a_parent_that_is_given_its_dead_child_s_count_has_not_written_it_again() -> None:
    shell = [row(5, MIB, command="sh"), row(7, 0, parent=5)]
    writing = [row(5, MIB, command="sh"), row(7, 200 * MIB, parent=5)]
    ended = [row(5, 201 * MIB, command="sh")]
    told = rates(shell, writing, ended)
    assert "process sh" not in told


def test_the_processes_of_one_container_are_one_writer_and_come_and_go_in_it() -> None:
    looks = (
        [row(5, 10 * MIB, container=ID, command="sh"), row(7, 4 * MIB, container=ID, parent=5)],
        [row(5, 14 * MIB, container=ID, command="sh"), row(8, 8 * MIB, container=ID, parent=5)],
        [row(5, 22 * MIB, container=ID, command="sh"), row(9, 8 * MIB, container=ID, parent=5)],
    )
    assert rates(*looks) == {"container web-1": 8.0}


def test_a_log_is_a_writer_of_its_own_and_not_the_engine_once_more() -> None:
    engine = ([row(3, at * 6 * MIB, command="dockerd")] for at in range(3))
    told = rates(*engine, logs=({ID: 0}, {ID: 5 * MIB}, {ID: 10 * MIB}))
    assert told == {"log web-1": 5.0, "process dockerd": 1.0}


def test_a_log_that_was_rotated_is_not_written_backwards() -> None:
    told = rates([], [], [], logs=({ID: 50 * MIB}, {ID: 60 * MIB}, {ID: MIB}))
    assert told == {"log web-1": 10.0}


def test_what_is_written_elsewhere_is_not_told() -> None:
    assert rates([row(7, 0, here=False)], [row(7, 50 * MIB, here=False)]) == {}


def test_who_has_stopped_is_gone_after_a_few_looks() -> None:
    looks = [[row(7, count * MIB)] for count in (1, 21, 41, 41, 41, 41)]
    assert rates(*looks) == {}


@pytest.mark.parametrize(
    ("used", "written", "pace"),
    [
        ([100], False, None),
        ([100, 100, 100], False, 0),
        ([100, 100, 110, 130, 150], True, 20),
        ([100, 100, 100, 400, 400, 400, 400, 400], True, 43),  # in steps, as btrfs tells: over all looks
        ([100, 120, 140, 140, 140, 140, 140], False, 0),
        ([400, 400, 100, 100], False, 0),
        ([400, 390, 380, 370], False, -10),
    ],
)
def test_the_fill_moves_as_its_last_seconds_do(used: list[int], written: bool, pace: int | None) -> None:
    rate = FillRate()
    told = [rate.look(float(at), count * MIB, written=written) for at, count in enumerate(used)]
    last = told[-1]
    assert (None if last is None else round(last / MIB)) == pace


def test_a_directory_grows_by_what_the_files_of_all_its_writers_do_and_stands_behind_them() -> None:
    counted = WriteRates({})
    for at in range(4):
        rows = [row(7, at * 30 * MIB), row(8, at * 10 * MIB)]
        grown = [(7, b"/srv/a", 20 * MIB), (7, b"/srv/b", 10 * MIB), (8, b"/srv/b", 10 * MIB)] if at else []
        counted.look(float(at), {}, rows, grown)
    told = [(one.kind, one.name, one.pid, one.bytes_per_s / MIB, one.where) for one in counted.writers()]
    assert told == [
        ("process", "dd", 7, 30.0, "/srv/a"),
        ("process", "dd", 8, 10.0, "/srv/b"),
        ("directory", "/srv/a", None, 20.0, ""),
        ("directory", "/srv/b", None, 20.0, ""),
    ]


def test_a_container_s_directories_are_told_as_its_own_and_the_one_that_grows_most_beside_its_name() -> None:
    counted = WriteRates({ID: "web-1"})
    for at in range(4):
        rows = [row(7, at * 30 * MIB, container=ID), row(8, at * 10 * MIB, container=ID)]
        grown = [(7, b"/tmp", 20 * MIB), (7, b"/data", 10 * MIB), (8, b"/data", 10 * MIB)] if at else []
        counted.look(float(at), {}, rows, grown)
    told = [(one.kind, one.name, one.pid, one.bytes_per_s / MIB, one.where) for one in counted.writers()]
    assert told == [
        ("container", "web-1", None, 40.0, "/tmp"),
        ("directory", "web-1:/data", None, 20.0, ""),
        ("directory", "web-1:/tmp", None, 20.0, ""),
    ]


def test_a_directory_that_has_stopped_growing_is_gone_after_a_few_looks() -> None:
    counted = WriteRates({})
    for at in range(10):
        counted.look(float(at), {}, [row(7, min(at, 3) * MIB)], [(7, b"/srv", MIB)] if at < 3 else [])
    assert counted.writers() == ()
