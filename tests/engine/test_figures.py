"""What is decoded, held against what each engine's own `docker system df` prints for the same answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from collectors.engine import endpoint, view
from collectors.model.engine import EngineView
from collectors.model.reading import Exact, Reading, Size, Unavailable, Why
from collectors.system.deadline import this_host
from tests.fakes.engine import engine, usage_reply
from tests.fakes.recordings import NAMES, recording
from tests.fakes.server import Action, Reply, Request

# SIZE and RECLAIMABLE by the formulas of the client: images up to 28 and from 29 on, containers, volumes, build cache.
# 29.8 computes most of them itself (`*Usage`): see the last test.
FIGURES: dict[str, tuple[int, ...]] = {
    "20.10.24-overlay2": (22953945, 16662485, 6291460, 17825792, 6291456, 40894464, 7340032, 34603411, 34603411),
    "26.1.5-btrfs": (22953784, 16662324, 6291460, 17825792, 6291456, 40894464, 7340032, 34603411, 34603411),
    "26.1.5-containerd": (93560832, 60952317, 16837065, 17846272, 6299648, 40894464, 7340032, 23114975, 23114975),
    "26.1.5-overlay2": (22953945, 16662485, 6291460, 17825792, 6291456, 40894464, 7340032, 34603411, 34603411),
    "28.5.2-vfs": (22953784, 16662324, 6291460, 17825792, 6291456, 40894464, 7340032, 34603411, 34603411),
    "29.8-containerd": (38798791, 26167757, 6315870, 17846272, 6299648, 40894464, 7340032, 23114978, 23114978),
    "29.8-overlay2": (22953945, 16662485, 6291460, 17825792, 6291456, 40894464, 7340032, 34603411, 34603411),
}
Shape: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]
PAIRS = (
    ("Images", "ImageUsage"),
    ("Containers", "ContainerUsage"),
    ("Volumes", "VolumeUsage"),
    ("BuildCache", "BuildCacheUsage"),
)


def as_recorded(usage: Mapping[str, Any]) -> dict[str, Any]:
    return dict(usage)


def in_the_old_shape(usage: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in usage.items() if not key.endswith("Usage")}
    for old, new in PAIRS:
        if old not in found and new in usage:
            found[old] = usage[new].get("Items", [])
    if "LayersSize" not in found:
        found["LayersSize"] = usage.get("ImageUsage", {}).get("TotalSize", 0)
    return found


def in_the_new_shape(usage: Mapping[str, Any]) -> dict[str, Any]:
    """As API 1.52 with verbose=1: objects only, in which zeros and empty lists are left out."""
    found: dict[str, Any] = {}
    for old, new in PAIRS:
        if new in usage:
            found[new] = usage[new]
        elif usage.get(old) is not None:
            full = {"TotalCount": len(usage[old]), "Items": usage[old]}
            if old == "Images":
                full["TotalSize"] = usage["LayersSize"]
            found[new] = {key: value for key, value in full.items() if value}
    return found


@pytest.mark.parametrize("shape", [as_recorded, in_the_old_shape, in_the_new_shape])
@pytest.mark.parametrize("name", FIGURES)
def test_the_figures_are_those_of_the_engines_own_disk_usage(name: str, shape: Shape) -> None:
    assert figures(look_at(name, shape)) == FIGURES[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_as_api_1_41_gives_the_same_figures(name: str) -> None:
    """Old clients are answered with other keys (VirtualSize, Parent, BuilderSize)."""
    replies = recording(name)
    old = {**replies["version"], "ApiVersion": "1.41"}
    with engine(name, version=old, df=replies["df_v141"]) as server:
        seen = view(endpoint(server.url, {}, Path("/nowhere")), this_host(), deadline_s=10)

    assert value(seen.engine).api_version == "1.41"
    if name in FIGURES:
        assert figures(seen) == FIGURES[name]


@pytest.mark.parametrize("shape", [as_recorded, in_the_old_shape, in_the_new_shape])
def test_podman_counts_what_it_counts_and_its_zero_for_all_layers_is_no_figure(shape: Shape) -> None:
    seen = look_at("podman-4.3.1", shape)

    assert isinstance(seen.layers_size, Unavailable)
    assert seen.layers_size.why is Why.NOT_REPORTED
    assert [value(image.size) for image in value(seen.images)] == [2008135, 2008135, 2008135, 2011882, 2011881]
    assert [value(image.shared) for image in value(seen.images)] == [0, 2008135, 0, 2008135, 2008135]
    assert [value(item.writable) for item in value(seen.containers)] == [12, 12]
    assert [value(item.size) for item in value(seen.volumes)] == [0]
    assert value(seen.build_cache) == ()


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("29.8")])
def test_the_totals_that_29_computes_itself_are_ours(name: str) -> None:
    own = recording(name)["df_verbose"]
    layers, _, images, containers, stopped, volumes, unused, _, cache = FIGURES[name]

    assert (layers, images) == (own["ImageUsage"]["TotalSize"], own["ImageUsage"]["Reclaimable"])
    assert (containers, stopped) == (own["ContainerUsage"]["TotalSize"], own["ContainerUsage"]["Reclaimable"])
    assert (volumes, unused) == (own["VolumeUsage"]["TotalSize"], own["VolumeUsage"]["Reclaimable"])
    assert cache == own["BuildCacheUsage"]["Reclaimable"]


def look_at(name: str, shape: Shape) -> EngineView:
    def usage(request: Request) -> Action:
        return Reply(json.dumps(shape(usage_reply(recording(name), dict(request.query)))).encode())

    with engine(name, {"/system/df": usage}) as server:
        return view(endpoint(server.url, {}, Path("/nowhere")), this_host(), deadline_s=10)


def figures(seen: EngineView) -> tuple[int, ...]:
    """The rows of `docker system df` from a view, by the client's formulas."""
    images, containers, cache = value(seen.images), value(seen.containers), value(seen.build_cache)
    # The engine measures no volume with options; neither does the client count one.
    volumes = [volume for volume in value(seen.volumes) if isinstance(volume.size, Exact)]
    unique = {image.id: value(image.size) - value(image.shared) for image in images}
    used = {image.id for image in images if value(image.containers) != 0}
    private = [record for record in cache if not record.shared]
    stopped = [item for item in containers if item.state not in ("running", "paused", "restarting")]
    layers = value(seen.layers_size)
    return (
        layers,
        layers - sum(bytes_ for image, bytes_ in unique.items() if image in used),
        sum(bytes_ for image, bytes_ in unique.items() if image not in used),
        sum(value(item.writable) for item in containers),
        sum(value(item.writable) for item in stopped),
        sum(value(volume.size) for volume in volumes),
        sum(value(volume.size) for volume in volumes if value(volume.references) == 0),
        sum(value(record.size) for record in private),
        sum(value(record.size) for record in private if not record.in_use),
    )


def value(reading: Reading[Any] | Size) -> Any:
    assert isinstance(reading, Exact), reading
    return reading.value
