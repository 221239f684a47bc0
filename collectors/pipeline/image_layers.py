"""The layers of one image: which instruction made each, what it holds, what later layers waste of it, who shares it.

    look = LayerLook(snapshot, endpoint, image)
    look.run(on_layers)      # in a thread of its own; ends by itself or with stop()

Tells first what the scan knows, then what the engine says of the image's history, then what is wasted. Two ways lead to
the last: where a layer is a directory of changes, a child walks them one over the other; where each layer is the whole
image so far (subvolumes, copies), what a layer holds and the last one does not is wasted. Read-only.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from collectors.engine.endpoint import Endpoint
from collectors.engine.past import Past
from collectors.forecast.build_steps import build_steps
from collectors.ledger.inside import LAYERS
from collectors.model.engine import HistoryStep
from collectors.model.owner import ImageId, Owner, OwnerKind, UnitId
from collectors.model.reading import Exact, Reading
from collectors.model.records import dataclass
from collectors.model.snapshot import Snapshot
from collectors.model.store import Store, Unit
from collectors.pipeline.browse import FilePlace, places
from collectors.system.deadline import Declined
from collectors.system.killable import Asking, check
from collectors.system.mount_table import within

_HISTORY_S = 5.0
_ASKED, _COUNTING = "asking the engine …", "counting …"


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """One layer. A count that is None is not known, `step` "" likewise; `sharers` hold this layer too.

    `bytes` are those that come with this layer and no earlier one holds.
    """

    place: FilePlace | None  # None: it has no directory of its own
    bytes: int | None
    wasted_bytes: int | None
    step: str
    sharers: tuple[Owner, ...]


@dataclass(frozen=True, slots=True)
class ImageLayers:
    """Base first. The reasons say why steps or wasted bytes are not there; "" where they are."""

    layers: tuple[ImageLayer, ...]
    steps_reason: str
    wasted_reason: str


class LayerLook:
    """One look at one image, as the last scan saw it."""

    def __init__(self, snapshot: Snapshot, endpoint: Endpoint, image: ImageId) -> None:
        self._endpoint, self._image = endpoint, image
        self._owner = Owner(OwnerKind.IMAGE, image)
        self._store = snapshot.store.value if isinstance(snapshot.store, Exact) else None
        self._units = _units_of(self._store, image)
        self._steps = {self._owner, *_build_steps(self._store)}
        self._shares = _shares(snapshot)
        self._places = {place.path: place for place in places(snapshot, self._owner)}
        self._stopped = False
        self._asking: Asking | None = None

    @property
    def is_empty(self) -> bool:
        """Are no layers of this image known here?"""
        return not self._units

    def run(self, on_layers: Callable[[ImageLayers], object]) -> None:
        """Tell what is known, again whenever more is. Never raises."""
        found = ImageLayers(tuple(self._layers()), _ASKED, _COUNTING if self._stacked else "")
        on_layers(found)
        found = self._with_steps(found)
        on_layers(found)
        if self._stacked and not self._stopped:
            on_layers(self._with_hidden(found))

    def stop(self) -> None:
        """Nobody looks any more."""
        self._stopped = True
        if self._asking is not None:
            self._asking.kill()

    @property
    def _stacked(self) -> bool:
        """Is a layer a directory with its changes alone?"""
        return self._store is not None and self._store.driver_facts.contents != ""

    def _layers(self) -> Iterator[ImageLayer]:
        ids = [unit.id if unit is not None else None for unit in self._units]
        held, wasted = _held(ids, self._shares)
        for at, unit in enumerate(self._units):
            known = unit is not None and unit.id in self._shares.held
            others = unit.owners - self._steps if unit is not None else ()
            yield ImageLayer(
                place=self._place(unit),
                bytes=held[at] if known else None,
                wasted_bytes=wasted[at] if known and not self._stacked else None,
                step="",
                sharers=tuple(sorted(one for one in others if one.kind in (OwnerKind.IMAGE, OwnerKind.BUILD))),
            )

    def _place(self, unit: Unit | None) -> FilePlace | None:
        if unit is None:
            return None
        return next((place for path, place in self._places.items() if within(path, unit.path)), None)

    # Which instruction made it.

    def _with_steps(self, found: ImageLayers) -> ImageLayers:
        with Past(self._endpoint, deadline_s=_HISTORY_S) as past:
            told = past.histories([self._image])[self._image]
        steps, reason = _steps(told, len(found.layers))
        layers = (replace(layer, step=step) for layer, step in zip(found.layers, steps, strict=True))
        return replace(found, layers=tuple(layers), steps_reason=reason)

    # What later layers hide.

    def _with_hidden(self, found: ImageLayers) -> ImageLayers:
        if any(layer.place is None for layer in found.layers):
            return replace(found, wasted_reason="not every layer has a directory of its own")
        paths = [os.fsencode(layer.place.path) for layer in found.layers if layer.place is not None]
        wasted: dict[int, int] = {}
        reason = ""
        try:
            with Asking(f"layers of {self._image}", float("inf")) as self._asking:
                self._asking.start({"task": "stack", "layers": paths})
                for _, frame in self._asking.frames():
                    check(frame)
                    reason = _take(frame, wasted) or reason
        except (OSError, Declined, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
        layers = (replace(layer, wasted_bytes=wasted.get(at)) for at, layer in enumerate(found.layers))
        return replace(found, layers=tuple(layers), wasted_reason=reason)


def _take(frame: tuple[Any, ...], wasted: dict[int, int]) -> str:
    """Note a frame; why a layer could not be read, "" where it could."""
    match frame:
        case ("wasted", int(place), int(count), int(_)):
            wasted[place] = count
        case ("unread", int(_), str(reason)):
            return reason
    return ""


def _units_of(store: Store | None, image: ImageId) -> tuple[Unit | None, ...]:
    """The unit of each layer of the image, base first; None where a layer has none. () where the image is not known."""
    if store is None or not (isinstance(store.images, Exact) and isinstance(store.layers, Exact)):
        return ()
    chain = next((one.chain for one in store.images.value if one.id == image), ())
    named = {one.name: one for one in store.units.value if one.kind in LAYERS} if isinstance(store.units, Exact) else {}
    folder = {layer.chain_id: str(layer.cache_id) for layer in store.layers.value}
    return tuple(named.get(folder.get(one, "")) for one in chain)


def _build_steps(store: Store | None) -> Iterator[Owner]:
    """The untagged images that an old builder leaves of each step: nobody knows them as images."""
    images = store.images.value if store is not None and isinstance(store.images, Exact) else ()
    parents = {one.parent for one in images}
    for one in images:
        if one.id in parents and not one.tags:
            yield Owner(OwnerKind.IMAGE, one.id)


@dataclass(frozen=True, slots=True)
class _Shares:
    """Bytes by the set of units that hold them, of all filesystems; `held` are the units that were measured."""

    bytes_of: Mapping[frozenset[UnitId], int]
    held: frozenset[UnitId]


def _shares(snapshot: Snapshot) -> _Shares:
    found: Counter[frozenset[UnitId]] = Counter()
    held: set[UnitId] = set()
    for study in snapshot.studies:
        if isinstance(study.occupancy, Exact):
            held |= study.occupancy.value.usages.keys()
            for share in study.occupancy.value.shares:
                found[share.holders] += share.bytes
    return _Shares(found, frozenset(held))


def _held(chain: Sequence[UnitId | None], shares: _Shares) -> tuple[list[int], list[int]]:
    """What comes with each layer of `chain`, and how much of that the last one does not hold any more."""
    place = {unit: at for at, unit in reversed(list(enumerate(chain))) if unit is not None}
    last = len(chain) - 1
    held, wasted = [0] * len(chain), [0] * len(chain)
    for holders, count in shares.bytes_of.items():
        own = [place[unit] for unit in holders if unit in place]
        if own:
            held[min(own)] += count
            wasted[min(own)] += count if last not in own else 0
    return held, wasted


def _steps(told: Reading[tuple[HistoryStep, ...]], layers_count: int) -> tuple[Sequence[str], str]:
    """The instruction of each layer, base first; else nothing of each, and why."""
    unknown = [""] * layers_count
    if not isinstance(told, Exact):
        return unknown, told.detail or "the engine does not tell"
    steps = build_steps(told.value, layers_count)
    if not steps and layers_count:
        return unknown, f"the history of {len(told.value)} steps does not tell which made the {layers_count} layers"
    return [step.instruction for step in steps], ""
