"""On which filesystem a file of an overlay really lies. Pure.

An overlay has a device of its own and no space of its own: what is written there lies in its upper directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from collectors.model.filesystem import Mount
from collectors.system.locate import MountTree, path_within


class Overlays:
    """The overlays of a machine, by the table of the namespace in which they were mounted: the host's."""

    def __init__(self, host: tuple[Mount, ...]) -> None:
        self._tree = MountTree(host)
        self._mountpoints = {mount.device: mount.mountpoint for mount in host if mount.fstype == "overlay"}

    def device_of(self, mount: Mount) -> str:
        """The device that a file on `mount` takes its space from: "254:0"."""
        upper = self._folders(mount, "upperdir")
        below = self._tree.of(upper[0]) if upper else None
        return mount.device if below is None else below.device

    def lower_paths(self, mount: Mount, path: str) -> list[str]:
        """Where the file at `path` (as seen inside the overlay) may still lie in a layer, unlinked only from above."""
        inside = path_within(path, mount).lstrip("/")
        return [f"{folder}/{inside}" for folder in self._folders(mount, "lowerdir")]

    def _folders(self, mount: Mount, option: str) -> list[str]:
        """Absolute paths. Where the options would be too long Docker gives them relative to the driver's directory."""
        if mount.fstype != "overlay":
            return []
        merged = self._mountpoints.get(mount.device, "/")  # <driver>/<layer>/merged
        home = os.path.dirname(os.path.dirname(merged))  # noqa: PTH120 - strings of another namespace
        folders = [folder for value in _values(mount.super_options, option) for folder in _split(value)]
        return [os.path.normpath(folder if folder[0] == "/" else f"{home}/{folder}") for folder in folders]


def _values(options: Iterable[str], name: str) -> Iterable[str]:
    # With the newer mount calls each layer is an option of its own: lowerdir+=/a,lowerdir+=/b
    return (value for key, _, value in (option.partition("=") for option in options) if key in (name, f"{name}+"))


def _split(folders: str) -> list[str]:
    """At colons that are not escaped; an empty part stands before layers that only hold data."""
    parts = folders.replace("\\:", "\0").split(":")
    return [part.replace("\0", ":") for part in parts if part]
