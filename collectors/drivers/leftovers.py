"""Everything under the Docker root that is neither a layer nor its database, so that no byte there is without a name.

Containers' files and logs, volumes, plugins, temporary files, other drivers, the engine's own files. Refuses to look
inside any of it.

A log is its current file with rotated and compressed siblings, of every driver that keeps one: json-file, `local`, the
cache that Docker keeps beside remote drivers (`container-cached.log`), Podman's `ctr.log`. Bytes are allocated blocks
as well as apparent sizes, because logs are sparse after a truncation. Refuses to take a container without a readable
configuration for one that rotates.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from collectors.drivers.base import Layout
from collectors.drivers.files import (
    Rows,
    collect,
    folders_if_there,
    followed,
    is_archive,
    link_in,
    mapping,
    names_if_there,
    only_numbers,
    read_json,
)
from collectors.drivers.listing import Entry, entries, entries_if_there, keys_and_kinds, unit, unit_at
from collectors.model import ContainerId, Owner, OwnerKind
from collectors.model.store import ContainerLog, Store, Unit, UnitKind
from collectors.system import killable
from collectors.system.deadline import Declined, Malformed

# What containers/image (older ones without the first words), Podman's service and Docker call theirs; \d: Go's random.
_PODMANS = re.compile(
    r"(?:(?P<folder>container_images_(?:storage|oci|sif)|storage|libpod_builder)"
    r"|(?P<archive>container_images_[a-z-]*|docker-tar|libpod-images-load\.tar|api(?:_load)?\.tar))\d{7,10}"
)
_CACHE_MOUNTS = re.compile(r"buildah-cache(?:-\d+)?")
_NAMED = re.sub(r"\?P<\w+>", "?:", _PODMANS.pattern)
TEMPORARY = re.compile(rf"(?:GetImageBlob|docker-(?:builder|import-|export-))\d+|{_NAMED}")
WATCHED = f"/({TEMPORARY.pattern})"  # their names, as a search of open files finds them

_LOCAL_FOLDER = "local-logs"
_CACHE_FILE = "container-cached.log"
_DEFAULT_DRIVER = "json-file"
_UNLIMITED = ("", "-1", "0")
# They rotate unless told otherwise: 5 × 20 MB compressed.
_ROTATE_BY_DEFAULT = ("local",)
_KEEP_FILES = ("json-file", "local")


def docker_logs(root: Path) -> Rows[ContainerLog]:
    """The logs of every container below `<root>/containers` whose driver keeps files, or that has some."""
    containers = followed(root / "containers")
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


_KINDS = {
    "buildkit": UnitKind.BUILD_DATABASE,
    "plugins": UnitKind.PLUGIN,
    "tmp": UnitKind.TEMPORARY,
}
# What lies beside the volumes and containers of an engine, and is no such thing.
_LAYER_FILES = frozenset({"backingFsBlockDev", "lost+found"})
_VOLUME_FILES = frozenset({"metadata.db", "backingFsBlockDev", "lost+found"})


def rest(layout: Layout) -> tuple[Unit, ...]:
    """One unit for each child of the root, and deeper ones for containers, logs, volumes, plugins and other stores."""
    root = layout.root
    return (
        *(unit(one, _kind(layout, one)) for one in entries(root)),
        *_behind_links(layout),
        *_beside_volumes(root),
        *_beside_layers(layout),
        *_outside(layout),
        *(one for path in layout.others for one in unit_at(path, UnitKind.OTHER_DRIVER, name=_below(root, path))),
        *_containers(layout),
        *_volumes(root),
        *_plugins(root),
    )


def _kind(layout: Layout, one: Entry) -> UnitKind:
    own = UnitKind.ENGINE_FILES if layout.driver.makes(one.name) else UnitKind.FOREIGN
    return _KINDS.get(one.name, own)


def _behind_links(layout: Layout) -> Iterator[Unit]:
    """What the engine makes below its root, and somebody moved elsewhere behind a link; the link itself stays."""
    for one in entries(layout.root):
        path, real = Path(one.path), followed(Path(one.path))
        if not one.is_folder and layout.driver.makes(one.name) and real != path and real.is_dir():
            yield from unit_at(real, _kind(layout, one), name=f"{one.name} (a link to {real})")


def _beside_volumes(root: Path) -> Iterator[Unit]:
    """Files among the volumes and containers, where the engine keeps folders alone."""
    for shelf in ("volumes", "containers"):
        for one in entries_if_there(followed(root / shelf)):
            if not one.is_folder and one.name not in _VOLUME_FILES:
                yield unit(one, UnitKind.FOREIGN, name=f"{shelf}/{one.name}")


def _beside_layers(layout: Layout) -> Iterator[Unit]:
    """Files among the directories of layers, where the driver keeps none but its own."""
    if (base := layout.base) is None:
        return
    for shelf in layout.driver.layer_folders(layout):
        for key, is_folder in keys_and_kinds(base, shelf):
            name = key.rpartition("/")[2]
            if is_folder or name in _LAYER_FILES or name.startswith(".") or layout.driver.layer_name.fullmatch(name):
                continue
            yield from unit_at(base / key, UnitKind.FOREIGN, name=f"{base.name}/{key}")


def records_of(store: Store, container: ContainerId) -> tuple[Unit, ...]:
    """What the layer database keeps of one container, apart from the database itself. Empty in other stores."""
    row = Path(store.root, "image", store.driver, "layerdb", "mounts", container)
    owner = frozenset({Owner(OwnerKind.CONTAINER, container)})
    return unit_at(row, UnitKind.CONTAINER_FILES, owners=owner)


def _outside(layout: Layout) -> tuple[Unit, ...]:
    """A containerd root that does not lie under the Docker root."""
    if layout.database.is_relative_to(layout.root):
        return ()
    return unit_at(layout.database, UnitKind.ENGINE_FILES, name="containerd")


def _containers(layout: Layout) -> Iterator[Unit]:
    for one in entries_if_there(layout.driver.containers(layout)):
        if not one.is_folder:
            continue
        owner = frozenset({Owner(OwnerKind.CONTAINER, one.name)})
        yield unit(one, UnitKind.CONTAINER_FILES, owners=owner)
        yield from _logs(one.name, layout.driver.log_paths(Path(one.path)), owner)


def _logs(container: str, paths: Iterable[str], owner: frozenset[Owner]) -> Iterator[Unit]:
    for path in paths:
        yield from unit_at(Path(path), UnitKind.LOG, name=container, owners=owner)


def _volumes(root: Path) -> Iterator[Unit]:
    """Each local volume, and what its `_data` leads to where that is a link; those of other drivers lie elsewhere."""
    for one in entries_if_there(followed(root / "volumes")):
        if not one.is_folder or one.name in _VOLUME_FILES:
            continue
        owner = frozenset({Owner(OwnerKind.VOLUME, one.name)})
        yield unit(one, UnitKind.VOLUME, owners=owner)
        real = link_in(Path(one.path), "_data")
        if real is not None and real.is_dir():
            yield from unit_at(real, UnitKind.VOLUME, name=one.name, owners=owner)


def _plugins(root: Path) -> Iterator[Unit]:
    """Each installed plugin; `storage` and `tmp` are the plugin store's own."""
    for one in entries_if_there(followed(root / "plugins")):
        if one.is_folder and one.name not in ("storage", "tmp"):
            yield unit(one, UnitKind.PLUGIN, owners=frozenset({Owner(OwnerKind.PLUGIN, one.name)}))


