"""Images that the engine does not list: each step of a build by the old builder is one. Pure.

The engine removes such a parent with its last child. So it is no holder of its own: whoever asks what removing images
frees means the images that can be named, and their unnamed parents with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from collectors.model.ids import ImageId
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact
from collectors.model.snapshot import Snapshot
from collectors.model.store import StoredImage, Unit


def hidden_parents(snapshot: Snapshot) -> Mapping[Owner, frozenset[Owner]]:
    """Images on disk that the engine does not list → the listed images built on them.

    Where the parent is not recorded, all listed images that start with its layers stand for it: they hold the same
    layers anyway. A parent that nothing listed is built on is left out: what it holds stays its own.
    """
    store, listing = snapshot.store, snapshot.engine.images
    if not isinstance(store, Exact) or not isinstance(listing, Exact) or not isinstance(store.value.images, Exact):
        return {}
    stored, listed = store.value.images.value, frozenset(image.id for image in listing.value)
    unlisted = [image for image in stored if image.id not in listed and not image.tags and image.chain]
    if not unlisted:
        return {}
    by_record, by_layers = _by_record(stored, listed), _by_layers(stored, listed)
    above = {image.id: by_record.get(image.id) or by_layers.get(image.chain[-1]) for image in unlisted}
    return {_owner(parent): frozenset(map(_owner, images)) for parent, images in above.items() if images}


def without_parents(units: Iterable[Unit], parents: Mapping[Owner, frozenset[Owner]]) -> tuple[Unit, ...]:
    """The same units; where a parent owned one, the images that it goes with do."""
    if not parents:
        return tuple(units)
    return tuple(_settled(unit, parents) if unit.owners & parents.keys() else unit for unit in units)


def _settled(unit: Unit, parents: Mapping[Owner, frozenset[Owner]]) -> Unit:
    owners = frozenset().union(*(parents.get(owner, frozenset({owner})) for owner in unit.owners))
    return replace(unit, owners=owners)


def _by_record(stored: Iterable[StoredImage], listed: frozenset[ImageId]) -> Mapping[ImageId, set[ImageId]]:
    """Each image → the listed ones that name it as an ancestor."""
    parent = {image.id: image.parent for image in stored if image.parent is not None}
    found: defaultdict[ImageId, set[ImageId]] = defaultdict(set)
    for image in listed:
        seen, one = {image}, parent.get(image)
        while one is not None and one not in seen:
            seen.add(one)
            found[one].add(image)
            one = parent.get(one)
    return found


def _by_layers(stored: Iterable[StoredImage], listed: frozenset[ImageId]) -> Mapping[str, set[ImageId]]:
    """Each chain of layers, by its top → the listed images that stand on it. A chain id covers all that lies below."""
    found: defaultdict[str, set[ImageId]] = defaultdict(set)
    for image in stored:
        if image.id in listed:
            for layer in image.chain:
                found[layer].add(image.id)
    return found


def _owner(image: ImageId) -> Owner:
    return Owner(OwnerKind.IMAGE, image)
