"""Sizes as the engine measured them, and the lists that come with them: build cache and volumes. Pure.

GET /system/df has two shapes: the old one the lists `Images`, `Containers`, `Volumes` and `BuildCache`; the new one
(API ≥ 1.52) objects `ImageUsage` … with `Items`, in which a zero and an empty list are left out. An answer may hold
both. What GET /volumes lists becomes a `Volume` too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from collectors.engine.decode import JsonObject, top
from collectors.model import ContainerId, ImageId, dataclass
from collectors.model.engine import BuildRecord, Volume
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why
from collectors.system.deadline import Declined, Malformed

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class ImageUsage:
    size: Size
    shared: Size  # bytes of layers that at least one other image has too
    containers: Reading[int]


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    writable: Size
    rootfs: Size


@dataclass(frozen=True, slots=True)
class VolumeUsage:
    size: Size  # apparent bytes of the files in it
    references: Reading[int]


def usage(body: bytes, origin: Origin) -> JsonObject:
    """The whole answer, for the functions below: an engine that ignores `type` is asked once for all of them."""
    return top(body, "/system/df", origin)


def images(answer: JsonObject) -> Mapping[ImageId, ImageUsage]:
    """What each image was measured at."""
    return {
        image_id(item): ImageUsage(item.size("Size"), item.size("SharedSize"), item.count("Containers"))
        for item in listed(answer, "Images", "ImageUsage")
    }


def containers(answer: JsonObject) -> Mapping[ContainerId, ContainerUsage]:
    """What each container was measured at."""
    return {ContainerId(item.text("Id")): container(item) for item in listed(answer, "Containers", "ContainerUsage")}


def volume_usages(answer: JsonObject) -> Mapping[str, VolumeUsage]:
    """What each volume was measured at; the engine leaves out those with options and those of other drivers."""
    found = {}
    for item in listed(answer, "Volumes", "VolumeUsage"):
        data = item.record("UsageData")
        found[item.text("Name")] = VolumeUsage(data.size("Size"), data.count("RefCount"))
    return found


def layers_size(answer: JsonObject) -> Size:
    """Logical bytes of all image layers, by the engine's own rules, which differ between versions and stores."""
    size = answer.size("LayersSize")
    if "LayersSize" not in answer.fields and isinstance(answer.fields.get("ImageUsage"), dict):
        total = answer.record("ImageUsage")
        size = total.size("TotalSize") if "TotalSize" in total.fields else Exact(0, answer.origin)
    if isinstance(size, Exact) and size.value == 0 and listed(answer, "Images", "ImageUsage"):
        # Podman 4.3 says so whatever images there are.
        return answer.missing(Why.NOT_REPORTED, "the engine did not compute LayersSize")
    return size


def listed(answer: JsonObject, old: str, new: str) -> list[JsonObject]:
    """The items of one kind. Raises Declined where the answer does not speak of that kind at all."""
    section = answer.record(new)
    # Without verbose=1 the new shape counts and does not list.
    if section.fields.get("Items") is not None or (
        isinstance(answer.fields.get(new), dict) and not section.fields.get("TotalCount")
    ):
        return section.records("Items", f"/system/df {new}")
    if old in answer.fields:
        return answer.records(old, f"/system/df {old}")
    raise Declined(Why.NOT_REPORTED, f"the engine's disk usage does not list {old}")


def container(item: JsonObject) -> ContainerUsage:
    """The sizes in a container's record that was asked for with sizes: there, a size of zero is left out.

    If both are left out, nothing shows that they were computed.
    """
    if "SizeRw" not in item.fields and "SizeRootFs" in item.fields:
        return ContainerUsage(Exact(0, item.origin), item.size("SizeRootFs"))
    if "SizeRootFs" not in item.fields and "SizeRw" in item.fields:
        return ContainerUsage(item.size("SizeRw"), Exact(0, item.origin))
    return ContainerUsage(item.size("SizeRw"), item.size("SizeRootFs"))


def image_id(item: JsonObject) -> ImageId:
    """Podman's disk usage leaves out the algorithm."""
    text = item.text("Id")
    return ImageId(text if ":" in text else f"sha256:{text}")


# The key really has a leading space from 23 to 29; API ≤ 1.41 names one parent.
_PARENTS = (" Parents", "Parents")
_PARENT = "Parent"


def build_cache(answer: JsonObject) -> tuple[BuildRecord, ...]:
    """BuildKit's records. Sizes of shared records are bytes that an image holds as well."""
    return tuple(
        BuildRecord(
            id=item.text("ID"),
            kind=item.text_or_empty("Type"),
            description=item.text_or_empty("Description"),
            in_use=item.flag("InUse"),
            shared=item.flag("Shared"),
            size=item.size("Size"),
            created_at=item.moment("CreatedAt"),
            last_used_at=item.moment("LastUsedAt"),
            usage_count=item.count("UsageCount"),
            parents=_parents(item),
        )
        for item in listed(answer, "BuildCache", "BuildCacheUsage")
    )


def _parents(item: JsonObject) -> tuple[str, ...]:
    for key in _PARENTS:
        if parents := item.texts(key):
            return parents
    parent = item.text_or_empty(_PARENT)
    return (parent,) if parent else ()


_ANONYMOUS_LABEL = "com.docker.volume.anonymous"
_GENERATED_NAME = re.compile(r"[0-9a-f]{64}\Z")


def volumes(body: bytes, origin: Origin) -> tuple[Volume, ...]:
    """The list. Sizes and references come with another question, which costs a walk through every file in them."""
    later = Unavailable(Why.NOT_ASKED, "the engine was not asked to measure it", origin)
    found = []
    answer = top(body, "/volumes", origin)
    if "Volumes" not in answer.fields:
        raise Malformed("/volumes without Volumes")
    for item in answer.records("Volumes", "/volumes"):
        name, labels = item.text("Name"), item.mapping("Labels")
        found.append(
            Volume(
                name=name,
                driver=item.text_or_empty("Driver"),
                mountpoint=item.text_or_empty("Mountpoint"),
                labels=labels,
                options=item.mapping("Options"),
                created_at=item.moment("CreatedAt"),
                # The label came with Docker 23; before it, only the generated name tells.
                anonymous=_ANONYMOUS_LABEL in labels or _GENERATED_NAME.match(name) is not None,
                size=later,
                references=later,
            )
        )
    return tuple(found)


def with_usage(
    listed: tuple[Volume, ...], usage: Reading[Mapping[str, VolumeUsage]], origin: Origin
) -> tuple[Volume, ...]:
    """The same volumes with what /system/df measured, or with the reason why it did not."""
    absent = Unavailable(Why.NOT_REPORTED, "the engine measures no volume of another driver or with options", origin)
    return completed(listed, usage, lambda item: item.name, absent, _measured)


def _measured(item: Volume, got: VolumeUsage | Unavailable) -> Volume:
    if isinstance(got, Unavailable):
        return replace(item, size=got, references=got)
    return replace(item, size=got.size, references=got.references)


def completed(
    listed: tuple[T, ...],
    usage: Reading[Mapping[K, U]],
    key: Callable[[T], K],
    absent: Unavailable,
    fill: Callable[[T, U | Unavailable], T],
) -> tuple[T, ...]:
    """Each thing filled with what was measured of it, or with why not; `absent`: the engine measured others alone."""
    if isinstance(usage, Unavailable):
        return tuple(fill(item, usage) for item in listed)
    return tuple(fill(item, usage.value.get(key(item), absent)) for item in listed)
