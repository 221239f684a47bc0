"""What containers hold: images by id, by digest and by the name they were made from; volumes; logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Container, Image
from collectors.model.reading import Exact
from collectors.model.records import dataclass
from collectors.model.store import ContainerLog

TRUNCATABLE = frozenset({"json-file", "local"})  # the writer appends, so an emptied file starts again at 0


@dataclass(frozen=True, slots=True)
class Holders:
    """`known` False: containers could not be listed, and nothing may be called unused."""

    known: bool
    _containers: Sequence[Container]
    # Places in `_containers`: by id of the image, by the name that they were made from, by volume.
    _by_id: Mapping[str, Sequence[int]]
    _by_name: Mapping[str, Sequence[int]]
    _by_volume: Mapping[str, Sequence[int]]

    def of_image(self, image: Image) -> tuple[Container, ...]:
        """The containers that hold this image.

        Not only those made from this id: a container that was made from `app:latest` is made again from whatever that
        tag names now, so the tag's present image is in use as well.
        """
        ids = {image.id, *(digest.rpartition("@")[2] for digest in image.digests)}
        names = {normal(tag) for tag in image.tags} | set(image.digests)
        found = {place for one in ids for place in self._by_id.get(one, ())}
        found |= {place for name in names for place in self._by_name.get(name, ())}
        return tuple(self._containers[place] for place in sorted(found))

    def of_volume(self, name: str) -> tuple[Container, ...]:
        """The containers, stopped ones too, that mount this volume."""
        return tuple(self._containers[place] for place in self._by_volume.get(name, ()))


def holders(context: PlanContext) -> Holders:
    """Every container of the engine, whatever its state."""
    containers = context.containers()
    by_id: defaultdict[str, list[int]] = defaultdict(list)
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    by_volume: defaultdict[str, list[int]] = defaultdict(list)
    for place, container in enumerate(containers or ()):
        by_id[container.image_id].append(place)
        by_name[normal(container.image)].append(place)
        for volume in {attachment.volume for attachment in container.attachments}:
            by_volume[volume].append(place)
    return Holders(containers is not None, containers or (), by_id, by_name, by_volume)


def large_logs(context: PlanContext) -> Mapping[str, ContainerLog]:
    """By id of a container that the engine knows, the logs that are worth cutting and that can be."""
    store, listed = context.snapshot.store, context.containers()
    if not isinstance(store, Exact) or not isinstance(store.value.logs, Exact) or listed is None:
        return {}
    known = {container.id for container in listed}
    return {
        log.container_id: log
        for log in store.value.logs.value
        if log.allocated_bytes >= context.rules.log_bytes
        and log.driver in TRUNCATABLE
        and log.paths
        and log.container_id in known
    }


def counted(image: Image) -> bool:
    """Does the engine itself count containers on it?"""
    return isinstance(image.containers, Exact) and image.containers.value > 0


def normal(reference: str) -> str:
    """`alpine` → `alpine:latest`; a digest or an id stays."""
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"
