"""vfs, which copies every layer whole, and the graph drivers of former years."""

from __future__ import annotations

from collectors.drivers.graph import GraphDriver

VFS = GraphDriver("vfs", "vfs/dir", copies_layers=True)
AUFS = GraphDriver("aufs", "aufs/diff")
AUFS.mounted_as = frozenset({"aufs"})
ZFS = GraphDriver("zfs", None)
DEVICEMAPPER = GraphDriver("devicemapper", None)
