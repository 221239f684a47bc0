"""What the engine remembers of builds, asked after everything else and only where it can explain something.

A run on a host without dangling images and without moved tags asks nothing. Refuses to take more than a few seconds:
what was not answered by then is said in coverage, and churn goes by the journal and the images' dates alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice, zip_longest

from collectors.engine.past import Past
from collectors.forecast.churn import DAY, attribute, moves, rebuilt
from collectors.inventory import Request, coverage
from collectors.journal import Journal
from collectors.journal.encoding import short_id
from collectors.model.engine import HistoryStep, Image, TagEvent
from collectors.model.owner import ImageId
from collectors.model.reading import Exact, Origin, Reading, Unavailable
from collectors.model.records import dataclass
from collectors.model.snapshot import Snapshot, SourceReport

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
    reports = [coverage.line("engine: events", given)]
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
    gaps = coverage.missing(*readings)
    origin = Origin("engine.history", "GET /images/{id}/history", datetime.now(UTC), took_s)
    if len(gaps) == len(readings):
        return coverage.line("engine: image histories", gaps[0])
    return coverage.line("engine: image histories", Exact(None, origin), gaps)