def _below(root: Path, path: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def temporary_names(folder: str, root: str) -> Iterator[tuple[str, UnitKind]]:
    """What in a folder that anybody uses for temporary files is Podman's or Buildah's, of the user whose is `root`."""
    user = os.stat(root).st_uid  # noqa: PTH116 - a text
    for name in names_if_there(Path(folder)) if os.access(folder, os.R_OK) else ():
        with suppress(OSError):  # gone meanwhile
            if (kind := among_others(Path(folder, name), user)) is not None:
                yield name, kind


def among_others(path: Path, user: int) -> UnitKind | None:
    """What a Podman or Buildah of the user made, by name, mode and content; None: it may be anybody's data."""
    made, mounts = _PODMANS.fullmatch(path.name), _CACHE_MOUNTS.fullmatch(path.name)
    if not (made or mounts) or (status := path.lstat()).st_uid != user:
        return None
    folder, mode = stat.S_ISDIR(status.st_mode), stat.S_IMODE(status.st_mode)
    if mounts:
        return UnitKind.CACHE_MOUNTS if folder else None
    if made is None or (folder, mode) != ((True, 0o700) if made["folder"] else (False, 0o600)):
        return None
    ours = only_numbers(path) if made["folder"] == "storage" else folder or is_archive(path)
    return UnitKind.TEMPORARY if ours else None


def open_nowhere(paths: Iterable[str], *, timeout_s: float) -> dict[str, bool | None]:
    """Whether nobody has these files open or mapped; None where that cannot be told, as of directories.

    Source: the kernel, which gives a write lease only then.
    """
    asked = list(paths)
    request = {"task": "leases", "paths": [os.fsencode(path) for path in asked]}
    unknown: dict[str, bool | None] = dict.fromkeys(asked)
    if not asked:
        return unknown
    try:
        frame = killable.ask(request, "write leases", timeout_s)
    except (Declined, OSError):
        return unknown
    match frame:
        case ("leases", list(answers)) if len(answers) == len(asked):
            return dict(zip(asked, answers, strict=True))
    return unknown
