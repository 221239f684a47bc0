"""What the table says would be freed, against what is freed when it is done."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.filesystems import freeing
from collectors.model import UnitId
from collectors.model.btrfs import SplitRule
from tests.lab.require import require_machine
from tests.machine.btrfs_lab import MIB, Lab, assert_books_close, data_used, freed_by, lab, sharing

pytestmark = pytest.mark.machine


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Lab]:
    require_machine()
    with lab(tmp_path / "lab") as one:
        yield one


def chain(made: Lab, depth: int) -> None:
    made.subvolume("layers/0")
    for number in range(100):
        made.write(made.at / f"layers/0/file-{number}", 3000 + number * 500)
    for step in range(1, depth):
        layer = made.snapshot(f"layers/{step - 1}", f"layers/{step}")
        for number in range(step % 5, 100, 9):
            made.write(layer / f"file-{number}", 9000 + step * 100)
        made.overwrite(layer / "file-99", 5)
    made.commit()


def units(*names: str) -> frozenset[UnitId]:
    return frozenset(UnitId(name) for name in names)


def test_deleting_a_set_of_subvolumes_frees_what_the_table_says(made: Lab) -> None:
    chain(made, 20)
    for doomed in (("layers/19",), ("layers/3", "layers/4", "layers/5"), ("layers/0", "layers/10"), ("layers/18",)):
        before = sharing(made.at)
        predicted = freed_by(before, units(*doomed))
        used = data_used(made.at)
        made.delete(*doomed)
        made.cleaned()
        assert used - data_used(made.at) == predicted, doomed
        assert_books_close(sharing(made.at))


def test_clones_free_nothing_alone_and_everything_together(made: Lab) -> None:
    for name in ("one", "two"):
        made.subvolume(name)
    source = made.write(made.at / "one/file", 4 * MIB)
    made.commit()
    made.clone(source, made.at / "two/file")
    made.commit()
    found = sharing(made.at)
    assert freed_by(found, units("one")) == freed_by(found, units("two")) == 0
    assert freed_by(found, units("one", "two")) == 4 * MIB
    used = data_used(made.at)
    made.delete("one", "two")
    made.cleaned()
    assert used - data_used(made.at) == 4 * MIB


def test_deleting_a_split_directory_frees_what_the_table_says(made: Lab) -> None:
    """Volumes share the top level with everything else, and clones and snapshots pin parts of them."""
    for name in ("a", "b", "c"):
        for number in range(30):
            made.write(made.at / f"docker/volumes/{name}/_data/deep/file-{number}", 5000 + number * 3000)
    made.write(made.at / "docker/volumes/a/_data/database", 20 * MIB)
    made.commit()
    made.overwrite(made.at / "docker/volumes/a/_data/database", 500)
    made.clone(made.at / "docker/volumes/b/_data/deep/file-29", made.at / "docker/volumes/c/_data/clone")
    made.snapshot("", "snapshot")
    made.overwrite(made.at / "docker/volumes/a/_data/database", 500)
    made.write(made.at / "docker/volumes/b/_data/deep/file-3", 77_777)
    made.write(made.at / "home/file", 123_456)
    made.commit()
    rules = tuple(SplitRule(f"docker/volumes/{name}", UnitId(f"docker/volumes/{name}")) for name in "abc")
    for doomed in (("a",), ("b", "c")):
        before = sharing(made.at, *rules)
        assert_books_close(before)
        predicted = freed_by(before, units(*(f"docker/volumes/{name}" for name in doomed)))
        assert predicted > 0
        used = data_used(made.at)
        for name in doomed:
            shutil.rmtree(made.at / "docker/volumes" / name)
        made.commit()
        assert used - data_used(made.at) == predicted, doomed


def test_a_bookend_is_what_rewriting_the_file_gives_back(made: Lab) -> None:
    path = made.write(made.at / "database", 30 * MIB)
    made.commit()
    made.overwrite(path, 1000)
    made.commit()
    found = sharing(made.at)
    whole = path.stat().st_size
    assert found.bookend_bytes == data_used(made.at) - whole
    assert found.bookend_bytes > 0
    content = path.read_bytes()
    path.unlink()
    made.commit()
    path.write_bytes(content)
    made.commit()
    assert sharing(made.at).bookend_bytes == 0
    assert data_used(made.at) == whole


def test_a_subvolume_that_another_one_is_mounted_on_is_not_dropped(made: Lab) -> None:
    for name in ("one", "two"):
        made.write(made.subvolume(name) / "file", MIB)
    one, two = made.at / "one", made.at / "two"
    subprocess.run(["mount", "--bind", two, one], check=True)
    try:
        with pytest.raises(OSError, match="mounted") as refused:
            freeing.destroy(one)
        assert refused.value.errno == errno.EXDEV
    finally:
        subprocess.run(["umount", one], check=True)
    assert (one / "file").stat().st_size == (two / "file").stat().st_size == MIB
    freeing.destroy(one)
    assert not one.exists()
    assert (two / "file").exists()
