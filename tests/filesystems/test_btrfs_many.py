"""Made filesystems of a thousand subvolumes, walked: right to the byte, and within the memory that is promised."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from collectors.filesystems.btrfs.trees import table
from collectors.filesystems.btrfs.trees.extents import Copies, ExtentTable
from collectors.filesystems.btrfs.trees.sets import RootSets
from tests.scale import trees, walk

CEILING_BYTES = 15 + 15 + 23  # for each extent: what extents.py promises


@pytest.mark.parametrize(
    "shape",
    [
        trees.Shape(subvolumes=3, extents=3_000, runs=6, widest=2),
        trees.Shape(subvolumes=600, extents=20_000, runs=300, widest=1),
        trees.Shape(subvolumes=1_000, extents=100_000, runs=1_900, widest=700),
        trees.Shape(subvolumes=300, extents=0, runs=0, widest=0, form="chain"),
        trees.Shape(subvolumes=400, extents=2_000, runs=0, widest=0, form="star"),
        trees.Shape(subvolumes=400, extents=0, runs=0, widest=30, form="forest"),
    ],
)
def test_every_set_of_subvolumes_holds_what_was_made(shape: trees.Shape, tmp_path: Path) -> None:
    trees.make(tmp_path / "image", shape)
    found = walk.walked_image(tmp_path / "image")
    walk.check(shape, found, table.holdings(found.table))
    if shape.runs == 1_900:
        assert walk.memberships(found.table) > table._LARGE, "this was to be summed as a matrix of bits"


def test_the_matrix_of_bits_and_the_plain_loops_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = trees.Shape(subvolumes=1_000, extents=20_000, runs=1_200, widest=50)
    trees.make(tmp_path / "image", shape)
    found = walk.walked_image(tmp_path / "image").table
    plain = table.holdings(found)
    monkeypatch.setattr(table, "_LARGE", 0)
    assert table.holdings(found) == plain


def test_extents_take_no_more_memory_than_promised() -> None:
    """Each is referred to once, in no order, by batches as the walk brings them."""
    count, batch = 2_000_000, 20_000
    addresses = np.random.default_rng(1).permutation(count).astype(np.uint64) * np.uint64(4096)
    sizes, nothing = np.full(batch, 4096, np.uint64), np.zeros(batch, np.uint64)
    sets = RootSets()
    holder = np.full(batch, sets.number(1), np.int64)
    tracemalloc.start()
    try:
        extents = ExtentTable(sets)
        for at in range(0, count, batch):
            extents.add(addresses[at : at + batch].copy(), sizes.copy(), nothing.copy(), holder.copy())
        assert extents.bytes_by_set(Copies([(0, 2)])) == ([count * 4096], [count * 8192])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= count * CEILING_BYTES, f"{peak / count:.0f} bytes for each extent"
