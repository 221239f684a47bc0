"""Repositories that are rebuilt again and again, what that leaves behind, and whose each untagged image is. Pure.

An untagged image is told, in this order, by the digest that the engine kept, the tag that an earlier run saw on it, an
event of the engine, and last the layers that it shares with one repository's images and with no other's.

A build is an image id that came under a tag: seen as a tag that moved between two runs, as an event of the engine, or
by its creation time. The same id is counted once, whatever showed it; builds that nothing shows are not guessed at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from collectors.forecast.view import BuildStep, busting_step
from collectors.journal import Journal
from collectors.journal.encoding import short_id
from collectors.model import ImageId, dataclass
from collectors.model.engine import Image, TagEvent, repository_of
from collectors.model.reading import AtLeast, Between, Exact, Origin, Size, total
from collectors.model.report import RepositoryChurn


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
    named = {short_id(image.id): by_name for image in images if (by_name := _by_name(image)) is not None}
    found |= named
    return found | _by_layers(images, found)


def _by_name(image: Image) -> Attribution | None:
    """What the engine itself says."""
    if image.tags:
        return Attribution(repository_of(image.tags[0]), By.TAG)
    name = next(iter(image.digests), "<none>")
    return None if name.startswith("<none>") else Attribution(repository_of(name), By.DIGEST)


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


__all__ = ["TagEvent", "churn", "moves", "rebuilt"]

DAY = timedelta(days=1)
_FEWEST = 2


def churn(
    journal: Journal,
    images: Iterable[Image],
    *,
    now: datetime,
    since: datetime | None = None,
    events: Iterable[TagEvent] = (),
    freed: Callable[[frozenset[ImageId]], Size] | None = None,
    histories: Mapping[ImageId, Sequence[BuildStep]] | None = None,
) -> tuple[RepositoryChurn, ...]:
    """Repositories built at least twice since `since` (a day ago, if not given), or that left dangling images.

    `freed` says what removing exactly these images frees; without it the engine's sizes bound it. Most built first.
    """
    known, begin = tuple(images), since or now - DAY
    owners, built = _seen(journal, known, events, begin, now)
    dangling = _untagged(known, owners)
    found = []
    for repository in sorted(built.keys() | dangling.keys()):
        left = dangling.get(repository, [])
        ids = built.get(repository, set())
        if len(ids) < _FEWEST and not left:
            continue
        own = [image for image in known if _repository(owners, image) == repository]
        found.append(
            RepositoryChurn(
                repository,
                len(ids),
                begin,
                len(left),
                _bytes(left, freed, now),
                busting_step([image for image in own if short_id(image.id) in ids], histories or {}),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.rebuilds, -one.dangling_images, one.repository)))


def _untagged(images: Iterable[Image], owners: Mapping[str, Attribution]) -> Mapping[str, list[Image]]:
    """By the repository that they came from, "" for those that nothing tells of."""
    found: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        if not image.tags:
            found[_repository(owners, image)].append(image)
    return found


def rebuilt(
    journal: Journal,
    images: Iterable[Image],
    *,
    now: datetime,
    since: datetime | None = None,
    events: Iterable[TagEvent] = (),
) -> tuple[tuple[Image, ...], ...]:
    """The builds since `since` (a day ago) that are still there, newest first, for each repository with two or more.

    These are the images whose histories tell which step was made anew.
    """
    known = tuple(images)
    owners, built = _seen(journal, known, events, since or now - DAY, now)
    there: dict[str, list[tuple[datetime, Image]]] = defaultdict(list)
    for image in known:
        repository = _repository(owners, image)
        if isinstance(image.created_at, Exact) and short_id(image.id) in built.get(repository, ()):
            there[repository].append((image.created_at.value, image))
    ordered = (sorted(own, key=lambda build: build[0], reverse=True) for own in there.values() if len(own) >= _FEWEST)
    return tuple(tuple(image for _, image in own) for own in ordered)


def moves(journal: Journal) -> tuple[tuple[datetime, str, str, str], ...]:
    """Each tag that came to another image between two runs: when it was seen, tag, old id, new id (16 digits)."""
    told = [record for record in journal.records if record.tags is not None]
    return tuple(
        (later.at, tag, earlier.tags[tag], image_id)
        for earlier, later in pairwise(told)
        if earlier.tags is not None and later.tags is not None and earlier.tags is not later.tags
        for tag, image_id in later.tags.items()
        if earlier.tags.get(tag, image_id) != image_id
    )


def _seen(
    journal: Journal, images: Sequence[Image], events: Iterable[TagEvent], begin: datetime, now: datetime
) -> tuple[Mapping[str, Attribution], Mapping[str, set[str]]]:
    """Whose each image is, and what was built of each repository between `begin` and `now`."""
    given = tuple(event for event in events if event.at <= now)
    owners = attribute(journal, images, [(event.tag, event.image_id) for event in given])
    return owners, _built(journal, images, given, owners, begin, now)


def _built(
    journal: Journal,
    images: Sequence[Image],
    events: Sequence[TagEvent],
    owners: Mapping[str, Attribution],
    begin: datetime,
    now: datetime,
) -> dict[str, set[str]]:
    """The ids that came under each repository's tags between `begin` and `now`."""
    built: dict[str, set[str]] = defaultdict(set)
    for at, tag, _, image_id in moves(journal):
        if begin <= at <= now:
            built[repository_of(tag)].add(image_id)
    for event in events:
        if begin <= event.at:
            built[repository_of(event.tag)].add(short_id(event.image_id))
    for image in images:
        made = image.created_at
        if isinstance(made, Exact) and begin <= made.value <= now and (repository := _repository(owners, image)):
            built[repository].add(short_id(image.id))
    return built


def _repository(owners: Mapping[str, Attribution], image: Image) -> str:
    owner = owners.get(short_id(image.id))
    return owner.repository if owner else ""


def _bytes(images: Sequence[Image], freed: Callable[[frozenset[ImageId]], Size] | None, now: datetime) -> Size:
    if freed is not None:
        return freed(frozenset(image.id for image in images))
    origin = Origin("history", "sizes by the engine", now, 0.0)
    return total([_unique(image, origin) for image in images], origin)


def _unique(image: Image, origin: Origin) -> Size:
    """What an image holds alone is freed for certain; what it shares with others that go, perhaps."""
    size, shared = image.size, image.shared
    if isinstance(size, Exact) and isinstance(shared, Exact):
        alone = max(0, size.value - shared.value)
        if alone == size.value:
            return size
        return Between(alone, alone, size.value, 1.0, "shared layers are freed with their last image", origin)
    if isinstance(size, Exact):
        return Between(size.value, 0, size.value, 1.0, "shared layers are not known", origin)
    return size if not isinstance(size, AtLeast) else AtLeast(0, size.missing, origin)
