"""What the graph drivers' engine keeps under `image/<driver>`: the layer database (which directory of the driver holds
which layer, and for whom) and the images with their tags and chains.

Refuses a row that lacks what the engine always writes: a layer whose directory is not known would make that directory
look like nobody's. Refuses to guess a chain: an image whose config cannot be read is named, not counted.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from collectors.drivers.files import (
    Rows,
    collect,
    folders_if_there,
    mapping,
    names,
    names_if_there,
    read_json,
    read_word,
    read_word_or_none,
    sequence,
)
from collectors.drivers.listing import times
from collectors.model import CacheId, ChainId, ContainerId, DiffId, ImageId, dataclass
from collectors.model.store import ContainerLayers, Layer, StoredImage
from collectors.system.deadline import Malformed

REMOVING = "-removing"
_NOT_ALGORITHMS = ("mounts", "tmp")


@dataclass(frozen=True, slots=True)
class Removing:
    """A layer whose removal began: its row is renamed first, the directory goes after, then the row."""

    name: str
    path: str
    cache_id: CacheId | None
    touched_s: float  # last change of the row, seconds since the epoch


@dataclass(frozen=True, slots=True)
class Write:
    """`layerdb/tmp/write-set-*`: a layer that is being registered, or whose registration was interrupted."""

    name: str
    path: str
    cache_id: CacheId | None  # written last: most of the time it is not there yet
    began_s: float | None  # seconds since the epoch; None: cannot be known
    touched_s: float  # last change of any file in it


def layers(layerdb: Path) -> Rows[Layer]:
    """Every row below `layerdb/<algorithm>/`. OSError when the database cannot be listed."""
    return collect((row for row in _rows(layerdb) if not row.name.endswith(REMOVING)), _layer)


def _layer(row: Path) -> Layer:
    cache_id = _directory_name(read_word(f"{row}/cache-id"), row)
    size = read_word(f"{row}/size")
    if not size.isdecimal():
        raise Malformed(f"{row}: its size is no number")
    parent = read_word_or_none(f"{row}/parent")
    return Layer(
        chain_id=ChainId(f"{row.parent.name}:{row.name}"),
        parent=ChainId(parent) if parent else None,
        diff_id=DiffId(read_word(f"{row}/diff")),
        cache_id=cache_id,
        size_bytes=int(size),
    )


def container_layers(layerdb: Path) -> Rows[ContainerLayers]:
    """`layerdb/mounts/<container>`: each container's writable layer, init layer and parent chain."""
    mounts = layerdb / "mounts"
    return collect((mounts / name for name in folders_if_there(mounts)), _mount)


def _mount(row: Path) -> ContainerLayers:
    init_id = read_word_or_none(f"{row}/init-id")
    parent = read_word_or_none(f"{row}/parent")
    return ContainerLayers(
        container_id=ContainerId(row.name),
        mount_id=_directory_name(read_word(f"{row}/mount-id"), row),
        init_id=_directory_name(init_id, row) if init_id else None,
        parent=ChainId(parent) if parent else None,
    )


def removing(layerdb: Path) -> tuple[Removing, ...]:
    """Rows that were renamed to `<layer>-<random>-removing` and still stand."""
    found: list[Removing] = []
    for row in _rows(layerdb):
        if row.name.endswith(REMOVING) and (touched_s := _touched_s(row)) is not None:
            found.append(Removing(row.name, str(row), _cache_id_or_none(row), touched_s))
    return tuple(found)


def writes(layerdb: Path) -> tuple[Write, ...]:
    """Layers being registered, and those whose registration was cut short."""
    pending = layerdb / "tmp"
    found: list[Write] = []
    for name in folders_if_there(pending):
        row = pending / name
        try:
            began_s = times(str(row)).since_s
        except FileNotFoundError:
            continue
        if (touched_s := _touched_s(row)) is not None:
            found.append(Write(name, str(row), _cache_id_or_none(row), began_s, touched_s))
    return tuple(found)


def _rows(layerdb: Path) -> tuple[Path, ...]:
    algorithms = (name for name in names(layerdb) if name not in _NOT_ALGORITHMS and (layerdb / name).is_dir())
    return tuple(
        layerdb / algorithm / name for algorithm in algorithms for name in folders_if_there(layerdb / algorithm)
    )


def _directory_name(word: str, row: Path) -> CacheId:
    if word in ("", ".", "..") or "/" in word or "\0" in word:
        raise Malformed(f"{row}: names no directory")
    return CacheId(word)


def _cache_id_or_none(row: Path) -> CacheId | None:
    word = read_word_or_none(f"{row}/cache-id")
    return _directory_name(word, row) if word else None


def _touched_s(folder: Path) -> float | None:
    """The latest modification in a folder of files; None when it went away."""
    try:
        moments = [folder.stat().st_mtime]
        with os.scandir(folder) as entries:
            moments += [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
    except FileNotFoundError:
        return None
    return max(moments)


def images(image_dir: Path) -> Rows[StoredImage]:
    """Every image config below `imagedb/content`, untagged parents of legacy builds included, with its tags.

    OSError when the store cannot be listed; Malformed when `repositories.json` is damaged.
    """
    tags = _tags(image_dir / "repositories.json")
    content = image_dir / "imagedb" / "content"
    metadata = image_dir / "imagedb" / "metadata"
    configs = (
        content / algorithm / name for algorithm in names(content) for name in names_if_there(content / algorithm)
    )
    return collect(configs, lambda config: _image(config, metadata, tags))


def chain_ids(diff_ids: Sequence[str]) -> tuple[ChainId, ...]:
    """The chain id of each layer, base first: the digest over the chain below it and its own diff (OCI image spec)."""
    chain: list[ChainId] = []
    for diff_id in diff_ids:
        if chain:
            diff_id = f"sha256:{hashlib.sha256(f'{chain[-1]} {diff_id}'.encode()).hexdigest()}"
        chain.append(ChainId(diff_id))
    return tuple(chain)


def diff_ids(config: object, where: str) -> tuple[DiffId, ...]:
    """`rootfs.diff_ids` of an image config; empty for what has no root filesystem (an attestation, scratch)."""
    rootfs = mapping(mapping(config, where).get("rootfs"), where)
    found = sequence(rootfs.get("diff_ids"), where)
    if not all(isinstance(diff_id, str) for diff_id in found):
        raise Malformed(f"{where}: a diff id is not text")
    return tuple(DiffId(diff_id) for diff_id in found)


def _image(config: Path, metadata: Path, tags: Mapping[str, tuple[str, ...]]) -> StoredImage:
    algorithm, name = config.parent.name, config.name
    image_id = f"{algorithm}:{name}"
    parent = read_word_or_none(metadata / algorithm / name / "parent")
    return StoredImage(
        id=ImageId(image_id),
        tags=tags.get(image_id, ()),
        chain=chain_ids(diff_ids(read_json(config), str(config))),
        parent=ImageId(parent) if parent else None,
    )


def _tags(repositories: Path) -> Mapping[str, tuple[str, ...]]:
    """Image id → its tags. References by digest are no tags."""
    try:
        document = read_json(repositories)
    except FileNotFoundError:  # an engine that never had an image
        return {}
    where = str(repositories)
    tags: defaultdict[str, list[str]] = defaultdict(list)
    for references in mapping(mapping(document, where).get("Repositories"), where).values():
        for reference, image_id in mapping(references, where).items():
            if "@" not in reference and isinstance(image_id, str):
                tags[image_id].append(reference)
    return {image_id: tuple(sorted(found)) for image_id, found in tags.items()}
