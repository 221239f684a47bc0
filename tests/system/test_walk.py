"""The walk on trees that are hard to walk: the figures are right to the byte, and nothing makes it stumble."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from collectors.model import HOST_UNIT, UnitId
from collectors.model.reading import AtLeast, Exact, Unavailable, Why
from collectors.model.store import UnitKind
from tests.lab.commands import run
from tests.system.walking import a_unit, children, descriptors, du, exact_bytes, fill, of, walk, walked

MIB = 1 << 20


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A few units and other files."""
    fill(tmp_path / "docker" / "overlay2" / "aaa" / "diff" / "usr" / "lib.so", 3 * MIB)
    fill(tmp_path / "docker" / "overlay2" / "bbb" / "diff" / "etc" / "conf", 100)
    fill(tmp_path / "docker" / "volumes" / "v" / "_data" / "table", MIB)
    fill(tmp_path / "home" / "u" / "film", 2 * MIB)
    return tmp_path


def test_the_sum_is_what_du_counts_and_each_byte_is_in_one_share(tree: Path) -> None:
    units = [a_unit(tree / "docker" / "overlay2" / "aaa"), a_unit(tree / "docker" / "volumes" / "v")]
    found = walked(tree, units)
    assert sum(share.bytes for share in found.shares) == du(tree)
    assert of(found, tree / "docker" / "overlay2" / "aaa")[0] == du(tree / "docker" / "overlay2" / "aaa")
    assert of(found, tree / "docker" / "volumes" / "v")[:2] == (du(tree / "docker" / "volumes" / "v"), MIB)
    assert found.unread == ()
    assert found.errors_count == 0


def test_a_byte_belongs_to_the_deepest_unit_around_it(tree: Path) -> None:
    outer, inner = tree / "docker", tree / "docker" / "overlay2" / "aaa"
    found = walked(tree, [a_unit(outer), a_unit(inner)])
    assert of(found, inner)[0] == du(inner)
    assert of(found, outer)[0] == du(outer) - du(inner)
    assert of(found)[0] == du(tree) - du(outer)


def test_the_walks_own_root_may_be_a_unit(tree: Path) -> None:
    found = walked(tree, [a_unit(tree)])
    assert of(found, tree)[0] == du(tree)
    assert of(found) == (0, 0, 0)


def test_links_count_as_themselves_and_lead_nowhere(tree: Path) -> None:
    before = of(walked(tree))
    (tree / "short").symlink_to(tree / "home")
    (tree / "dangling").symlink_to("/nowhere/at/all")
    (tree / "loop").symlink_to("loop")
    (tree / "long").symlink_to("x" * 500)  # does not fit into the inode
    after = of(walked(tree))
    assert after[0] == du(tree)
    assert after[2] == before[2] + 4
    assert after[1] == before[1] + len(str(tree / "home")) + len("/nowhere/at/all") + 4 + 500


def test_a_unit_is_found_where_a_link_leads_to_it(tree: Path) -> None:
    (tree / "var").symlink_to(tree / "docker")
    unit = a_unit(tree / "var" / "overlay2" / "aaa")
    found = walked(tree, [unit])
    assert of(found, Path(unit.path))[0] == du(tree / "docker" / "overlay2" / "aaa")
    assert sum(share.bytes for share in found.shares) == du(tree)


def test_a_sparse_file_takes_what_is_allocated_and_appears_as_long_as_it_is(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"x")
    allocated, apparent, inodes = of(walked(tmp_path))
    assert allocated == du(tmp_path) < MIB
    assert (apparent, inodes) == ((1 << 40) + 1, 2)


def test_hard_links_within_a_unit_count_once(tree: Path) -> None:
    film = tree / "home" / "u" / "film"
    before = of(walked(tree))
    for number in range(5):
        (film.parent / f"again{number}").hardlink_to(film)
    after = of(walked(tree))
    assert after == before
    assert after[0] == du(tree)


def test_a_hard_link_across_units_is_shared_and_freed_only_with_both(tree: Path) -> None:
    one, other = (tree / "docker" / "overlay2" / name for name in ("aaa", "bbb"))
    library = one / "diff" / "usr" / "lib.so"
    (other / "diff" / "lib.so").hardlink_to(library)
    found = walked(tree, [a_unit(other), a_unit(one)])
    both = frozenset({UnitId(str(one)), UnitId(str(other))})
    size = library.stat().st_blocks * 512
    assert {share.holders: share.bytes for share in found.shares}[both] == size
    assert sum(share.bytes for share in found.shares) == du(tree)
    # Counted at the first of them in the order given.
    assert of(found, other)[0] == du(other)
    assert of(found, one)[0] == du(one) - size


