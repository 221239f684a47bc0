"""The walk on real filesystems: equal to du and to statfs, whatever is mounted on, below or beside the tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collectors.filesystems import kind_of
from collectors.model.reading import Between, Exact
from collectors.system.deadline import this_host
from collectors.system.mount_table import filesystem_of, space
from collectors.system.mountinfo import mounts
from tests.lab import disk
from tests.lab.commands import run
from tests.lab.require import require_machine
from tests.system.walking import a_unit, du, fill, of, walked

pytestmark = pytest.mark.machine

MIB = 1 << 20


@contextmanager
def a_disk(fs: str, **options: object) -> Iterator[Path]:
    require_machine()
    with tempfile.TemporaryDirectory(prefix="ullage-walk-") as name:
        base = Path(name)
        try:
            yield disk.create(base, fs, size_mib=512, **options).mount  # type: ignore[arg-type]
        finally:
            assert disk.destroy(base) == []


@pytest.fixture(params=["ext4", "xfs"])
def mounted(request: pytest.FixtureRequest) -> Iterator[Path]:
    with a_disk(request.param) as path:
        yield path


def bind(source: Path, target: Path) -> None:
    run("mount", "--bind", source, target)


def settle(path: Path) -> None:
    # Data that waits in memory has no blocks yet, and XFS gives inodes back later.
    run("sync", "-f", path)


def test_files_and_the_filesystems_own_blocks_are_all_that_statfs_calls_used(mounted: Path) -> None:
    for number in range(3000):
        fill(mounted / f"{number % 50}" / f"{number}", 500 + number * 20)
    (mounted / "sparse").touch()
    os.truncate(mounted / "sparse", 1 << 32)
    for number in range(0, 3000, 3):
        (mounted / f"{number % 50}" / f"{number}").unlink()
    settle(mounted)
    table = mounts(this_host(), timeout_s=5)
    room = space(mounted, timeout_s=5)
    assert isinstance(table, Exact)
    assert isinstance(room, Exact)
    mount = filesystem_of(mounted, table.value)
    assert mount is not None
    assert mount.mountpoint == str(mounted)
    taken = kind_of(mount.fstype).own(mount, this_host(), timeout_s=5)
    own = taken.bytes
    files, _, inodes = of(walked(mounted))
    assert isinstance(taken.inodes, Exact)
    assert inodes + taken.inodes.value == room.value.inodes_used
    assert files == du(mounted)
    if isinstance(own, Exact):
        assert files + own.value == room.value.used_bytes
    else:
        assert isinstance(own, Between)
        # Some blocks of b-trees are in no reservation and in no bound either.
        assert own.low <= room.value.used_bytes - files <= own.high + 64 * room.value.block_bytes


@pytest.mark.parametrize(
    "options",
    [
        ("-O", "^resize_inode"),
        ("-O", "^has_journal"),
        ("-O", "mmp"),
        ("-O", "bigalloc"),
        ("-O", "orphan_file"),
        ("-O", "^64bit"),
        ("-b", "1024"),
        ("-I", "1024"),
    ],
)
def test_an_empty_ext4_of_any_kind_is_explained_to_the_byte(options: tuple[str, ...]) -> None:
    with a_disk("ext4", mkfs_options=options) as path:
        table, room = mounts(this_host(), timeout_s=5), space(path, timeout_s=5)
        assert isinstance(table, Exact)
        assert isinstance(room, Exact)
        mount = filesystem_of(path, table.value)
        assert mount is not None
        own = kind_of(mount.fstype).own(mount, this_host(), timeout_s=5)
        assert isinstance(own.bytes, Exact)
        assert isinstance(own.inodes, Exact)
        files, _, inodes = of(walked(path))
        assert files + own.bytes.value == room.value.used_bytes
        assert inodes + own.inodes.value == room.value.inodes_used


def test_what_lies_under_a_mount_is_found_and_named_with_the_mount(mounted: Path) -> None:
    fill(mounted / "data" / "before" / "old.iso", 3 * MIB)
    fill(mounted / "seen", MIB)
    before = of(walked(mounted))
    with a_disk("ext4") as other:
        bind(other, mounted / "data")
        fill(mounted / "data" / "new", 5 * MIB)
        after = walked(mounted)
        run("umount", mounted / "data")
    assert of(after) == before
    hidden = [directory for directory in after.largest_others if directory.hidden_by]
    assert {directory.hidden_by for directory in hidden} == {str(mounted / "data")}
    assert sum(directory.apparent_bytes for directory in hidden) == 3 * MIB
    assert after.unread == ()


def test_an_overlays_merged_view_is_not_counted_again(mounted: Path) -> None:
    driver = mounted / "overlay2"
    fill(driver / "low" / "diff" / "bin", 2 * MIB)
    for name in ("diff", "work", "merged"):
        (driver / "up" / name).mkdir(parents=True)
    up = driver / "up"
    options = f"lowerdir={driver / 'low' / 'diff'},upperdir={up / 'diff'},workdir={up / 'work'}"
    run("mount", "-t", "overlay", "overlay", "-o", options, up / "merged")
    fill(up / "merged" / "written", MIB)
    found = walked(mounted, [a_unit(driver / "low"), a_unit(up)])
    run("umount", up / "merged")
    assert of(found, up)[:2] == (du(up), MIB)
    assert of(found, driver / "low")[0] == du(driver / "low")
    assert sum(share.bytes for share in found.shares) == du(mounted)


def test_a_directory_that_is_mounted_onto_itself_or_elsewhere_counts_once(mounted: Path) -> None:
    root = mounted / "data" / "docker"
    fill(root / "volumes" / "v" / "file", 2 * MIB)
    (mounted / "var").mkdir()
    bind(root, root)
    bind(root, mounted / "var")
    units = [a_unit(mounted / "var" / "volumes" / "v")]
    found = walked(mounted, units)
    run("umount", mounted / "var")
    run("umount", root)
    assert of(found, Path(units[0].path))[0] == du(root / "volumes" / "v")
    assert sum(share.bytes for share in found.shares) == du(mounted)
    assert found.unread == ()


def test_subvolumes_of_a_btrfs_are_part_of_it() -> None:
    with a_disk("btrfs") as path:
        fill(path / "file", MIB)
        for name in ("one", "two"):
            run("btrfs", "subvolume", "create", path / name)
            fill(path / name / "file", MIB)
        found = walked(path, [a_unit(path / "one")])
        settle(path)
        found = walked(path, [a_unit(path / "one")])
        assert of(found, path / "one")[:2] == (MIB, MIB)
        assert of(found)[1] == 2 * MIB


UNPRIVILEGED = """
import json, sys
from pathlib import Path
from collectors.model.reading import AtLeast
from collectors.model import HOST_UNIT
from tests.system.walking import walk
from tests.system.walking import a_unit
root = Path(sys.argv[1])
found = walk(root, tuple(a_unit(root / name) for name in sys.argv[2:]), deadline_s=20, cache=None).value
print(json.dumps({
    "shares": sum(share.bytes for share in found.shares),
    "whys": sorted({str(missing.why) for missing in found.unread}),
    "errors": found.errors_count,
    "sizes": {str(unit): [type(usage.allocated).__name__, getattr(usage.allocated, "low", None)
              or getattr(usage.allocated, "value", None)] for unit, usage in found.usages.items()},
}))
"""


def unprivileged(root: Path, *units: str) -> dict[str, object]:
    """The walk by root without the capabilities to mount and to read what is not its own."""
    words = ["setpriv", "--bounding-set", "-sys_admin,-dac_override,-dac_read_search", "--inh-caps", "-all"]
    out = subprocess.run(
        [*words, sys.executable, "-c", UNPRIVILEGED, str(root), *units], check=True, capture_output=True, cwd=Path.cwd()
    ).stdout
    answer: dict[str, object] = json.loads(out)
    return answer


def test_without_privilege_mounts_are_left_alone_and_what_they_may_hide_is_said(mounted: Path) -> None:
    fill(mounted / "data" / "old", 3 * MIB)
    fill(mounted / "docker" / "file", MIB)
    fill(mounted / "covered-file", 2 * MIB)
    bind(mounted / "docker", mounted / "docker")
    with a_disk("ext4") as other:
        fill(other / "elsewhere", 5 * MIB)
        bind(other, mounted / "data")
        bind(other / "elsewhere", mounted / "covered-file")
        answer = unprivileged(mounted, "docker")
        expected = du(mounted)
        for point in (mounted / "covered-file", mounted / "data", mounted / "docker"):
            run("umount", point)
    # du counts the bound file's name, which is on another device, not at all; nor does the walk.
    assert answer["shares"] == expected
    assert answer["whys"] == ["not permitted"]
    assert isinstance(answer["sizes"], dict)
    assert answer["sizes"][str(mounted / "docker")] == ["Exact", du(mounted / "docker")]
    assert answer["sizes"]["<host>"][0] == "AtLeast"


def test_a_directory_that_may_not_be_read_makes_its_unit_a_lower_bound(mounted: Path) -> None:
    for name in ("open", "closed"):
        fill(mounted / name / "shut" / "file", MIB)
        fill(mounted / name / "file", MIB)
    (mounted / "closed" / "shut").chmod(0o700)
    os.chown(mounted / "closed" / "shut", 1000, 1000)
    answer = unprivileged(mounted, "open", "closed")
    assert isinstance(answer["sizes"], dict)
    assert answer["sizes"][str(mounted / "open")] == ["Exact", du(mounted / "open")]
    kind, low = answer["sizes"][str(mounted / "closed")]
    assert kind == "AtLeast"
    assert low == du(mounted / "closed") - du(mounted / "closed" / "shut" / "file")
    assert answer["errors"] == 1
