"""The layer cache: it saves time, and never costs truth, whatever happens to it or to the layers."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.model import HOST_UNIT
from collectors.model.filesystem import PathUsage
from collectors.model.reading import Exact
from collectors.model.store import Unit
from collectors.system import folders
from collectors.system.layer_cache import EMPTY, LayerCache, LayerFigure, LinkSet, file_for, load, save
from tests.system.walking import a_unit, du, fill, of, walk, walked

KIB = 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        fill(tmp_path / "fs" / name / "diff" / "usr" / "bin" / "tool", 100 * KIB)
    return tmp_path / "fs"


@pytest.fixture
def layers(root: Path) -> tuple[Unit, ...]:
    return tuple(a_unit(root / name, immutable=True) for name in ("one", "two"))


def grow_unseen(layer: Path) -> None:
    """Change what lies deep inside a layer, as nobody does: the layer's own directories do not show it."""
    fill(layer / "diff" / "usr" / "bin" / "more", 500 * KIB)


def test_a_layer_is_measured_once_in_its_life(root: Path, layers: tuple[Unit, ...], tmp_path: Path) -> None:
    first = walked(root, layers, cache=tmp_path / "state")
    grow_unseen(root / "one")
    second = walked(root, layers, cache=tmp_path / "state")
    assert of(second, root / "one") == of(first, root / "one")
    kept, fresh = second.usages[layers[0].id].allocated, first.usages[layers[0].id].allocated
    assert isinstance(kept, Exact)
    assert isinstance(fresh, Exact)
    assert "kept" in kept.origin.call
    assert abs((kept.origin.at - fresh.origin.at).total_seconds()) < 5


def test_what_is_not_called_immutable_is_measured_every_time(root: Path, tmp_path: Path) -> None:
    unit = a_unit(root / "one")
    walked(root, [unit], cache=tmp_path / "state")
    grow_unseen(root / "one")
    assert of(walked(root, [unit], cache=tmp_path / "state"), root / "one")[0] == du(root / "one")


def test_another_directory_of_the_same_name_is_measured_anew(
    root: Path, layers: tuple[Unit, ...], tmp_path: Path
) -> None:
    walked(root, layers, cache=tmp_path / "state")
    shutil.rmtree(root / "one")
    fill(root / "one" / "diff" / "other", 700 * KIB)
    assert of(walked(root, layers, cache=tmp_path / "state"), root / "one")[0] == du(root / "one")


def test_contents_put_in_anothers_place_are_measured_anew(root: Path, layers: tuple[Unit, ...], tmp_path: Path) -> None:
    walked(root, layers, cache=tmp_path / "state")
    fill(root / "one" / "diff" / "new-at-the-top", 300 * KIB)
    assert of(walked(root, layers, cache=tmp_path / "state"), root / "one")[0] == du(root / "one")


