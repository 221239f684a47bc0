"""The image store of the graph drivers, `image/<driver>/imagedb` and `repositories.json`: ids, tags, chains of
layers.

Refuses to guess a chain: an image whose config cannot be read is named, not counted without its layers.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from collectors.drivers.files import mapping, names, names_if_there, read_json, read_word_or_none, sequence
from collectors.drivers.rows import Rows, collect
from collectors.model.ids import ChainId, DiffId, ImageId
from collectors.model.store import StoredImage
from collectors.system.deadline import Malformed


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
