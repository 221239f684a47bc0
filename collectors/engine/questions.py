"""What one engine is asked, and by which request in its dialect. Refuses to say when, and what to make of it.

/version, /info, the lists of images, containers and volumes; disk usage by kind, or once as a whole where the engine
knows no kinds (before API 1.42, and Podman); and one inspection for each container and image. Every answer is a
reading; none outlives the session's deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from collectors.engine.decode import JsonObject, containers, objects, usage
from collectors.engine.reply import UsageKind
from collectors.engine.session import GRACE_S, PATIENCE_S, Answer, Query, Session, each, said
from collectors.model.engine import BuildRecord, Container, Engine, Image, Volume
from collectors.model.owner import ContainerId, DiffId, ImageId
from collectors.model.reading import Reading, Size, Unavailable, Why
from collectors.system.deadline import Declined, attempt, read

T = TypeVar("T")

_ALL = (("all", "1"),)
_ALL_WITH_SIZES = (("all", "1"), ("size", "1"))


def greet(session: Session) -> Reading[objects.Greeting]:
    """GET /version: who is there, and what do both sides understand?

    Opening the line may hang where no deadline reaches (a name server, an ssh handshake), hence the bounded read.
    """

    def ask() -> objects.Greeting:
        if session.endpoint.problem:
            raise Declined(Why.NOT_REACHABLE, session.endpoint.problem)
        answer = session.get("/version", source="engine.version", api=None)
        return objects.greeting(answer.body, answer.origin)

    call = f"GET /version at {session.endpoint.url or session.endpoint.source}"
    return read("engine.version", call, ask, timeout_s=max(0.0, session.left_s) + GRACE_S)


class Questions:
    """All questions but the first. Safe to ask from several threads."""

    def __init__(self, session: Session, hello: objects.Greeting) -> None:
        self.session = session
        self._hello = hello
        self._dialect = hello.dialect
        self._usage_locks = {kind: threading.Lock() for kind in (*UsageKind, None)}
        self._usage: dict[UsageKind | None, Reading[JsonObject]] = {}

    def engine(self) -> Reading[Engine]:
        return self._ask(
            "engine.info", "/info", (), lambda answer: objects.decode_engine(answer.body, self._hello, answer.origin)
        )

    def images(self) -> Reading[tuple[Image, ...]]:
        return self._ask("engine.images", "/images/json", (), lambda answer: objects.images(answer.body, answer.origin))

    def containers(self) -> Reading[tuple[Container, ...]]:
        return self._ask(
            "engine.containers",
            "/containers/json",
            _ALL,
            lambda answer: containers.containers(answer.body, answer.origin),
        )

    def volumes(self) -> Reading[tuple[Volume, ...]]:
        return self._ask("engine.volumes", "/volumes", (), lambda answer: usage.volumes(answer.body, answer.origin))

    def image_usage(self) -> Reading[Mapping[ImageId, usage.ImageUsage]]:
        return self._measured(UsageKind.IMAGE, usage.images)

    def layers_size(self) -> Size:
        measured = self._measured(UsageKind.IMAGE, usage.layers_size)
        return measured if isinstance(measured, Unavailable) else measured.value

    def container_usage(self) -> Reading[Mapping[ContainerId, usage.ContainerUsage]]:
        if self._dialect.usage_by_type:
            return self._measured(UsageKind.CONTAINER, usage.containers)
        # The whole disk usage would tell as well, but only after every volume has been walked.
        return self._ask(
            "engine.containers",
            "/containers/json",
            _ALL_WITH_SIZES,
            lambda answer: containers.sizes(answer.body, answer.origin),
        )

    def volume_usage(self) -> Reading[Mapping[str, usage.VolumeUsage]]:
        return self._measured(UsageKind.VOLUME, usage.volume_usages)

    def build_cache(self) -> Reading[tuple[BuildRecord, ...]]:
        return self._measured(UsageKind.BUILD_CACHE, usage.build_cache)

    def layers(self, of: Sequence[Image]) -> Mapping[ImageId, Reading[tuple[DiffId, ...]]]:
        """The layers of each image, by one inspection each."""
        source, call = "engine.images", "GET /images/{id}/json"

        def inspect(image: ImageId) -> Reading[tuple[DiffId, ...]]:
            answer = self._inspect(source, f"/images/{image}/json", call)
            return objects.diff_ids(answer.body, answer.origin)

        return each([image.id for image in of], inspect, self.session, source=source, call=call)

    def inspected(self, of: Sequence[Container]) -> tuple[Container, ...]:
        """The same containers, each completed by one inspection or by the reason why there is none."""
        source, call = "engine.containers", "GET /containers/{id}/json"
        listed = {container.id: container for container in of}

        def inspect(container: ContainerId) -> Container:
            answer = self._inspect(source, f"/containers/{container}/json", call)
            return containers.inspected(listed[container], answer.body, answer.origin)

        found = each(list(listed), inspect, self.session, source=source, call=call)
        return tuple(
            containers.not_inspected(listed[container], got) if isinstance(got, Unavailable) else got
            for container, got in found.items()
        )

    def _measured(self, kind: UsageKind, decode: Callable[[JsonObject], T]) -> Reading[T]:
        """One kind of disk usage. Who comes second for the same answer waits for the first."""
        query = self._dialect.usage_query(kind)
        call = said("/system/df", query)
        asked = kind if query else None
        with self._usage_locks[asked]:
            if asked not in self._usage:
                self._usage[asked] = attempt("engine.df", call, lambda: self._usage_answer(query))
        answer = self._usage[asked]
        if isinstance(answer, Unavailable):
            return answer
        record = answer.value
        return attempt("engine.df", call, lambda: decode(record))

    def _usage_answer(self, query: Query) -> JsonObject:
        if not self._dialect.has_usage:
            raise Declined(Why.NOT_REPORTED, f"API {self._dialect.api} has no /system/df: it came with 1.25")
        answer = self.session.get("/system/df", query, source="engine.df", api=self._dialect.api)
        return usage.usage(answer.body, answer.origin)

    def _ask(self, source: str, path: str, query: Query, decode: Callable[[Answer], T]) -> Reading[T]:
        def ask() -> T:
            return decode(self.session.get(path, query, source=source, api=self._dialect.api))

        return attempt(source, said(path, query), ask)

    def _inspect(self, source: str, path: str, call: str) -> Answer:
        return self.session.get(path, source=source, api=self._dialect.api, call=call, patience_s=PATIENCE_S)
