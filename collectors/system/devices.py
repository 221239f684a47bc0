"""The node of a block device, by its number: the name in a mount table may be another namespace's."""

from __future__ import annotations

from pathlib import Path

from collectors.system.deadline import Malformed


def node(device: str, sys: Path, dev: Path) -> Path:
    """The path of device "254:0" below `dev`. Raises OSError, and Malformed where the kernel gives it no name."""
    for line in (sys / "dev" / "block" / device / "uevent").read_text().splitlines():
        if line.startswith("DEVNAME="):
            return dev / line.removeprefix("DEVNAME=")
    raise Malformed(f"the kernel gives no name for device {device}")


def number(device: str) -> tuple[int, int]:
    """Major and minor of "254:0"."""
    major, minor = device.split(":")
    return int(major), int(minor)
