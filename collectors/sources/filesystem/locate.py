"""Which filesystem a path is on, from the mount table alone. Pure; asks no filesystem anything.

Symbolic links are the caller's: resolve the path first where it may hold one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from collectors.model.filesystem import ContainerView, Mount
from collectors.model.ids import ContainerId
from collectors.model.reading import Reading, Why
from collectors.sources import bounded
from collectors.sources.bounded import Declined
from collectors.sources.host import Host

# Files that an engine binds from the container's own directory under its root into every container.
_BOUND = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
# Docker: <root>/containers/<id>/hostname · Podman: <root>/overlay-containers/<id>/userdata/hostname
_CONTAINER = re.compile(r"(?P<root>.*)/(?:overlay-)?containers/(?P<id>[0-9a-f]{64})/(?:userdata/)?[^/]+")


def filesystem_of(path: Path, mounts: tuple[Mount, ...]) -> Mount | None:
    """The mount that `path` (absolute, without links) resolves into; None where the table holds no root for it.

    Mounts are followed from the root of the tree as the kernel does, so that a mount which is covered by a later one
    on a directory above it is not taken for visible. Their order in the table says nothing about that.
    """
    wanted = os.path.normpath(path)
    known = {mount.mount_id for mount in mounts}
    children: dict[int, list[Mount]] = {}
    for mount in mounts:
        is_root = mount.parent_id == mount.mount_id or mount.parent_id not in known
        children.setdefault(-1 if is_root else mount.parent_id, []).append(mount)
    here: Mount | None = None
    while True:
        below = [m for m in children.get(-1 if here is None else here.mount_id, ()) if within(wanted, m.mountpoint)]
        if not below:
            return here
        # The walk of a path meets the mount nearest to the root first.
        here = min(below, key=lambda mount: len(mount.mountpoint))


def within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it, by name."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def path_within(path: str, mount: Mount) -> str:
    """`path`, which lies on `mount`, as a path from the root of its filesystem."""
    below = os.path.relpath(path, mount.mountpoint)
    return mount.root if below == "." else f"{mount.root.rstrip('/')}/{below}"


def host_view_from_container(host: Host, mounts: tuple[Mount, ...]) -> Reading[ContainerView]:
    """Inside a container that has only the socket: where to ask for the host's filesystem, and which container we are.

    NOT_APPLICABLE where nothing is bound over /etc/hostname, /etc/hosts or /etc/resolv.conf: this is no container.
    """

    def look() -> ContainerView:
        for name in _BOUND:
            path = str(host.here(name))
            for mount in mounts:
                found = _CONTAINER.fullmatch(mount.root) if mount.mountpoint == path else None
                if found:
                    return ContainerView(
                        container_id=ContainerId(found["id"]),
                        path=path,
                        device=mount.device,
                        fstype=mount.fstype,
                        source=mount.source,
                        docker_root=found["root"] or "/",
                    )
        raise Declined(Why.NOT_APPLICABLE, "no file of a container is bound here")

    return bounded.read("filesystem.container", "mount table", look, timeout_s=1.0)
