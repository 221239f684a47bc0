"""GET /system/df: what the engine measured, whichever of its two shapes it came in. Pure.

The old shape has the lists `Images`, `Containers`, `Volumes` and `BuildCache`; the new one (API ≥ 1.52) objects
`ImageUsage` … with `Items`, in which a zero and an empty list are left out. An answer may hold both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collectors.engine.decode.fields import Record, top
from collectors.model.ids import ContainerId, ImageId
from collectors.model.reading import Exact, Origin, Reading, Size, Why
from collectors.system.deadline import Declined


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


def usage(body: bytes, origin: Origin) -> Record:
    """The whole answer, for the functions below: an engine that ignores `type` is asked once for all of them."""
    return top(body, "/system/df", origin)


def images(answer: Record) -> Mapping[ImageId, ImageUsage]:
    """What each image was measured at."""
    return {
        image_id(item): ImageUsage(item.size("Size"), item.size("SharedSize"), item.count("Containers"))
        for item in listed(answer, "Images", "ImageUsage")
    }


def containers(answer: Record) -> Mapping[ContainerId, ContainerUsage]:
    """What each container was measured at."""
    return {ContainerId(item.text("Id")): container(item) for item in listed(answer, "Containers", "ContainerUsage")}


def volumes(answer: Record) -> Mapping[str, VolumeUsage]:
    """What each volume was measured at; the engine leaves out those with options and those of other drivers."""
    found = {}
    for item in listed(answer, "Volumes", "VolumeUsage"):
        data = item.record("UsageData")
        found[item.text("Name")] = VolumeUsage(data.size("Size"), data.count("RefCount"))
    return found


def layers_size(answer: Record) -> Size:
    """Logical bytes of all image layers, by the engine's own rules, which differ between versions and stores."""
    size = answer.size("LayersSize")
    if "LayersSize" not in answer.fields and isinstance(answer.fields.get("ImageUsage"), dict):
        total = answer.record("ImageUsage")
        size = total.size("TotalSize") if "TotalSize" in total.fields else Exact(0, answer.origin)
    if isinstance(size, Exact) and size.value == 0 and listed(answer, "Images", "ImageUsage"):
        # Podman 4.3 says so whatever images there are.
        return answer.missing(Why.NOT_REPORTED, "the engine did not compute LayersSize")
    return size


def listed(answer: Record, old: str, new: str) -> list[Record]:
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


def container(item: Record) -> ContainerUsage:
    """The sizes in a container's record that was asked for with sizes: there, a size of zero is left out.

    If both are left out, nothing shows that they were computed.
    """
    if "SizeRw" not in item.fields and "SizeRootFs" in item.fields:
        return ContainerUsage(Exact(0, item.origin), item.size("SizeRootFs"))
    if "SizeRootFs" not in item.fields and "SizeRw" in item.fields:
        return ContainerUsage(item.size("SizeRw"), Exact(0, item.origin))
    return ContainerUsage(item.size("SizeRw"), item.size("SizeRootFs"))


def image_id(item: Record) -> ImageId:
    """Podman's disk usage leaves out the algorithm."""
    text = item.text("Id")
    return ImageId(text if ":" in text else f"sha256:{text}")
