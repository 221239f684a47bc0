"""What one engine is asked, by which request in its dialect, and how the answers make up the parts of a view.

/version, /info, the lists of images, containers and volumes; disk usage by kind, or once as a whole where the engine
knows no kinds (before API 1.42, and Podman); and one inspection for each container and image. Every answer is a
reading; none outlives the session's deadline.

A part comes first as its list, then with what completes it; the last one of a kind stands. Lists, sizes and inspections
of one part are asked side by side, so that a slow measurement costs no more than its own figures.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from collectors.engine import locality
from collectors.engine.decode import JsonObject, objects, usage
from collectors.engine.reply import UsageKind
from collectors.engine.session import GRACE_S, PATIENCE_S, Answer, Query, Session, each, said
from collectors.model import ContainerId, DiffId, ImageId
from collectors.model.engine import BuildRecord, Container, Engine, Image, Volume
from collectors.model.reading import Reading, Size, Unavailable, Why
from collectors.system.deadline import Declined, Host, attempt, read

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
        def decoded(answer: Answer) -> Engine:
            engine = objects.decode_engine(answer.body, self._hello, answer.origin)
            return replace(engine, address=self.session.endpoint.told)

        return self._ask("engine.info", "/info", (), decoded)

    def images(self) -> Reading[tuple[Image, ...]]:
        return self._ask("engine.images", "/images/json", (), lambda answer: objects.images(answer.body, answer.origin))

    def containers(self) -> Reading[tuple[Container, ...]]:
        return self._ask(
            "engine.containers",
            "/containers/json",
            _ALL,
            lambda answer: objects.containers(answer.body, answer.origin),
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
            lambda answer: objects.sizes(answer.body, answer.origin),
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
            return objects.inspected(listed[container], answer.body, answer.origin)

        found = each(list(listed), inspect, self.session, source=source, call=call)
        return tuple(
            objects.not_inspected(listed[container], got) if isinstance(got, Unavailable) else got
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


class Part(StrEnum):
    """The parts of a view, by the names of its fields."""

    ENGINE = "engine"
    LOCAL = "local"
    IMAGES = "images"
    CONTAINERS = "containers"
    VOLUMES = "volumes"
    BUILD_CACHE = "build_cache"
    LAYERS_SIZE = "layers_size"


Piece: TypeAlias = tuple[Part, Reading[Any] | Size]
ListedContainers: TypeAlias = "Future[Reading[tuple[Container, ...]]]"


def of_engine(
    ask: Questions,
    host: Host,
    listed: ListedContainers,
    known: Callable[[Reading[Engine], Reading[bool]], None],
) -> Iterator[Piece]:
    """`known` is told both before the second is delivered."""
    engine = ask.engine()
    yield Part.ENGINE, engine
    local = engine if isinstance(engine, Unavailable) else _local(ask, host, engine.value, listed)
    known(engine, local)
    yield Part.LOCAL, local


def of_images(ask: Questions, *, inspect: bool) -> Iterator[Piece]:
    measured = soon("engine image sizes", ask.image_usage)
    listed = ask.images()
    yield Part.IMAGES, listed
    if isinstance(listed, Unavailable):
        return
    found = listed.value
    layers = soon("engine image layers", lambda: ask.layers(listed.value)) if inspect else None
    pending: list[Future[Any]] = [measured] if layers is None else [measured, layers]
    for done in as_completed(pending):
        if layers is not None and done is layers:
            found = objects.with_layers(found, layers.result())
        else:
            found = objects.images_with_usage(found, measured.result(), listed.origin)
        yield Part.IMAGES, replace(listed, value=found)


def of_containers(ask: Questions, listed_to: ListedContainers, *, inspect: bool) -> Iterator[Piece]:
    measured = soon("engine container sizes", ask.container_usage)
    listed = ask.containers()
    listed_to.set_result(listed)
    yield Part.CONTAINERS, listed
    if isinstance(listed, Unavailable):
        return
    found = listed.value
    inspected = soon("engine inspections", lambda: ask.inspected(listed.value)) if inspect else None
    pending: list[Future[Any]] = [measured] if inspected is None else [measured, inspected]
    for done in as_completed(pending):
        if inspected is not None and done is inspected:
            found = inspected.result()
        if measured.done():
            found = objects.containers_with_usage(found, measured.result(), listed.origin)
        yield Part.CONTAINERS, replace(listed, value=found)


def of_volumes(ask: Questions, sizes_wanted: Future[bool]) -> Iterator[Piece]:
    listed = ask.volumes()
    yield Part.VOLUMES, listed
    with suppress(TimeoutError):
        if not isinstance(listed, Unavailable) and sizes_wanted.result(max(0.0, ask.session.left_s)):
            measured = ask.volume_usage()
            yield Part.VOLUMES, replace(listed, value=usage.with_usage(listed.value, measured, listed.origin))


def of_build_cache(ask: Questions) -> Iterator[Piece]:
    yield Part.BUILD_CACHE, ask.build_cache()


def of_layers_size(ask: Questions) -> Iterator[Piece]:
    yield Part.LAYERS_SIZE, ask.layers_size()


def soon(name: str, work: Callable[[], T]) -> Future[T]:
    """`work` in a thread that no exit waits for (those of concurrent.futures' own pools are waited for)."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever takes the result
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def _local(ask: Questions, host: Host, engine: Engine, listed: ListedContainers) -> Reading[bool]:
    def ids() -> Collection[ContainerId]:
        reading = listed.result(max(0.0, ask.session.left_s) + GRACE_S)
        if isinstance(reading, Unavailable):
            raise Declined(reading.why, reading.detail)
        return {container.id for container in reading.value}

    return read(
        "engine.local",
        f"engine-id in {engine.root}",
        lambda: locality.is_local(ask.session.endpoint, host, engine, ids),
        timeout_s=max(0.0, ask.session.left_s) + GRACE_S,
    )
