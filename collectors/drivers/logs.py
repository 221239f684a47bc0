"""Container logs on disk: current file, rotated and compressed siblings, of every driver that keeps a file.

json-file, `local`, the cache that Docker keeps beside remote drivers (`container-cached.log`), and Podman's
`ctr.log`. Bytes are allocated blocks as well as apparent sizes, because logs are sparse after a truncation. Refuses
to take a container without a readable configuration for one that rotates.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from collectors.drivers.files import Rows, collect, folders_if_there, mapping, names_if_there, read_json
from collectors.model.ids import ContainerId
from collectors.model.store import ContainerLog
from collectors.system.deadline import Malformed

_LOCAL_FOLDER = "local-logs"
_CACHE_FILE = "container-cached.log"
_DEFAULT_DRIVER = "json-file"
_UNLIMITED = ("", "-1", "0")
# They rotate unless told otherwise: 5 × 20 MB compressed.
_ROTATE_BY_DEFAULT = ("local",)
_KEEP_FILES = ("json-file", "local")


def docker_logs(root: Path) -> Rows[ContainerLog]:
    """The logs of every container below `<root>/containers` whose driver keeps files, or that has some."""
    containers = root / "containers"
    found = collect((containers / name for name in folders_if_there(containers)), _docker_log)
    return Rows(tuple(log for log in found.good if log.paths or log.driver in _KEEP_FILES), found.broken)


def podman_logs(containers: Path) -> Rows[ContainerLog]:
    """`<driver>-containers/<id>/userdata/ctr.log`. Whether it rotates is kept in Podman's own database, not here."""
    return collect((containers / name for name in folders_if_there(containers)), _podman_log)


def paths_of(container: Path) -> tuple[str, ...]:
    """The log files of one of Docker's containers: each current file first, then its rotated siblings."""
    stems = (f"{container.name}-json.log", _CACHE_FILE)
    found = [str(path) for stem in stems for path in _siblings(container, stem)]
    local = container / _LOCAL_FOLDER
    return (*found, *(str(local / name) for name in sorted(names_if_there(local), key=_rotation)))


def podman_paths_of(container: Path) -> tuple[str, ...]:
    """The log files of one of Podman's containers."""
    return tuple(str(path) for path in _siblings(container / "userdata", "ctr.log"))


def _docker_log(container: Path) -> ContainerLog:
    driver, options = _configured(container)
    paths = paths_of(container)
    allocated_bytes, apparent_bytes = _sizes(paths)
    return ContainerLog(
        container_id=ContainerId(container.name),
        driver=driver,
        paths=paths,
        allocated_bytes=allocated_bytes,
        apparent_bytes=apparent_bytes,
        rotates=_rotates(driver, options),
    )


def _configured(container: Path) -> tuple[str, Mapping[str, object]]:
    """The log driver and its options, the daemon's defaults included: the engine writes them in at creation."""
    path = container / "hostconfig.json"
    where = str(path)
    config = mapping(mapping(read_json(path), where).get("LogConfig"), where)
    driver = config.get("Type") or _DEFAULT_DRIVER
    if not isinstance(driver, str):
        raise Malformed(f"{where}: the log driver is not text")
    return driver, mapping(config.get("Config"), where)


def _rotates(driver: str, options: Mapping[str, object]) -> bool:
    """Is a maximum size in force? Drivers other than json-file keep at most a cache of bounded size."""
    limit = options.get("max-size")
    if driver == _DEFAULT_DRIVER:
        return limit is not None and str(limit) not in _UNLIMITED
    if driver in _ROTATE_BY_DEFAULT:
        return str(limit) != "-1"
    return True


def _podman_log(container: Path) -> ContainerLog:
    paths = podman_paths_of(container)
    allocated_bytes, apparent_bytes = _sizes(paths)
    return ContainerLog(ContainerId(container.name), "k8s-file", paths, allocated_bytes, apparent_bytes, rotates=None)


def _siblings(folder: Path, stem: str) -> Iterator[Path]:
    found = [name for name in names_if_there(folder) if name == stem or name.startswith(f"{stem}.")]
    return (folder / name for name in sorted(found, key=_rotation))


def _rotation(name: str) -> tuple[int, str]:
    """container.log, container.log.1, .2.gz, … .10.gz"""
    number = next((part for part in reversed(name.split(".")) if part.isdecimal()), "0")
    return int(number), name


def _sizes(paths: tuple[str, ...]) -> tuple[int, int]:
    """Allocated and apparent bytes; a file that was rotated away meanwhile counts nothing."""
    allocated_bytes = apparent_bytes = 0
    for path in paths:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            allocated_bytes += status.st_blocks * 512
            apparent_bytes += status.st_size
    return allocated_bytes, apparent_bytes
