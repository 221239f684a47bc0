"""How the answers make up the parts of a view, and in which order a part comes: first its list, then what completes it.

Each function yields its parts as they get fuller; the last one of a kind stands. Lists, sizes and inspections of one
part are asked side by side, so that a slow measurement costs no more than its own figures.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, as_completed
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from collectors.engine import locality
from collectors.engine.decode import containers, objects, usage
from collectors.engine.questions import Questions
from collectors.engine.session import GRACE_S
from collectors.model.engine import Container, Engine
from collectors.model.owner import ContainerId
from collectors.model.reading import Reading, Size, Unavailable
from collectors.system.deadline import Declined, read
from collectors.system.host import Host

T = TypeVar("T")


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
            found = objects.with_usage(found, measured.result(), listed.origin)
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
            found = containers.with_usage(found, measured.result(), listed.origin)
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