@pytest.mark.parametrize(
    "harm", ["lost", "torn", "altered", "empty", "foreign", "another version", "no document", "no end", "no number"]
)
def test_a_cache_that_cannot_be_trusted_costs_time_and_no_truth(
    root: Path, layers: tuple[Unit, ...], tmp_path: Path, harm: str
) -> None:
    state = tmp_path / "state"
    walked(root, layers, cache=state)
    grow_unseen(root / "one")
    (file,) = state.iterdir()
    raw = file.read_bytes()
    match harm:
        case "lost":
            file.unlink()
        case "torn":
            file.write_bytes(raw[: len(raw) // 2])
        case "altered":
            file.write_bytes(raw.replace(b'"one"', b'"0ne"').replace(b"1", b"2", 3))
        case "empty":
            file.write_bytes(b"")
        case "foreign":
            cache = load(file)
            save(file, replace(cache, fsid=cache.fsid + 1))
        case "another version":
            body = json.loads(raw.partition(b"\n")[2])
            text = json.dumps({**body, "version": 99}).encode()
            file.write_bytes(folders.sealed(text))
        case "no end":
            file.write_bytes(folders.sealed(b"[" * 100_000))
        case "no number":
            body = json.loads(raw.partition(b"\n")[2])
            (unit, row), *_ = body["layers"].items()
            text = json.dumps({**body, "layers": {unit: [*row[:4], 10**400, *row[5:]]}}).encode()
            file.write_bytes(folders.sealed(text))
        case "no document":
            text = b'{"version": 1, "fsid": 0, "layers": [1, 2], "unplaced": null}'
            file.write_bytes(folders.sealed(text))
    assert of(walked(root, layers, cache=state), root / "one")[0] == du(root / "one")
    grow_unseen(root / "two")
    assert of(walked(root, layers, cache=state), root / "two")[0] == du(root / "two") - 500 * KIB, "kept again"


def test_a_state_folder_that_cannot_be_written_costs_time_only(root: Path, layers: tuple[Unit, ...]) -> None:
    assert of(walked(root, layers, cache=Path("/proc/no/such/place")), root / "one")[0] == du(root / "one")


def test_a_layer_that_holds_another_unit_is_measured_every_time(root: Path, tmp_path: Path) -> None:
    outer, inner = a_unit(root / "one", immutable=True), a_unit(root / "one" / "diff" / "usr", immutable=True)
    walked(root, [outer], cache=tmp_path / "state")
    found = walked(root, [outer, inner], cache=tmp_path / "state")
    assert of(found, root / "one")[0] == du(root / "one") - du(root / "one" / "diff" / "usr")


def test_links_between_kept_layers_stay_shared(root: Path, layers: tuple[Unit, ...], tmp_path: Path) -> None:
    (root / "two" / "diff" / "same").hardlink_to(root / "one" / "diff" / "usr" / "bin" / "tool")
    for _ in range(3):
        found = walked(root, layers, cache=tmp_path / "state")
        assert frozenset(unit.id for unit in layers) in {share.holders for share in found.shares}
        assert sum(share.bytes for share in found.shares) == du(root)


def test_a_link_made_into_a_kept_layer_later_is_found_and_counted_once(
    root: Path, layers: tuple[Unit, ...], tmp_path: Path
) -> None:
    walked(root, layers, cache=tmp_path / "state")
    tool = root / "one" / "diff" / "usr" / "bin" / "tool"
    fill(root / "three" / "x", 10)
    (root / "three" / "linked").hardlink_to(tool)
    three = a_unit(root / "three", immutable=True)
    for _ in range(2):
        found = walked(root, [*layers, three], cache=tmp_path / "state")
        assert frozenset({layers[0].id, three.id}) in {share.holders for share in found.shares}
        assert sum(share.bytes for share in found.shares) == du(root)


def test_links_that_lead_out_of_the_walk_do_not_cost_the_cache_each_time(
    root: Path, layers: tuple[Unit, ...], tmp_path: Path
) -> None:
    (tmp_path / "outside").hardlink_to(root / "one" / "diff" / "usr" / "bin" / "tool")
    for _ in range(2):
        walked(root, layers, cache=tmp_path / "state")
    grow_unseen(root / "two")
    found = walked(root, layers, cache=tmp_path / "state")
    assert of(found, root / "two")[0] == du(root / "two") - 500 * KIB, "it was kept"


def test_layers_finished_before_a_time_out_are_not_measured_again(tmp_path: Path) -> None:
    root, state = tmp_path / "fs", tmp_path / "state"
    for number in range(60):
        for name in range(30):
            fill(root / f"{number:02}" / "diff" / f"{name}" / "file", 10)
    layers = [a_unit(root / f"{number:02}", immutable=True) for number in range(60)]
    known = [0]
    for attempt in range(400):
        reading = walk(root, tuple(layers), deadline_s=0.03 + attempt / 400, cache=state)
        known.append(len(load(file_for(state, str(root))).layers))
        assert known[-1] >= known[-2], "what was known is still known"
        if isinstance(reading, Exact) and not reading.value.unread:
            break
    assert known[-1] == 60
    assert sum(share.bytes for share in walked(root, layers, cache=state).shares) == du(root)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    unit = a_unit(Path(os.fsdecode(b"/x/\xff\xfe"))).id
    figure = LayerFigure(
        (("", 1, 2), ("diff", 3, 1 << 62)),
        4,
        5,
        6,
        7.5,
        ((((4096, 8192),), 77),),
        ((b"a/\xff", 8, 9, 1),),
        ((b"a/\xff/\xfe", 8, 9, 1),),
        (PathUsage("/b\udcff", False, 8, 9, 1, ""), PathUsage("/", True, 80, 90, 3, "")),
        10.0,
    )
    sets = (LinkSet((unit, HOST_UNIT), ((16, 9), (17, 10)), 2, True, "eJw="),)
    cache = LayerCache(1 << 63, {unit: figure}, {8: 2}, sets, (1_700_000_000, 1_600_000_000))
    assert save(tmp_path / "a" / "b" / "layers.json", cache)
    assert load(tmp_path / "a" / "b" / "layers.json") == cache
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["layers.json"]
    assert load(tmp_path / "nothing") == EMPTY
