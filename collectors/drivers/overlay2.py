"""overlay2 and its relatives: layers that are stacked by the kernel or by FUSE, each with a second, short name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from collectors.drivers import lowers
from collectors.drivers.base import LINKS, LayerRemover
from collectors.drivers.graph import GraphDriver


class OverlayDriver(GraphDriver):
    """A graph driver that stacks layers by `lower` files."""

    stacks = True

    def __init__(self, name: str, *, mounted_as: str) -> None:
        super().__init__(name, name)
        self.mounted_as = frozenset({mounted_as})

    def links(self, base: Path) -> dict[str, str]:
        """Those in `l/`."""
        return lowers.links(base)

    def stood_on(self, base: Path, known: Iterable[str], links: Mapping[str, str]) -> Mapping[str, str]:
        """By the `lower` files of the known."""
        return lowers.stood_on(base, known, links)

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
