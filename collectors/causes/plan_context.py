"""Everything that a plan is made from, with the few questions that several causes ask of it.

Among them what containers hold: images by id, by digest and by the name they were made from; volumes; logs. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, TypeVar

from collectors.model import Owner, dataclass
from collectors.model.engine import Container, EngineView, Image
from collectors.model.filesystem import FsSpace
from collectors.model.ledger import Books, Ledger
from collectors.model.plan import Finding
from collectors.model.reading import Exact, Origin
from collectors.model.settings import Rules
from collectors.model.snapshot import Facts, FilesystemStudy, Snapshot, facts_of
from collectors.model.store import ContainerLog, Unit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlanContext:
    """The arguments of `build_plan`, together."""

    snapshot: Snapshot
    ledger: Ledger
    books: Books
    findings: tuple[Finding, ...]
    rules: Rules
    last_used: Mapping[Owner, datetime]
    now: datetime
    _answers: dict[object, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def once(self, question: Callable[[PlanContext], T]) -> T:
        """What `question` answers about this context, worked out one time: several causes ask the same."""
        if question not in self._answers:
            self._answers[question] = question(self)
        answer: T = self._answers[question]
        return answer

    @property
    def engine(self) -> EngineView:
        return self.snapshot.engine

    @property
    def mountpoint(self) -> str:
        return self.ledger.filesystem.mount.mountpoint

    @property
    def space(self) -> FsSpace | None:
        space = self.ledger.filesystem.space
        return space.value if isinstance(space, Exact) else None

    @property
    def study(self) -> FilesystemStudy | None:
        """The study of the ledger's filesystem."""
        mine = self.ledger.filesystem.mount.device
        return next((s for s in self.snapshot.studies if s.filesystem.mount.device == mine), None)

    @property
    def of_root(self) -> bool:
        """Is it the Docker root's filesystem?"""
        return self.study is None or self.study is self.snapshot.studies[0]

    @property
    def elsewhere(self) -> frozenset[Owner]:
        """Who has files on another filesystem of the engine's and none on this one."""
        if self.study is None or len(self.snapshot.studies) == 1:
            return frozenset()
        others = (study for study in self.snapshot.studies if study is not self.study)
        away = frozenset(owner for study in others for unit in study.units for owner in unit.owners)
        here = (unit.owners for unit in self.study.units)
        return away.difference(*here, *(release.owners for release in self.books.releases))

    @property
    def units(self) -> tuple[Unit, ...]:
        return self.study.units if self.study else ()

    def facts(self, kind: type[Facts]) -> Facts | None:
        """What this kind of filesystem tells of itself; None on another, and where it could not be asked."""
        return facts_of(self.study.filesystem_facts if self.study else None, kind)

    @property
    def tool(self) -> str:
        """What a person types to speak with this engine."""
        return self.engine.tool

    def containers(self) -> tuple[Container, ...] | None:
        """None: they could not be listed, so nothing may be called unused."""
        return self.engine.containers.value if isinstance(self.engine.containers, Exact) else None

    def idle_s(self, owner: Owner, moments: Iterable[datetime | None]) -> float | None:
        """Seconds since the latest of `moments` and of what the journal knows; None where no moment is known.

        A moment in the future (another clock) makes the age 0, which keeps the thing.
        """
        known = [moment for moment in (*moments, self.last_used.get(owner)) if moment is not None]
        return max(0.0, (self.now - max(known)).total_seconds()) if known else None

    def findings_of(self, targets: Iterable[Owner], causes: tuple[str, ...]) -> tuple[Finding, ...]:
        """The findings that this helps against: those of these causes, then those that name a target."""
        named = self.once(_by_owner)
        asked = [finding for cause in causes for finding in self.findings if finding.rule == cause]
        about = sorted({place for target in targets for place in named.get(target, ())})
        return tuple({f.id: f for f in (*asked, *(self.findings[place] for place in about))}.values())

    def found(self, cause: str) -> Finding | None:
        """The finding of this cause, if there is one."""
        return next((finding for finding in self.findings if finding.rule == cause), None)

    def origin(self, of: str) -> Origin:
        """Of a figure that the plan makes."""
        return Origin("plan", of, self.snapshot.ended_at, 0.0)


def _by_owner(context: PlanContext) -> Mapping[Owner, list[int]]:
    """The places of the findings that name an owner."""
    named: defaultdict[Owner, list[int]] = defaultdict(list)
    for place, finding in enumerate(context.findings):
        for owner in finding.owners:
            named[owner].append(place)
    return named


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
    logs, listed = context.snapshot.logs, context.containers()
    if not isinstance(logs, Exact) or listed is None:
        return {}
    known = {container.id for container in listed}
    return {
        log.container_id: log
        for log in logs.value
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