def test_a_hard_link_to_the_hosts_files_is_shared_with_the_host(tree: Path) -> None:
    unit = tree / "docker" / "volumes" / "v"
    (tree / "home" / "copy").hardlink_to(unit / "_data" / "table")
    found = walked(tree, [a_unit(unit)])
    assert frozenset({UnitId(str(unit)), HOST_UNIT}) in {share.holders for share in found.shares}
    assert sum(share.bytes for share in found.shares) == du(tree)


def test_two_units_of_one_directory_hold_its_bytes_together(tree: Path) -> None:
    unit = a_unit(tree / "docker" / "volumes" / "v")
    twin = a_unit(tree / "docker" / ".." / "docker" / "volumes" / "v")
    found = walked(tree, [unit, twin])
    assert {share.holders: share.bytes for share in found.shares}[frozenset({unit.id, twin.id})] == du(Path(unit.path))
    assert sum(share.bytes for share in found.shares) == du(tree)


def test_a_log_is_its_file_and_those_that_it_was_rotated_to(tree: Path) -> None:
    folder = tree / "docker" / "containers" / "c"
    current = fill(folder / "c-json.log", 200_000)
    fill(folder / "c-json.log.1", 300_000)
    fill(folder / "c-json.log.2.gz", 50_000)
    fill(folder / "c-json.logfile", 7_000)
    fill(folder / "config.v2.json", 5_000)
    found = walked(tree, [a_unit(folder), a_unit(current, kind=UnitKind.LOG)])
    assert of(found, current)[1:] == (550_000, 3)
    assert of(found, folder)[0] == du(folder) - du(current, folder / "c-json.log.1", folder / "c-json.log.2.gz")


def test_another_file_that_is_a_unit_is_that_file_only(tree: Path) -> None:
    blob = fill(tree / "blobs" / "abc", 4_000)
    fill(tree / "blobs" / "abc.tmp", 9_000)
    assert of(walked(tree, [a_unit(blob, kind=UnitKind.CONTENT)]), blob)[1:] == (4_000, 1)


def test_a_unit_that_is_gone_takes_an_exact_nothing(tree: Path) -> None:
    found = walked(tree, [a_unit(tree / "docker" / "gone")])
    assert of(found, tree / "docker" / "gone") == (0, 0, 0)
    assert found.unread == ()


def test_a_unit_on_another_filesystem_is_left_out(tree: Path) -> None:
    found = walked(tree, [a_unit(Path("/proc/self"))])
    assert set(found.usages) == {HOST_UNIT}


