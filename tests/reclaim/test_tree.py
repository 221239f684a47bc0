"""Removing a tree: what is mounted in it or cannot be removed is never passed over, and no descriptor is left open."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collectors.causes.engine_leftovers.remove import remove as remove_temporary
from collectors.reclaim import tree
from collectors.reclaim.tree import remove_layer, remove_tree
from collectors.system import mountinfo

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, and makes files immutable")
DEPTHS = [0, 1, 3]


@contextmanager
def bound(source: Path, target: Path) -> Iterator[None]:
    """`source` is mounted at `target` too: the same filesystem, so the same device number."""
    subprocess.run(["mount", "--bind", source, target], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


@contextmanager
def locked(path: Path, flag: str) -> Iterator[None]:
    subprocess.run(["chattr", f"+{flag}", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", path], check=True)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A tree of four levels, with a file and an empty directory in each."""
    here = tmp_path / "tree"
    for name in ("a", "b", "c", "d"):
        (here / "empty").mkdir(parents=True)
        (here / "file").write_text(name)
        here = here / name
    return tmp_path / "tree"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("x")
    return folder


@pytest.fixture(params=["openat2", "mount id", "fdinfo"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """This kernel; one without openat2; and one that tells no mount id by statx either."""
    if request.param != "openat2":
        monkeypatch.setattr(mountinfo, "_SYS_OPENAT2", 100_000)
    if request.param == "fdinfo":
        monkeypatch.setattr(mountinfo, "_statx", None)


def level(top: Path, depth: int) -> Path:
    return top.joinpath(*"abc"[:depth])


def listed(top: Path) -> list[str]:
    return sorted(str(path) for path in top.rglob("*"))


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


@pytest.mark.usefixtures("kernel")
def test_a_tree_goes_on_every_kernel(top: Path) -> None:
    before = descriptors()
    remove_tree(top)
    assert not top.exists()
    assert descriptors() == before


@root_only
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_bind_mount_of_the_same_filesystem_is_never_crossed(top: Path, outside: Path, depth: int) -> None:
    target = level(top, depth) / "empty"
    before, names = descriptors(), listed(top)
    with bound(outside, target):
        with pytest.raises(OSError, match="mounted") as refused:
            remove_tree(top)
        assert (refused.value.errno, refused.value.filename) == (errno.EXDEV, str(target))
        act = remove_layer(top)
        assert (act.removed, act.failed) == (False, False)
        assert str(target) in act.reason
    assert (outside / "precious").read_text() == "x"
    assert listed(top) == names  # all of it stays
    assert descriptors() == before


@root_only
@pytest.mark.usefixtures("kernel")
def test_a_mount_on_the_tree_itself_or_on_a_file_in_it_is_not_crossed_either(top: Path, outside: Path) -> None:
    with bound(outside, top), pytest.raises(OSError, match="mounted"):
        remove_tree(top)
    with bound(outside / "precious", top / "a/file"), pytest.raises(OSError, match=r"mounted|busy") as refused:
        remove_tree(top)
    assert refused.value.filename == str(top / "a/file")
    assert (outside / "precious").read_text() == "x"


@root_only
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_mount_that_appears_during_the_removal_is_not_crossed(
    top: Path, outside: Path, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree._Descent, "_may_go", lambda *_: None)
    real, target, passes = tree._Descent.through, level(top, depth) / "empty", []

    def through(descent: tree._Descent, *, removing: bool) -> None:
        passes.append(removing)
        if removing:
            subprocess.run(["mount", "--bind", outside, target], check=True)
        real(descent, removing=removing)

    monkeypatch.setattr(tree._Descent, "through", through)
    before = descriptors()
    try:
        with pytest.raises(OSError, match="mounted here during the removal") as refused:
            remove_tree(top)
    finally:
        subprocess.run(["umount", target], check=True)
    assert passes == [False, True]
    assert (refused.value.errno, refused.value.filename) == (errno.EBUSY, str(target))
    assert (outside / "precious").read_text() == "x"
    assert descriptors() == before


@root_only
def test_where_no_mount_can_be_told_from_another_nothing_goes(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mountinfo, "_SYS_OPENAT2", 100_000)
    monkeypatch.setattr(mountinfo, "mount_id", lambda _: None)
    before, names = descriptors(), listed(top)
    with pytest.raises(OSError, match="cannot be told"):
        remove_tree(top)
    assert listed(top) == names
    assert descriptors() == before


@root_only
def test_a_temporary_folder_with_a_mount_in_it_is_left_alone(tmp_path: Path, outside: Path) -> None:
    context = tmp_path / "docker/tmp/docker-builder1234"
    (context / "inner").mkdir(parents=True)
    with bound(outside, context / "inner"):
        act = remove_temporary(context, (str(context.parent),), oldest_s=2**40, planned_s=2**40)
    assert not act.removed
    assert (outside / "precious").read_text() == "x"


@root_only
@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize("name", ["file", "empty"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_what_is_immutable_is_told_by_its_path_and_the_tree_stays_whole(
    top: Path, depth: int, name: str, flag: str
) -> None:
    target = level(top, depth) / name
    before, names = descriptors(), listed(top)
    with locked(target, flag):
        with pytest.raises(OSError, match="immutable") as refused:
            remove_tree(top)
        assert (refused.value.errno, refused.value.filename) == (errno.EPERM, str(target))
        act = remove_layer(top)
    assert act.failed
    assert str(target) in act.reason
    assert listed(top) == names
    assert descriptors() == before


@root_only
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_file_that_becomes_immutable_during_the_removal_leaves_no_descriptor_open(
    top: Path, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree._Descent, "_may_go", lambda *_: None)
    target = level(top, depth) / "file"
    before = descriptors()
    with locked(target, "i"):
        for _ in range(2):  # a second one would close a number that is another's by now
            with pytest.raises(PermissionError) as refused:
                remove_tree(top)
            assert refused.value.filename == str(target)
            assert descriptors() == before
    assert target.read_text()


@root_only
def test_a_full_directory_that_is_immutable_keeps_everything(top: Path) -> None:
    names = listed(top)
    for target in (top, top / "a/b"):
        with locked(target, "i"), pytest.raises(PermissionError) as refused:
            remove_tree(top)
        assert refused.value.filename == str(target)
        assert listed(top) == names
    with locked(top.parent, "i"), pytest.raises(PermissionError):
        remove_tree(top)
    assert listed(top) == names
