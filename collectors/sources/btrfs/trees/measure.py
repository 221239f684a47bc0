"""One exact measurement: sync, walk, check against the block groups' own counters; again where a block was stale."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from collectors.model.btrfs import SplitRule
from collectors.model.ids import UnitId
from collectors.sources.btrfs import layout
from collectors.sources.btrfs.trees import forest, result
from collectors.sources.btrfs.trees.blocks import Blocks
from collectors.sources.btrfs.trees.bookends import Intervals
from collectors.sources.btrfs.trees.chunkmap import ChunkMap
from collectors.sources.btrfs.trees.device import Devices
from collectors.sources.btrfs.trees.extents import ExtentTable
from collectors.sources.btrfs.trees.forest import Fill, Forest
from collectors.sources.btrfs.trees.rootsets import RootSets
from collectors.sources.btrfs.trees.small import Trees
from collectors.sources.btrfs.trees.splitting import Split, Splitter
from collectors.sources.btrfs.trees.tally import Tally
from collectors.sources.btrfs.trees.walk import Findings, Walk

_READERS = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """What one walk found, before it is compared with the running kernel."""

    generation: int
    table: result.Table
    fill: Fill
    bookend_bytes: int
    compressed_bytes: int
    uncompressed_bytes: int
    unresolved: tuple[str, ...]
    blocks_read: int


def walked(devices: Devices, rules: Sequence[SplitRule], ends: float) -> Measured:
    """Walk the newest committed generation once. Raises Stale, Unsupported, TimeoutError, OSError."""
    top = devices.superblock()
    with ThreadPoolExecutor(_READERS, "btrfs read") as readers:
        system = Blocks(devices, top, ChunkMap(top.system_chunks, top.node_bytes), readers)
        chunks = ChunkMap(forest.chunks(Trees(system), top), top.node_bytes)
        blocks = Blocks(devices, top, chunks, readers)
        grown = forest.grown(Trees(blocks), top, chunks)
        blocks.read_count = 0
        findings, unresolved = prepared(grown, rules)
        Walk(blocks, grown, findings, ends).run()
    found = result.table(findings, top.node_bytes, metadata=True)
    compressed, uncompressed = findings.extents.compressed_bytes()
    return Measured(
        generation=top.generation,
        table=found,
        fill=grown.fill,
        bookend_bytes=findings.extents.plain_bytes() - findings.referenced.total(),
        compressed_bytes=compressed,
        uncompressed_bytes=uncompressed,
        unresolved=unresolved,
        blocks_read=blocks.read_count,
    )


def prepared(grown: Forest, rules: Sequence[SplitRule]) -> tuple[Findings, tuple[str, ...]]:
    """Empty tables, a bit for each tree and each rule's unit, and the paths of rules that lead nowhere."""
    units = [tree.unit for tree in grown.trees]
    bit_of_tree = {tree.id: bit for bit, tree in enumerate(grown.trees)}
    bit_of_unit: dict[UnitId, int] = {}
    inside: dict[int, dict[int, int]] = {}
    unresolved = []
    for rule in rules:
        place = grown.names.inode(rule.path)
        if place is None:
            unresolved.append(rule.path)
        elif place[1] == layout.SUBVOLUME_DIRECTORY:
            units[bit_of_tree[place[0]]] = rule.unit
        else:
            bit = bit_of_unit.setdefault(rule.unit, len(grown.trees) + len(bit_of_unit))
            inside.setdefault(bit_of_tree[place[0]], {})[place[1]] = bit
    sets = RootSets()
    splitter = Splitter(tuple(Split(bit, found) for bit, found in inside.items()), sets)
    findings = Findings([*units, *bit_of_unit], sets, ExtentTable(sets), Tally(), Intervals(), splitter)
    return findings, tuple(unresolved)
