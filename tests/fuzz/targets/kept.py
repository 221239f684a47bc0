"""What ullage itself wrote and reads again: figures of layers, the last table of a btrfs, recordings.

A state file that is torn or altered costs time and no truth: it counts as not there, or is what was written. With its
checksum made right again it may say anything, and must still be read without an error or not at all. A recording is
read as a report that can be shown and is written as it was read, or it is Unreadable.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from collectors.filesystems.btrfs import trees as btrfs_cache
from collectors.filesystems.btrfs.trees import table
from collectors.filesystems.btrfs.trees.table import ChunkFill, Measured, Table
from collectors.model import UnitId
from collectors.model.btrfs import LargeFile, SplitRule
from collectors.model.filesystem import PathUsage
from collectors.model.ledger import Category
from collectors.report import recording
from collectors.report.document import encode
from collectors.report.text import render
from collectors.system import folders, layer_cache
from collectors.system.layer_cache import LayerCache, LayerFigure, LinkSet
from tests.fuzz.change import damaged
from tests.fuzz.change_json import changed
from tests.fuzz.target import Target
from tests.tui.shapes import not_btrfs, not_root

_FIGURE = LayerFigure(
    evidence=(("", 1, 2), ("diff", 3, 1 << 62)),
    blocks=4,
    apparent=5,
    inodes=6,
    newest=7.5,
    proofs=((((4096, 8192),), 77),),
    rows=((b"a/\xff", 8, 9, 1),),
    files=((b"a/\xfe", 8, 9, 1),),
    inside=(PathUsage("/b\udcff", False, 8, 9, 1, ""),),
    measured_at=10.0,
)
_LINKS = LinkSet((UnitId("overlay2/a"), UnitId("overlay2/b")), ((16, 9), (16, 9)), 1, True, "eJzjYIAAAAAoAAE=")
_LAYERS = LayerCache(1 << 63, {UnitId("overlay2/a"): _FIGURE, UnitId("overlay2/b"): _FIGURE}, {8: 2}, (_LINKS,), (7, 8))
_UNITS = tuple(UnitId(name) for name in ("a", "b", "<chunk tree>"))
_TABLE = Table(_UNITS, (0b001, 0b101), (60, 2**60), (0, 16384), (2**70, 0), (3, 4), (60, 2**61), (0, 32768))
_MEASURED = Measured(
    17, _TABLE, ChunkFill(1, 2, 3, 4), "", 5, 6, 7, ("gone",), 8, 0, (LargeFile("a/b", 9, 10),), 11, "why"
)
_KEPT = btrfs_cache.KeptTable(_MEASURED, btrfs_cache.digest((SplitRule("a", UnitId("x")),)), 1_700_000_000.5)
_MOST = len(Category)
_SEALED, _STALE = b"\1", b"\0"


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


@cache
def _written(which: str) -> bytes:
    with _folder() as place:
        if which == "layers":
            layer_cache.save(Path(place) / "file", _LAYERS)
        else:
            btrfs_cache.store(Path(place), "uuid", _KEPT)
        return next(Path(place).iterdir()).read_bytes()


def _seeds(which: str) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (_STALE + _written(which), _SEALED + _written(which))


def _mutate(random: Random, case: bytes) -> bytes:
    if case[:1] == _STALE:
        return _STALE + damaged(random, case[1:], 3)
    body = case[1:].partition(b"\n")[2]
    return _SEALED + folders.sealed(changed(random, body))


def _judge_layers(case: bytes) -> str:
    with _folder() as place:
        path = Path(place) / "file"
        path.write_bytes(case[1:])
        found = layer_cache.load(path)
    if found in (layer_cache.EMPTY, _LAYERS):
        return "nothing kept" if found == layer_cache.EMPTY else "as it was"
    assert case[:1] == _SEALED, "a torn file was believed"
    assert _fits(case[1:]), "a torn file was believed"
    return "believed: the checksum is right"


def _fits(content: bytes) -> bool:
    try:
        folders.opened(content)
    except ValueError:
        return False
    return True


def _judge_btrfs(case: bytes) -> str:
    with _folder() as place:
        btrfs_cache.store(Path(place), "uuid", _KEPT)
        next(Path(place).iterdir()).write_bytes(case[1:])
        found = btrfs_cache.load(Path(place), "uuid")
    if found is None or found == _KEPT:
        return "nothing kept" if found is None else "as it was"
    assert case[:1] == _SEALED, "a torn file was believed"
    assert _fits(case[1:]), "a torn file was believed"
    table.rows(found.measured.table)
    table.holdings(found.measured.table)
    return "believed: the checksum is right"


@cache
def _recordings() -> tuple[bytes, ...]:
    return tuple(_smaller(json.loads(recording.dump(make()))) for make in (not_root, not_btrfs))


def _smaller(value: Any) -> bytes:
    """Of long lists the first few, but a row for each category."""

    def cut(part: Any) -> Any:
        if isinstance(part, dict):
            return {
                key: cut(item[:_MOST]) if key == "m" else [cut(one) for one in item] if key == "f" else cut(item)
                for key, item in part.items()
            }
        return [cut(item) for item in part[:_MOST]] if isinstance(part, list) else part

    shorter = {key: cut(part) if key == "report" else part for key, part in value.items()}
    return json.dumps(shorter, separators=(",", ":")).encode()


def _changed(random: Random, case: bytes) -> bytes:
    return changed(random, case)


def _judge_recording(case: bytes) -> str:
    try:
        found = recording.load(case.decode("utf-8", "replace"))
    except recording.Unreadable:
        return "unreadable"
    assert render(found)
    assert encode(found)
    line = recording.dump(found)
    assert recording.dump(recording.load(line)) == line, "a report that does not come back as it was written"
    return "a report"


TARGETS = (
    Target("layer-cache", "figures of layers in the state folder", _seeds("layers"), _mutate, _judge_layers, ()),
    Target("btrfs-cache", "the last table of a btrfs in the state folder", _seeds("btrfs"), _mutate, _judge_btrfs, ()),
    Target("recording", "a report as `--record` writes it", _recordings, _changed, _judge_recording, ()),
)
