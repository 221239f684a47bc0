"""What containers hold: images by id, by digest and by the name they were made from."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.model.engine import Container, Image
from collectors.model.reading import Exact
from collectors.remediation.plan.case import Case


@dataclass(frozen=True, slots=True)
class Holders:
    """`known` False: containers could not be listed, and nothing may be called unused."""

    known: bool
    containers: tuple[Container, ...]

    def of_image(self, image: Image) -> tuple[Container, ...]:
        """The containers that hold this image.

        Not only those made from this id: a container that was made from `app:latest` is made again from whatever that
        tag names now, so the tag's present image is in use as well.
        """
        ids = {image.id, *(digest.rpartition("@")[2] for digest in image.digests)}
        names = {normal(tag) for tag in image.tags} | set(image.digests)
        return tuple(c for c in self.containers if c.image_id in ids or normal(c.image) in names)

    def of_volume(self, name: str) -> tuple[Container, ...]:
        """The containers, stopped ones too, that mount this volume."""
        return tuple(c for c in self.containers if any(a.volume == name for a in c.attachments))


def holders(case: Case) -> Holders:
    """Every container of the engine, whatever its state."""
    containers = case.containers()
    return Holders(containers is not None, containers or ())


def counted(image: Image) -> bool:
    """Does the engine itself count containers on it?"""
    return isinstance(image.containers, Exact) and image.containers.value > 0


def normal(reference: str) -> str:
    """`alpine` → `alpine:latest`; a digest or an id stays."""
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"
