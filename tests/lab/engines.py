"""Which engines there are, and the command line that starts each.

The host's own package serves where its version is the wanted one; every other engine lies unpacked in a cache folder,
and is fetched into it the first time (see `tests.lab.fetch`). Refuses combinations that do not exist, with the reason.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import fetch
from tests.lab.commands import CommandFailed, run, tool
from tests.lab.user import USER

if TYPE_CHECKING:
    from tests.lab.engine import Place

_ENTER = Path(__file__).with_name("enter.sh")
DRIVERS = ("overlay2", "btrfs", "vfs", "containerd")
_PODMAN_DRIVERS = {"overlay2": "overlay", "btrfs": "btrfs", "vfs": "vfs"}
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
    if version in _OF_USERS:
        return (*_inside("rootless", place), *_as_user(place), *_OF_USERS[version](place, driver))
    if version == "podman":
        temporary = place.data_root.with_name("tmp")  # where a host has it: on the disk of its root
        temporary.mkdir(exist_ok=True)
        return (*_inside(version, place), "env", f"TMPDIR={temporary}", "podman", *_podman_options(driver, place))
    if driver == "containerd" and _major(version) < 24:
        raise NoSuchEngine(f"engine {version} has no containerd image store (24 and later have)")
    options = _dockerd_options(version, driver, place, cgroup)
    if is_host(version):
        return (tool("dockerd") or "dockerd", *options)
    return (*_inside(version, place), "dockerd", *options)


def _podman_options(driver: str, place: Place) -> tuple[str, ...]:
    if driver not in _PODMAN_DRIVERS:
        raise NoSuchEngine(f"podman has no driver {driver} (it has {', '.join(_PODMAN_DRIVERS)})")
    return (
        *("--root", str(place.data_root)),
        *("--runroot", str(place.exec_root)),
        *("--storage-driver", _PODMAN_DRIVERS[driver]),
        *("--cgroup-manager", "cgroupfs", "--events-backend", "file"),
        *("system", "service", "-t", "0", f"unix://{place.socket}"),
    )


def _major(version: str) -> int:
    first = version.split(".")[0]
    if not first.isdigit():
        raise NoSuchEngine(f"no such engine: {version}")
    return int(first)


def _inside(version: str, place: Place) -> tuple[str, ...]:
    """The words that lead into the root folder of an engine from the cache; the process stays the same throughout."""
    try:
        root = fetch.fetch(version)  # at once where it is here already
    except (fetch.CannotFetch, CommandFailed) as error:
        raise NoSuchEngine(f"engine {version} is not here and cannot be fetched: {error}") from error
    stage = root.with_name("stage")
    stage.mkdir(exist_ok=True)
    apart = ("unshare", "--mount", "--propagation", "unchanged")
    return (*apart, "/bin/sh", str(_ENTER), str(place.lab or place.base), str(root), str(stage))


def _as_user(place: Place) -> tuple[str, ...]:
    """The words that drop all privileges. Home and folder of sockets are the place's: engines find the rest."""
    for folder in (place.base, place.data_root):
        os.chown(folder, USER, USER)
    user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    return (*user, "env", "-i", path, f"HOME={place.data_root}", f"XDG_RUNTIME_DIR={place.base}", "USER=lab")


def _rootless_docker(place: Place, driver: str) -> tuple[str, ...]:
    """As dockerd-rootless.sh does it. Root, socket and state are where they usually are."""
    file = place.base / "daemon.json"
    file.write_text(json.dumps({"features": {"containerd-snapshotter": driver == "containerd"}}))
    return (
        *("rootlesskit", f"--state-dir={place.base}/rootlesskit", "--propagation=rslave"),
        *("--net=slirp4netns", "--mtu=65520", "--port-driver=builtin", "--disable-host-loopback"),
        *("--copy-up=/etc", "--copy-up=/run"),
        *("dockerd", "--config-file", str(file), "--bridge", "none", "--iptables=false", "--ip6tables=false"),
    )


def _rootless_podman(place: Place, driver: str) -> tuple[str, ...]:
    return (
        *("podman", "--storage-driver", _PODMAN_DRIVERS[driver]),
        *("--cgroup-manager", "cgroupfs", "--events-backend", "file"),
        *("system", "service", "-t", "0", f"unix://{place.socket}"),
    )


_OF_USERS = {"rootless-docker": _rootless_docker, "rootless-podman": _rootless_podman}


def _dockerd_options(version: str, driver: str, place: Place, cgroup: str) -> tuple[str, ...]:
    """dockerd's options for a private engine. Its configuration file is the lab's, never the host's."""
    config: dict[str, object] = {}
    store: tuple[str, ...] = ("--storage-driver", driver)
    if driver == "containerd":
        config["features"] = {"containerd-snapshotter": True}
        store = ()
    if _major(version) < 23:
        # Or it would write its key into the host's /etc/docker.
        config["deprecated-key-path"] = str(place.base / "key.json")
    file = place.base / "daemon.json"
    file.write_text(json.dumps(config))
    return (
        *("--config-file", str(file)),
        *("--data-root", str(place.data_root)),
        *("--exec-root", str(place.exec_root)),
        *("--pidfile", str(place.pidfile)),
        *("-H", f"unix://{place.socket}"),
        *store,
        *("--cgroup-parent", f"/{cgroup}"),
        *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
    )
