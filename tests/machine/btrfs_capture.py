"""Captures small btrfs filesystems: ioctl replies, every block that one walk reads, and the kernel's own count.

`python -m tests.machine.btrfs_capture` (root, loop devices) writes tests/bytes/btrfs anew.
"""

from __future__ import annotations

import json
import lzma
import os
import platform
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.trees.device import Devices
from collectors.model import UnitId
from collectors.model.btrfs import SplitRule
from collectors.model.reading import Exact
from tests.lab.commands import run
from tests.machine.btrfs_lab import MIB, Lab, figures, lab, qgroups, sharing

BYTES = Path(__file__).parents[1] / "bytes" / "btrfs"
RULES = (SplitRule("volumes/a", UnitId("volumes/a")), SplitRule("volumes", UnitId("volumes")))
RECORD = struct.Struct("<QQI")  # devid, offset, length; the bytes follow


def layers(made: Lab) -> None:
    made.subvolume("layers/0")
    for number in range(40):
        made.write(made.at / f"layers/0/file-{number}", 1000 + number * 300)
        made.write(made.at / f"volumes/a/_data/file-{number}", 9000)
    made.write(made.at / "volumes/a/_data/database", 2 * MIB)
    made.write(made.at / "volumes/b", 49_152)
    made.commit()
    for step in range(1, 8):
        layer = made.snapshot(f"layers/{step - 1}", f"layers/{step}")
        for number in range(step, 40, 6):
            made.write(layer / f"file-{number}", 11_000)
        made.clone(layer / "file-39", layer / f"clone-{step}")
    made.overwrite(made.at / "volumes/a/_data/database", 100)
    made.clone(made.at / "volumes/a/_data/database", made.at / "volumes/b", MIB, MIB // 2)
    os.symlink("volumes", made.at / "link")


def odd(made: Lab) -> None:
    base = made.subvolume("odd")
    for number in range(60):
        made.write(base / f"inline-{number}", number * 20)
    run("fallocate", "-l", str(MIB), base / "reserved")
    made.write(base / "text", 400_000, text=True)
    made.write(base / "plain", 300_000)
    (base / "sparse").touch()
    os.truncate(base / "sparse", 1 << 50)
    made.commit()
    made.snapshot("odd", "copy")
    made.overwrite(made.at / "copy/plain", 10)


SHAPES: dict[str, tuple[Callable[[Lab], None], dict[str, Any]]] = {
    "layers": (layers, {}),
    "mixed": (odd, {"mkfs": ("-M", "-n", "4096"), "options": ("compress-force=zstd",), "size_mib": 256}),
    "raid10": (layers, {"devices": 4, "mkfs": ("-d", "raid10", "-m", "raid10", "--csum", "xxhash")}),
}


def main() -> None:
    kernel = platform.release().split("-")[0]
    with tempfile.TemporaryDirectory() as folder:
        for name, (shape, options) in SHAPES.items():
            with lab(Path(folder) / name, **options) as made:
                shape(made)
                made.commit()
                blocks, document = captured(made)
                document["kernel"] = kernel
            (BYTES / f"{name}.blocks.xz").write_bytes(lzma.compress(blocks, preset=9 | lzma.PRESET_EXTREME))
            (BYTES / f"{name}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
            print(name, len(blocks), file=sys.stderr)


def captured(made: Lab) -> tuple[bytes, dict[str, Any]]:
    """Every block that a walk reads, and what the kernel says."""
    found: dict[tuple[int, int], bytes] = {}
    read = Devices.read

    def noted(self: Devices, devid: int, offset: int, into: Sequence[memoryview]) -> None:
        read(self, devid, offset, into)
        found[devid, offset] = b"".join(into)

    Devices.read = noted  # type: ignore[method-assign]
    try:
        walked = sharing(made.at, *RULES)
    finally:
        Devices.read = read  # type: ignore[method-assign]
    with ioctl.opened(made.at) as fd:
        replies = {
            "fs_info": ioctl.fs_info(fd).hex(),
            "space_info": ioctl.space_info(fd).hex(),
            "dev_info": {str(number): ioctl.dev_info(fd, number).hex() for number in range(1, len(made.devices) + 1)},
        }
    cheap = figures(made.at)
    assert isinstance(cheap.subvolumes, Exact)
    paths = {one.id: one.path for one in cheap.subvolumes.value}
    document = {
        "uuid": cheap.uuid,
        "generation": walked.generation,
        "replies": replies,
        "qgroups": {paths[number]: list(counts) for number, counts in qgroups(made.at).items()},
    }
    return b"".join(RECORD.pack(*key, len(data)) + data for key, data in sorted(found.items())), document


if __name__ == "__main__":
    main()
