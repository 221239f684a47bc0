"""Graph drivers whose layers lie upon each other: overlay2 and its relatives stacked by the kernel or FUSE, and btrfs.

overlay2's short links (`l/`) and `lower` files say which directories others stand on: a layer that a known one is
stacked on is in use whatever the databases say. A missing `lower` is a base. On btrfs each layer is a subvolume, and a
snapshot of the one below it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from collectors.drivers.base import LINKS, LayerRemover
from collectors.drivers.files import names_if_there, read_bytes
from collectors.drivers.graph import GraphDriver
from collectors.model.store import DriverFacts


class OverlayDriver(GraphDriver):
    """A graph driver that stacks layers by `lower` files."""

    stacks = True
    facts = replace(GraphDriver.facts, contents="diff")

    def __init__(self, name: str, *, mounted_as: str) -> None:
        super().__init__(name, name)
        self.mounted_as = frozenset({mounted_as})

    def links(self, base: Path) -> dict[str, str]:
        """Those in `l/`."""
        return links(base)

    def stood_on(self, base: Path, known: Iterable[str], links: Mapping[str, str]) -> Mapping[str, str]:
        """By the `lower` files of the known."""
        return stood_on(base, known, links)

    def remove_layer(self, path: Path, remover: LayerRemover) -> None:
        """With its short link, which would be left dangling."""
        link = _short_link(path)
        remover.remove_whole(path)
        if link is not None:
            link.unlink(missing_ok=True)


def _short_link(path: Path) -> Path | None:
    try:
        name = (path / "link").read_text().strip()
        link = path.parent / LINKS / name
        if name and "/" not in name and link.readlink() == Path(f"../{path.name}/diff"):
            return link
    except OSError:
        return None
    return None


OVERLAY2 = OverlayDriver("overlay2", mounted_as="overlay")
FUSE_OVERLAYFS = OverlayDriver("fuse-overlayfs", mounted_as="fuse.fuse-overlayfs")
OVERLAY = OverlayDriver("overlay", mounted_as="overlay")  # before Docker 24


_LINKS = "l"
_LIMIT_BYTES = 1 << 16  # 128 layers of 28 characters are the driver's own limit


def links(layers: Path) -> dict[str, str]:
    """Short link → name of the directory that it stands for. Empty for drivers without."""
    found: dict[str, str] = {}
    for name in names_if_there(layers / _LINKS):
        try:
            target = os.readlink(f"{layers}/{_LINKS}/{name}")  # noqa: PTH115 - the text, not a path
        except OSError:  # gone, or no link
            continue
        parts = target.split("/")
        if len(parts) >= 2 and parts[-1] == "diff":
            found[name] = parts[-2]
    return found


def dangling(found: Mapping[str, str], there: Iterable[str]) -> tuple[str, ...]:
    """The links whose directory is not `there`."""
    present = frozenset(there)
    return tuple(sorted(name for name, target in found.items() if target not in present))


def stood_on(layers: Path, known: Iterable[str], found: Mapping[str, str]) -> dict[str, str]:
    """Directory → one of the `known` directories that is stacked on it. OSError when a `lower` cannot be read."""
    below: dict[str, str] = {}
    for name in known:
        try:
            lower = read_bytes(f"{layers}/{name}/lower", _LIMIT_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for part in lower.decode("utf-8", "surrogateescape").strip().split(":"):
            link = part.rpartition("/")[2]
            if link in found:
                below.setdefault(found[link], name)
    return below


REMOVE_SUBVOLUMES = DriverFacts(("btrfs", "subvolume", "delete"), clears_unfinished=False, contents="")


class BtrfsDriver(GraphDriver):
    """Layers are subvolumes."""

    facts = REMOVE_SUBVOLUMES


BTRFS = BtrfsDriver("btrfs", "btrfs/subvolumes")
