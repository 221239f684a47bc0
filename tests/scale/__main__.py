"""`python -m tests.scale [AXIS ...]`: curves of time and memory over size; writes table.md. Root, 12 GB, half an hour.

Processor time, because it is what grows; each figure is of a fresh process. With the names of some axes only these are
measured, and their sections written anew. Exit status 1 where something grows faster than size^1.35: linear work takes
up to size^1.26 here, because the processor's caches hold 5,000 objects and not 100,000.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from pathlib import Path

from tests.longrun.turns import pauses
from tests.scale.axes import AXES
from tests.scale.table import section, steepest

PATH = Path(__file__).with_name("table.md")
STEEPEST = 1.35


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("axes", nargs="*", metavar="AXIS", help=", ".join(axis.name for axis in AXES))
    words.add_argument("--small", action="store_true", help="a sixteenth of each size: does it work?")
    words.add_argument("--lock", type=Path, help="share it while measuring, and give it up now and then")
    given = words.parse_args(argv)
    pause = pauses(given.lock)
    if unknown := set(given.axes) - {axis.name for axis in AXES}:
        words.error(f"no such axis: {', '.join(sorted(unknown))}")
    parts, steep = dict[str, str](), []
    for axis in AXES:
        if given.axes and axis.name not in given.axes:
            continue
        sizes = tuple(max(1, size // 16) for size in axis.sizes) if given.small else axis.sizes
        points = []
        for point in axis.points((0, *sizes)):
            points.append(point)
            pause()
        parts[axis.name] = section(axis, points)
        print(parts[axis.name], flush=True)
        if (exponent := steepest(axis, points)) > STEEPEST:
            steep.append(f"{axis.name}: exponent {exponent:.2f}")
    if not given.small:
        known = {**(_sections(PATH.read_text()) if PATH.exists() else {}), **parts}
        PATH.write_text("\n".join([_head(), *(known[axis.name] for axis in AXES if axis.name in known)]))
    print("\n".join(steep))
    return 1 if steep and not given.small else 0


def _sections(text: str) -> dict[str, str]:
    """Those of a table that was written before, by axis."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {part[3 : part.index(":")]: part.rstrip("\n") + "\n" for part in parts}


def _head() -> str:
    return f"""# How time and memory grow

`python -m tests.scale`, Linux {platform.release().partition("-")[0]}, Python {platform.python_version()}, \
{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}.

Processor seconds and peak memory of fresh processes; rows with a dash are steps within one of them. The start is what
size 0 costs; the exponent is fitted to what is above it (flat: below 0.5, or within the noise); ten times the largest
size is foretold from there, at least linearly. Steps whose exponent is near 1.25 do linear work as well (four times as
many records are 4.00 times as many calls): each call takes longer when the objects no longer fit into the processor's
caches. Docker roots, engine replies and trees are made (`machine.py`, `engine.py`, `trees.py`); every report is checked
to list all that was made, every set of the made trees to the byte. A real btrfs filesystem of 348k extents in 53
subvolumes is measured in [btrfs_walk.md](../bench/btrfs_walk.md), one of 10.5 million with 29 million references in
[btrfs_large.md](../bench/btrfs_large.md), a million real files under a Docker root in
[walk.md](../bench/walk.md): 3.7 s of processor time for the first walk, so that ten million take 37 s on paper.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
