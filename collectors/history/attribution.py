"""Which repository an untagged image came from. Pure.

By, in this order: the digest that the engine kept, the tag that an earlier run saw on it, an event of the engine, and
last the layers that it shares with one repository's images and with no other's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from collectors.history.encoding import short_id
from collectors.history.record import Journal
from collectors.model.engine import Image
from collectors.model.reading import Exact


class By(StrEnum):
    TAG = "tag"
    DIGEST = "digest"
    JOURNAL = "journal"
    EVENT = "event"
    LAYERS = "layers"


@dataclass(frozen=True, slots=True)
class Attribution:
    repository: str
    by: By


def repository_of(reference: str) -> str:
    """The repository of "host:5000/shop/app:latest" or "shop/app@sha256:…": a colon in the host is no tag."""
    name = reference.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def attribute(
    journal: Journal, images: Sequence[Image], events: Iterable[tuple[str, str]]
) -> Mapping[str, Attribution]:
    """The repository of each image, by its short id; images that nothing tells of are missing.

    `events`: (tag, image id), oldest first.
    """
    # Weakest evidence first: what comes later overrides.
    found = {short_id(image_id): Attribution(repository_of(tag), By.EVENT) for tag, image_id in events}
    last: Mapping[str, str] | None = None
    for record in journal.records:
        if record.tags is not None and record.tags is not last:
            last = record.tags
            found.update({id_: Attribution(repository_of(tag), By.JOURNAL) for tag, id_ in last.items()})
    for image in images:
        name = next(iter(image.digests), None)
        if image.tags:
            found[short_id(image.id)] = Attribution(repository_of(image.tags[0]), By.TAG)
        elif name is not None and not name.startswith("<none>"):
            found[short_id(image.id)] = Attribution(repository_of(name), By.DIGEST)
    return found | _by_layers(images, found)


def _by_layers(images: Sequence[Image], known: Mapping[str, Attribution]) -> dict[str, Attribution]:
    """Of the repositories, the one that shares most layers from the base on; none where several share as many."""
    chains = _Chains()
    for image in images:
        owner = known.get(short_id(image.id))
        if owner is not None and isinstance(image.diff_ids, Exact):
            chains.add(image.diff_ids.value, owner.repository)
    found = {}
    for image in images:
        if short_id(image.id) in known or not isinstance(image.diff_ids, Exact):
            continue
        repository = chains.nearest(image.diff_ids.value)
        if repository is not None:
            found[short_id(image.id)] = Attribution(repository, By.LAYERS)
    return found


class _Chains:
    """Chains of layers as a tree from the base on. Each place knows its repository; None where there are several."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, str], int] = {}
        self._repository: list[str | None] = [None]

    def add(self, layers: Sequence[str], repository: str) -> None:
        place = 0
        for layer in layers:
            place = self._next.setdefault((place, layer), len(self._repository))
            if place == len(self._repository):
                self._repository.append(repository)
            elif self._repository[place] != repository:
                self._repository[place] = None

    def nearest(self, layers: Sequence[str]) -> str | None:
        """The only repository at the end of what these layers share with any chain."""
        place = 0
        for layer in layers:
            following = self._next.get((place, layer))
            if following is None:
                break
            place = following
        return self._repository[place]
