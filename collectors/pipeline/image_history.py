"""How images came about: the builds that the engine remembers, and the layers of one image with what made each.

Builds are asked for after everything else and only where they can explain something: a run on a host without dangling
images and without moved tags asks nothing. Refuses to take more than a few seconds: what was not answered by then is
said in coverage, and churn goes by the journal and the images' dates alone.

Of a layer: which instruction made it, what it holds, what later layers waste of it, who shares it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, islice, zip_longest
from typing import Any

from collectors.engine import Past
from collectors.engine.endpoint import Endpoint
from collectors.forecast.churn import DAY, attribute, moves, rebuilt
from collectors.forecast.view import build_steps
from collectors.inventory import Request, filesystem
from collectors.journal import Journal
from collectors.journal.encoding import short_id
from collectors.ledger.inside import LAYERS
from collectors.model import ImageId, Owner, OwnerKind, UnitId, dataclass
from collectors.model.engine import HistoryStep, Image, TagEvent
from collectors.model.reading import Exact, Origin, Reading, Unavailable
from collectors.model.snapshot import Snapshot, SourceReport
from collectors.model.store import Store, Unit
from collectors.pipeline.browse import FilePlace, places
from collectors.system.deadline import Declined
from collectors.system.killable import Asking, check
from collectors.system.mount_table import within

# Enough to see the pattern of a dozen repositories; each is one request.
_HISTORIES = 60
_LONGEST_S = 5.0
# Judging and printing need a moment of the deadline too.
_KEEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Builds:
    """`events` are the tags given since a day ago, `histories` the steps of each rebuilt image, base first."""

    events: tuple[TagEvent, ...]
    histories: Mapping[ImageId, tuple[HistoryStep, ...]]
    reports: tuple[SourceReport, ...]


NOTHING = Builds((), {}, ())


def recollect(journal: Journal | None, snapshot: Snapshot, request: Request) -> Builds:
    """Ask the engine, within what is left of the deadline. Never raises."""
    images = snapshot.engine.images
    now = datetime.now(UTC)
    if journal is None or isinstance(images, Unavailable) or not _worth_asking(journal, images.value, now):
        return NOTHING
    left_s = request.deadline_s - (now - snapshot.began_at).total_seconds() - _KEEP_S
    with Past(request.endpoint, deadline_s=min(_LONGEST_S, left_s)) as past:
        given = past.tags_given(since=now - DAY)
        events = given.value if isinstance(given, Exact) else ()
        chosen = _chosen(rebuilt(journal, images.value, now=now, events=events))
        began = time.monotonic()
        told = past.histories(chosen)
        took_s = time.monotonic() - began
    histories = {image: reading.value for image, reading in told.items() if isinstance(reading, Exact)}
    reports = [filesystem.line("engine: events", given)]
    if told:
        reports.append(_line(told.values(), took_s))
    return Builds(events, histories, tuple(reports))


def repositories(journal: Journal | None, snapshot: Snapshot, builds: Builds) -> Mapping[ImageId, str]:
    """The repository of each image, old ones that lost their tag included, as far as anything tells."""
    images = snapshot.engine.images
    if isinstance(images, Unavailable):
        return {}
    events = [(event.tag, event.image_id) for event in builds.events]
    known = attribute(journal or Journal((), (), 0, 0), images.value, events)
    return {image.id: known[short_id(image.id)].repository for image in images.value if short_id(image.id) in known}


def _worth_asking(journal: Journal, images: Sequence[Image], now: datetime) -> bool:
    """Are there dangling images, or did a tag move between two runs of a day or since the last one?"""
    if any(not image.tags for image in images) or any(now - DAY <= at for at, *_ in moves(journal)):
        return True
    last = next((record.tags for record in reversed(journal.records) if record.tags is not None), {})
    tags = ((tag, short_id(image.id)) for image in images for tag in image.tags)
    return any(last.get(tag, image) != image for tag, image in tags)


def _chosen(repositories: Iterable[Sequence[Image]]) -> list[ImageId]:
    """The newest builds of each repository in turn, so that one that is rebuilt all day leaves room for the others."""
    rounds = chain.from_iterable(zip_longest(*repositories))
    return [image.id for image in islice((one for one in rounds if one is not None), _HISTORIES)]


def _line(told: Iterable[Reading[object]], took_s: float) -> SourceReport:
    readings = tuple(told)
    gaps = filesystem.missing(*readings)
    origin = Origin("engine.history", "GET /images/{id}/history", datetime.now(UTC), took_s)
    if len(gaps) == len(readings):
        return filesystem.line("engine: image histories", gaps[0])
    return filesystem.line("engine: image histories", Exact(None, origin), gaps)


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
