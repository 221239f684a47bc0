"""Which mount a path is on, and what lies beside it: pure lookups in one mount table."""

from __future__ import annotations

from collectors.model.filesystem import Mount
from collectors.system.locate import path_within, within


class Places:
    """Which mount a path is on, asked many times. The last mount on a mountpoint is the one that is seen."""

    def __init__(self, mounts: tuple[Mount, ...]) -> None:
        self.mounts = mounts
        self._at = {mount.mountpoint: mount for mount in mounts}

    def mount_of(self, path: str) -> Mount | None:
        """The mount nearest above `path` (absolute, without links)."""
        while True:
            found = self._at.get(path)
            if found is not None or path == "/":
                return found
            path = path.rpartition("/")[0] or "/"

    def widest(self, mount: Mount) -> Mount:
        """The mount that shows the most of the same filesystem and all that `mount` shows; often itself.

        Engines bind their root over itself: seen through that bind, a filesystem would end at the Docker root.
        """
        around = (m for m in self.mounts if m.device == mount.device and within(mount.root, m.root))
        seen = [m for m in around if self._at[m.mountpoint] is m]
        return min(seen, key=lambda m: (len(m.root), not within(mount.mountpoint, m.mountpoint)), default=mount)

    def home_of(self, path: str) -> Mount | None:
        """Through which mount the filesystem of `path` is best studied."""
        mount = self.mount_of(path)
        return None if mount is None else self.widest(mount)

    def on(self, path: str, mount: Mount) -> bool:
        """Whether `path` lies on the filesystem of `mount`, through whatever mount of it.

        dockerd binds `<root>/btrfs` over itself: the same filesystem under another mount.
        """
        here = self.mount_of(path)
        return here is not None and here.device == mount.device

    def under(self, path: str, mount: Mount) -> bool:
        """Whether `path` is reached through `mount` itself."""
        here = self.mount_of(path)
        return here is not None and here.mount_id == mount.mount_id

    def covered(self, mount: Mount) -> tuple[str, ...]:
        """Directories of `mount` that are mountpoints of another filesystem."""
        others = (m.mountpoint for m in self.mounts if m.device != mount.device and m.mountpoint != "/")
        return tuple(sorted({path for path in others if self._above(path) == mount.mount_id}))

    def _above(self, mountpoint: str) -> int | None:
        holder = self.mount_of(mountpoint.rpartition("/")[0] or "/")
        return holder.mount_id if holder is not None else None

    def inside(self, path: str) -> str:
        """`path` from the top of its filesystem, without a leading slash; a mountpoint is the directory below it."""
        here = self.mount_of(path)
        if here is not None and here.mountpoint == path and path != "/":
            above = self.mount_of(path.rpartition("/")[0] or "/")
            here = above if above is not None and above.device != here.device else here
        return (path if here is None else path_within(path, here)).strip("/")
