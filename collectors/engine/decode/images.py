"""GET /images/json and GET /images/{id}/json → Image. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collectors.engine.decode.fields import document, records, top
from collectors.engine.decode.usage import ImageUsage, image_id
from collectors.model.engine import Image
from collectors.model.ids import DiffId, ImageId
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.system.deadline import Malformed

_NO_TAG = "<none>"


def images(body: bytes, origin: Origin) -> tuple[Image, ...]:
    """The list. What only the disk usage or an inspection can tell is not asked yet."""
    later = Unavailable(Why.NOT_ASKED, "the list of images does not tell", origin)
    return tuple(
        Image(
            id=image_id(item),
            tags=_named(item.texts("RepoTags")),
            digests=_named(item.texts("RepoDigests")),
            size=item.size("Size"),
            shared=later,
            containers=later,
            created_at=item.moment("Created"),
            labels=item.mapping("Labels"),
            diff_ids=later,
        )
        for item in records(document(body), "/images/json", origin)
    )


def with_usage(
    listed: tuple[Image, ...], usage: Reading[Mapping[ImageId, ImageUsage]], origin: Origin
) -> tuple[Image, ...]:
    """The same images with what /system/df measured, or with the reason why it did not."""
    if isinstance(usage, Unavailable):
        return tuple(replace(image, shared=usage, containers=usage) for image in listed)
    absent = Unavailable(Why.NOT_REPORTED, "the engine's disk usage does not list this image", origin)
    found = []
    for image in listed:
        measured = usage.value.get(image.id)
        if measured is None:
            found.append(replace(image, shared=absent, containers=absent))
        else:
            found.append(replace(image, shared=measured.shared, containers=measured.containers))
    return tuple(found)


def with_layers(listed: tuple[Image, ...], layers: Mapping[ImageId, Reading[tuple[DiffId, ...]]]) -> tuple[Image, ...]:
    """The same images with the layers that their inspections gave."""
    return tuple(replace(image, diff_ids=layers.get(image.id, image.diff_ids)) for image in listed)


def diff_ids(body: bytes, origin: Origin) -> Reading[tuple[DiffId, ...]]:
    """RootFS.Layers of one inspected image, base first."""
    rootfs = top(body, "an inspected image", origin).record("RootFS")
    layers = rootfs.fields.get("Layers")
    if layers is None:
        if rootfs.text_or_empty("Type") == "layers":  # FROM scratch, and nothing added
            return Exact((), origin)
        return rootfs.missing(Why.NOT_REPORTED, "no RootFS.Layers")
    found = rootfs.texts("Layers")
    if not isinstance(layers, list) or len(found) != len(layers):
        raise Malformed("an inspected image: RootFS.Layers is not a list of digests")
    return Exact(tuple(DiffId(layer) for layer in found), origin)


def _named(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Tags or digests without the placeholders of old engines and of Podman: <none>:<none>, <none>@<none>, <none>."""
    return tuple(text for text in texts if not text.startswith(_NO_TAG))
