"""A sample of the shapes of btrfs, filled until the kernel refuses; all of them where `ULLAGE_MATRIX` is set."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.require import require_machine
from tests.machine.btrfs_matrix import measure
from tests.machine.btrfs_shapes import SHAPES

pytestmark = pytest.mark.machine

# One that told nothing before it was forced read-only, and one each of what statfs counts in its own way.
SAMPLE = ("RAID1, unequal", "RAID6, metadata RAID1C3", "mixed, DUP", "RAID0 half to RAID1")


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """Where a fill is quick."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", SHAPES if os.environ.get("ULLAGE_MATRIX") else SAMPLE)
def test_books_close_and_room_is_what_the_kernel_then_allocates(name: str, in_memory: Path) -> None:
    require_machine()
    assert measure(name, in_memory / "lab").wrong() == ()
