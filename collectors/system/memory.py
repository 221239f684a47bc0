"""What a walk may take from the cache, and what it leaves there. Pure."""

from __future__ import annotations

import os
import time

from collectors.model.ids import UnitId
from collectors.model.store import Unit
from collectors.system.layer_cache import LayerCache, LayerFigure
from collectors.system.occupancy import HOST_UNIT
from collectors.system.targets import Targets
from collectors.system.walk_result import Count, LinkSplit, WalkResult

_LINKS_MAX = 10_000  # a unit with more links into others is measured each time
_PLAIN_KEYS = 1 << 64  # keys beyond hold a device number, which is another one after the next mount


def part_id(path: bytes) -> UnitId:
    """Under which name a part of the host is kept."""
    return UnitId(f"{HOST_UNIT}/{os.fsdecode(path)}")


def candidate_parts(before: LayerCache) -> dict[bytes, LayerFigure]:
    """Figures of parts of the host that hold if the walker finds their evidence, by path below the root."""
    prefix = part_id(b"")
    return {
        os.fsencode(unit.removeprefix(prefix)): figure
        for unit, figure in before.layers.items()
        if unit.startswith(prefix) and figure.proofs
    }


def candidates(aims: Targets, units: tuple[Unit, ...], before: LayerCache) -> dict[int, LayerFigure]:
    """Figures that hold if the walker finds their evidence, by place in `units`."""
    found = {index: before.layers.get(units[index].id) for index in aims.immutable | aims.tracked}
    # What may change is only believed with a proof: it may have been called immutable when it was measured.
    return {
        index: figure
        for index, figure in found.items()
        if figure is not None and (index in aims.immutable or figure.proofs)
    }


def hides_a_link(counted: WalkResult, result: LinkSplit, units: tuple[Unit, ...], before: LayerCache) -> bool:
    """Whether a link may have been made into a layer that was not read this time.

    A link changes neither the layer's directory nor what we know of the layer; but the inode then has a link that was
    met nowhere. Engines link files of layers into other layers only, which lie next to them.
    """
    folders = {os.path.dirname(units[index].path) for index in counted.kept_layers()}  # noqa: PTH120 - only names
    return any(
        os.path.dirname(units[index].path) in folders  # noqa: PTH120
        for inode in result.unplaced.keys() - before.unplaced.keys()
        for index in result.unplaced_in[inode]
        if index < counted.host
    )


def remember(
    counted: WalkResult, result: LinkSplit, aims: Targets, units: tuple[Unit, ...], before: LayerCache
) -> LayerCache:
    """What to keep for the next run: what still holds, and what was measured whole."""
    now = time.time()
    layers: dict[UnitId, LayerFigure] = {}
    for index, count, complete in counted.counts():
        if complete and (index in aims.immutable or (index in aims.tracked and _proved(count))) and _plain(count):
            layers[units[index].id] = _figure(count, now)
    for path, count, complete in counted.parts():
        if complete and _proved(count) and _plain(count):
            layers[part_id(path)] = _figure(count, now)
    unplaced = dict(before.unplaced) if counted.fsid == before.fsid else {}
    if counted.complete:
        unplaced = {inode: links for inode, links in result.unplaced.items() if inode < _PLAIN_KEYS}
    return LayerCache(counted.fsid, layers, unplaced)


def _figure(count: Count, now: float) -> LayerFigure:
    return LayerFigure(
        evidence=count.evidence or (),
        blocks=count.blocks,
        apparent=count.apparent,
        inodes=count.inodes,
        newest=count.newest,
        links=tuple(count.links),
        proofs=tuple(count.proofs),
        rows=tuple(count.rows),
        measured_at=count.measured_at or now,
    )


def _proved(count: Count) -> bool:
    return bool(count.proofs) and len(count.proofs) == count.parts


def _plain(count: Count) -> bool:
    known = bool(count.evidence) and not count.errors
    return known and len(count.links) <= _LINKS_MAX and all(link[0] < _PLAIN_KEYS for link in count.links)
