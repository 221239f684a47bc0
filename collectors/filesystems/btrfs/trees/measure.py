"""One exact measurement: from the devices, again where a block was stale; by tree search where they cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from collectors.filesystems.btrfs import decode, ioctl, search
from collectors.filesystems.btrfs.trees import device, findings, forest, search_walk
from collectors.filesystems.btrfs.trees.blocks import READERS, Blocks
from collectors.filesystems.btrfs.trees.chunkmap import ChunkMap
from collectors.filesystems.btrfs.trees.device import Devices
from collectors.filesystems.btrfs.trees.faults import Unsupported
from collectors.filesystems.btrfs.trees.findings import Findings
from collectors.filesystems.btrfs.trees.small import Trees
from collectors.filesystems.btrfs.trees.superblock import BtrfsSuperblock
from collectors.filesystems.btrfs.trees.table import Fill, Measured
from collectors.filesystems.btrfs.trees.walk import Walk
from collectors.model.btrfs import Btrfs, SplitRule
from collectors.model.reading import Unavailable
from collectors.system import deadline
from collectors.system.deadline import Declined, Malformed
from collectors.system.host import Host

RESTARTS = 3


def measured(fd: int, host: Host, btrfs: Btrfs, rules: Sequence[SplitRule], ends: float) -> Measured:
    """From the devices if they can be read, else by tree search. Raises Declined, OSError, TimeoutError, Malformed."""
    restarts = 0
    try:
        return _from_devices(host, btrfs, rules, ends)
    except TimeoutError:  # before OSError: it is one
        raise
    except Unsupported as unsupported:
        why, restarts = str(unsupported), unsupported.restarts
    except (OSError, Malformed) as cause:
        why = deadline.reason(cause)[1]
    try:
        return _searched(fd, rules, ends, why, restarts)
    except Declined as denied:
        raise Declined(denied.why, f"{why}; {denied.detail}") from denied


def _from_devices(host: Host, btrfs: Btrfs, rules: Sequence[SplitRule], ends: float) -> Measured:
    if isinstance(btrfs.devices, Unavailable):
        raise Unsupported(btrfs.devices.detail)
    with device.opened(host, btrfs.devices.value, btrfs.uuid) as devices:
        top, why = devices.superblock(), ""
        for restarts in range(RESTARTS + 1):
            try:
                return walked(devices, top, rules, ends, restarts)
            except Malformed as stale:
                before, top, why = top, devices.superblock(), str(stale)
                if top.generation == before.generation:
                    raise Unsupported(f"{why}: damaged, for nothing was committed since", restarts) from stale
    raise Unsupported(f"{why}, after {RESTARTS} restarts", RESTARTS)


def walked(
    devices: Devices, top: BtrfsSuperblock, rules: Sequence[SplitRule], ends: float, restarts: int = 0
) -> Measured:
    """Walk the generation of `top` once. Raises Malformed (Stale), Unsupported, OSError, TimeoutError."""
    with ThreadPoolExecutor(READERS, "btrfs read") as readers:
        system = Blocks(devices, top, ChunkMap(top.system_chunks, top.node_bytes), readers)
        chunks = ChunkMap(forest.chunks(Trees(system), top), top.node_bytes)
        blocks = Blocks(devices, top, chunks, readers)
        grown = forest.grown(Trees(blocks), top, chunks)
        bits = {tree.id: bit for bit, tree in enumerate(grown.trees)}
        found = findings.empty(bits, [tree.unit for tree in grown.trees], grown.entries, rules)
        Walk(blocks, grown, found, ends).run()
    return _concluded(found, top.generation, top.node_bytes, grown.fill, blocks.read_count, "", restarts)


def _searched(fd: int, rules: Sequence[SplitRule], ends: float, why: str, restarts: int) -> Measured:
    generation = decode.fs_info(ioctl.fs_info(fd)).generation
    found = search_walk.searched(fd, search.subvolumes(fd), rules, ends)
    return _concluded(found, generation, None, None, 0, why, restarts)


def _concluded(
    found: Findings,
    generation: int | None,
    node_bytes: int | None,
    fill: Fill | None,
    blocks_read: int,
    fallback: str,
    restarts: int,
) -> Measured:
    tabled = findings.tabled(found, node_bytes)
    # A search sees a filesystem that changes: there, what was freed may have been given out again.
    if fill is not None and not found.extents.apart():
        raise Malformed("two extents lie on each other")
    compressed, uncompressed = found.extents.compressed_bytes()
    return Measured(
        generation=generation,
        table=tabled,
        fill=fill,
        fallback=fallback,
        bookend_bytes=found.extents.plain_bytes() - found.referenced.total(),
        compressed_bytes=compressed,
        uncompressed_bytes=uncompressed,
        unresolved=found.unresolved,
        blocks_read=blocks_read,
        restarts=restarts,
    )