def test_names_of_255_bytes_that_are_no_text_are_counted_and_named(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/" + b"\xff\xfe\x80" * 85
    os.mkdir(folder)
    for last in (b"\x80", b"\n", b"\x1b"):
        with open(folder + b"/" + b"\xc3(" * 127 + last, "wb") as file:
            file.write(b"x" * MIB)
    unit = Path(os.fsdecode(folder))
    found = walked(tmp_path, [a_unit(unit)])
    assert of(found, unit)[0] == du(unit)
    assert of(found)[0] == du(tmp_path) - du(unit)


def test_a_path_two_thousand_directories_deep_is_walked_to_its_end(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_DIRECTORY)
    for depth in range(2000):
        for name in (f"directory-{depth}", f"beside-{depth}") if depth % 20 == 0 else (f"directory-{depth}",):
            os.mkdir(name, dir_fd=here)
        file = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here)
        os.write(file, b"x" * 5000)
        os.close(file)
        below = os.open(f"directory-{depth}", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        assert of(walked(tmp_path)) == (du(tmp_path), 2000 * 5000, 1 + 2000 + 100 + 2000)
    finally:
        run("rm", "-rf", tmp_path / "directory-0")  # pytest's own clearing up is recursive, and not that deep


def test_a_directory_too_large_for_one_batch_is_counted_whole(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number}").touch()
    assert of(walked(tmp_path)) == (du(tmp_path), 0, 10_001)


def test_files_that_vanish_and_appear_during_the_walk_do_no_harm(tmp_path: Path) -> None:
    still = fill(tmp_path / "still" / "file", 3 * MIB)
    for number in range(300):
        fill(tmp_path / "moving" / f"{number}" / "file", 10)
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(300):
                folder = tmp_path / "moving" / f"{number}"
                (folder / "file").unlink()
                folder.rmdir()
                fill(folder / "file", 10)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(10):
            found = walked(tmp_path, [a_unit(still.parent), a_unit(tmp_path / "moving" / "7")])
            assert of(found, still.parent)[0] == du(still.parent)
            assert found.errors_count == 0
            assert found.unread == ()
    finally:
        stop.set()
        thread.join()


def test_a_units_age_is_the_newest_of_its_top_directories(tree: Path) -> None:
    layer = tree / "docker" / "overlay2" / "aaa"
    for path, age in ((layer / "diff" / "usr", 5_000), (layer / "diff", 3_000), (layer, 1_000)):
        os.utime(path, (age, age))
    modified = walked(tree, [a_unit(layer)]).usages[UnitId(str(layer))].modified_at
    assert isinstance(modified, Exact)
    assert modified.value == 3_000


def test_two_walkers_count_nothing_twice_and_leave_nothing_out(tmp_path: Path) -> None:
    for number in range(9000):
        folder = tmp_path / f"{number % 300}" / "data" / f"{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").touch()
    for number in range(0, 300, 3):
        other = number + 1
        (tmp_path / f"{number}" / "linked").hardlink_to(tmp_path / f"{other}" / "data" / f"{other % 7}" / f"{other}")
    units = [a_unit(tmp_path / f"{number}", immutable=number % 2 == 0) for number in range(0, 300, 5)]
    expected = du(tmp_path)
    for _ in range(15):
        found = walked(tmp_path, units)
        assert sum(share.bytes for share in found.shares) == expected
        assert sum(exact_bytes(usage)[2] for usage in found.usages.values()) == 1 + 300 * 2 + 2100 + 9000


def test_at_the_deadline_what_was_counted_is_kept_as_a_lower_bound(tmp_path: Path) -> None:
    for number in range(400):
        fill(tmp_path / "host" / f"{number % 40}" / f"{number}" / "file", 1000)
    unit = a_unit(tmp_path / "host" / "3")
    whole = du(tmp_path)
    low = -1
    for deadline_s in (0.001, 0.02, 0.03, 0.04, 0.05):
        reading = walk(tmp_path, (unit,), deadline_s=deadline_s, cache=None)
        if isinstance(reading, Unavailable):
            assert reading.why is Why.TIMED_OUT
            continue
        found = reading.value
        total = sum(share.bytes for share in found.shares)
        assert total <= whole
        if found.unread:
            assert {missing.why for missing in found.unread} == {Why.TIMED_OUT}
            assert isinstance(found.usages[HOST_UNIT].allocated, AtLeast)
            low = max(low, total)
    assert of(walked(tmp_path, [unit]), Path(unit.path))[0] == du(Path(unit.path))


def test_a_walker_that_is_killed_leaves_what_it_had_sent_and_a_reason(tmp_path: Path) -> None:
    for number in range(30_000):
        folder = tmp_path / f"{number // 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}").touch()

    def kill_one() -> None:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            for pid in children():
                time.sleep(0.05)
                os.kill(pid, signal.SIGKILL)
                return

    killer = threading.Thread(target=kill_one)
    killer.start()
    began = time.monotonic()
    reading = walk(tmp_path, (), deadline_s=20, cache=None)
    killer.join()
    assert time.monotonic() - began < 10, "the other one does not wait for it"
    if isinstance(reading, Unavailable):
        assert reading.why is Why.FAILED
        return
    assert {missing.why for missing in reading.value.unread} <= {Why.FAILED}
    assert sum(share.bytes for share in reading.value.shares) <= du(tmp_path)


def test_a_directory_that_is_not_there_is_a_reason_and_no_zero(tmp_path: Path) -> None:
    reading = walk(tmp_path / "nothing", (), deadline_s=5, cache=None)
    assert isinstance(reading, Unavailable)
    assert reading.why is Why.NOT_REACHABLE


def test_twenty_walks_leave_no_thread_descriptor_or_child(tree: Path) -> None:
    walked(tree)
    before = descriptors(), threading.active_count(), children()
    for number in range(20):
        walk(tree, (a_unit(tree / "docker"),), deadline_s=(0.01, 0.05, 5)[number % 3], cache=None)
    until = time.monotonic() + 2
    while threading.active_count() > before[1] and time.monotonic() < until:
        time.sleep(0.01)
    assert (descriptors(), threading.active_count(), children()) == before
