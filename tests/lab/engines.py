"""Which engines there are, and the command line that starts each.

The host's own package serves where its version is the wanted one; every other engine lies unpacked in a cache folder
(see `tests.lab.fetch`). Refuses combinations that do not exist, with the reason.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from tests.lab.commands import CommandFailed, run, tool

if TYPE_CHECKING:
    from tests.lab.engine import Place

DRIVERS = ("overlay2", "btrfs", "vfs", "containerd")
DEFAULT_FS = {"overlay2": "ext4", "btrfs": "btrfs", "vfs": "ext4", "containerd": "ext4"}


class NoSuchEngine(RuntimeError):
    """This engine, or this engine with this driver, cannot be had here; the message says why."""


@cache
def host_version() -> str | None:
    """Version of the host's dockerd (`20.10.24`), `None` if there is none."""
    try:
        words = run("dockerd", "--version").split()
    except (CommandFailed, FileNotFoundError):
        return None
    return words[words.index("version") + 1].split("+")[0].rstrip(",") if "version" in words else None


def is_host(version: str) -> bool:
    """Whether the host's own dockerd is this version (`20.10` covers `20.10.24`)."""
    found = host_version()
    return found is not None and f"{found}.".startswith(f"{version}.")


def command(version: str, driver: str, place: Place, cgroup: str) -> tuple[str, ...]:
    """The words that start an engine in the foreground. Raises `NoSuchEngine`."""
    if driver not in DRIVERS:
        raise NoSuchEngine(f"no such driver: {driver} (there are {', '.join(DRIVERS)})")
    if not is_host(version):
        raise NoSuchEngine(f"engine {version} is not on this machine (its dockerd is {host_version()})")
    if driver == "containerd":
        raise NoSuchEngine(f"engine {version} has no containerd image store (24 and later have)")
    return (tool("dockerd") or "dockerd", *dockerd_options(driver, place, cgroup))


def dockerd_options(driver: str, place: Place, cgroup: str) -> tuple[str, ...]:
    """dockerd's options for a private engine; writes the configuration file that the containerd store needs."""
    store: tuple[str, ...] = ("--storage-driver", driver)
    if driver == "containerd":
        config = place.base / "daemon.json"
        config.write_text(json.dumps({"features": {"containerd-snapshotter": True}}))
        store = ("--config-file", str(config))
    return (
        *("--data-root", str(place.data_root)),
        *("--exec-root", str(place.exec_root)),
        *("--pidfile", str(place.pidfile)),
        *("-H", f"unix://{place.socket}"),
        *store,
        *("--cgroup-parent", f"/{cgroup}"),
        *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
    )
