"""One look at a btrfs, or the bare read that none can be quicker than, in a process of its own: figures as JSON.

`PYTHON -P btrfs_look.py look MOUNT STATE`, `… bare MOUNT DEVICE`, or, for how much a look keeps for the next one,
`… kept MOUNT STATE`. Imports the program and nothing of the tests, so
that PYTHON may be that of any venv which the program is installed in.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

_PIECE_BYTES = 4 << 20


def look(at: Path, state: Path) -> dict[str, Any]:
    """What `ullage` does for one filesystem, the loading of numpy included."""
    from collectors.filesystems import btrfs
    from collectors.model.reading import Exact
    from collectors.system.deadline import this_host

    facts = btrfs.filesystem(at, this_host(), timeout_s=30)
    assert isinstance(facts, Exact), facts
    assert isinstance(facts.value.subvolumes, Exact), facts
    began, used = time.monotonic(), time.process_time()
    found = btrfs.sharing(at, this_host(), facts.value, (), deadline_s=600, cache=state)
    took_s, cpu_s = time.monotonic() - began, time.process_time() - used
    assert isinstance(found, Exact), found
    table = found.value
    return {
        "took_s": took_s,
        "cpu_s": cpu_s,
        "method": table.method,
        "age_s": table.age_s,
        "residuals": [table.residual_data_bytes, table.residual_metadata_bytes],
        "drifts": [table.drift_data_bytes, table.drift_metadata_bytes],
        "blocks_read": table.blocks_read,
        "memory_lost": table.memory_lost,
        "metadata_bytes": table.tree_metadata_bytes,
        "node_bytes": facts.value.node_bytes,
        "rows": len(table.rows),
        "units": {str(one.id): one.unit for one in facts.value.subvolumes.value},
        "held": {
            one.unit: [
                one.referenced_data_bytes + (one.referenced_metadata_bytes or 0),
                one.exclusive_data_bytes + (one.exclusive_metadata_bytes or 0),
            ]
            for one in table.holdings
            if not one.unit.startswith("<")
        },
    }


def bare(at: Path, device: str) -> dict[str, Any]:
    """Every chunk of metadata, one copy, in order and past the cache."""
    from collectors.filesystems.btrfs import ioctl, search

    with ioctl.opened(at) as fd:
        chunks = [chunk for _, chunk in search.chunk_items(fd) if ioctl.kind(chunk.flags) == "metadata"]
    buffer = memoryview(mmap.mmap(-1, _PIECE_BYTES))
    direct = os.open(device, os.O_RDONLY | os.O_DIRECT)
    began, used, read = time.monotonic(), time.process_time(), 0
    for chunk in chunks:
        for offset in range(0, chunk.logical_bytes, _PIECE_BYTES):
            piece = buffer[: min(_PIECE_BYTES, chunk.logical_bytes - offset)]
            read += os.preadv(direct, [piece], chunk.stripes[0][1] + offset)
    took_s, cpu_s = time.monotonic() - began, time.process_time() - used
    assert read == sum(chunk.logical_bytes for chunk in chunks)
    return {"took_s": took_s, "cpu_s": cpu_s, "blocks_read": 0, "bytes": read}


def kept(_: Path, state: Path) -> dict[str, Any]:
    """Of the one filesystem that was looked at."""
    from collectors.filesystems.btrfs.trees import memory

    (file,) = state.glob("*.leaves")
    found = memory.load(file)
    assert found is not None
    return {
        "bytes": file.stat().st_size,
        "extents": len(found.extents.sets),
        "references": int(found.contents.references.counts.sum()),
        "leaves": len(found.contents.leaves),
    }


def main(what: str, at: str, other: str) -> int:
    asked = {"bare": lambda: bare(Path(at), other), "kept": lambda: kept(Path(at), Path(other))}
    found = asked.get(what, lambda: look(Path(at), Path(other)))()
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
