"""The container engine: who it is, whether it runs on this machine, and what it says it keeps.

    where = endpoint(None, os.environ, Path.home())
    seen = view(where, this_host(), deadline_s=20)

Two ways lead to an engine, with one contract and the same tests: at a unix socket, as nearly always, the standard
library's HTTP (`connection.py`); over a network, with TLS or ssh, the Docker SDK (`network.py`). The SDK takes 90 ms
more to load, and 0.48 ms of the processor for a request instead of 0.07: a third of a run with nothing to walk anew.

Read-only. Importing this loads neither; the first request does. `view` never raises and returns within its deadline
(and a grace below one second), whatever the engine does; each part arrives or says why not.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any

from collectors.engine import questions
from collectors.engine.endpoint import Endpoint, endpoint
from collectors.engine.questions import ListedContainers, Part, Piece, Questions, greet
from collectors.engine.session import BODY_LIMIT_BYTES, GRACE_S, Session
from collectors.model.engine import Engine, EngineView
from collectors.model.reading import Reading, Size, Unavailable, Why
from collectors.system.deadline import Host, missing, reason

__all__ = ["Endpoint", "Part", "endpoint", "view"]

OnPart = Callable[[Part, Reading[Any] | Size], None]
WantsSizes = Callable[[Reading[Engine], Reading[bool]], bool]


def always(engine: Reading[Engine], local: Reading[bool]) -> bool:
    """Have the engine measure whatever it can."""
    return True


def view(
    endpoint: Endpoint,
    host: Host,
    *,
    deadline_s: float,
    volume_sizes: WantsSizes = always,
    inspect: bool = True,
    on_part: OnPart | None = None,
    body_limit_bytes: int = BODY_LIMIT_BYTES,
) -> EngineView:
    """Everything that the engine tells, within `deadline_s` seconds and a grace of less than one.

    `volume_sizes`: whether to have volumes measured (the slow part: the engine walks every file), asked in a thread as
    soon as it is known which engine this is and whether it runs here. `inspect`: ask for each container (log, process,
    writable layer, mounts) and each image (layers) by itself, a few at a time; what there was no time for is NOT_ASKED.
    `on_part` is called in this thread with each part as it arrives; a part whose list comes before its sizes comes
    again, fuller, and the last one is that of the returned view.
    """
    found: dict[Part, Any] = {}

    def arrived(part: Part, reading: Reading[Any] | Size) -> None:
        found[part] = reading
        if on_part is not None:
            on_part(part, reading)

    with Session(endpoint, deadline_s=deadline_s, body_limit_bytes=body_limit_bytes) as session:
        hello = greet(session)
        if isinstance(hello, Unavailable):
            for part in Part:
                arrived(part, hello)
        else:
            for part, reading in _side_by_side(
                session, _jobs(Questions(session, hello.value), host, volume_sizes, inspect)
            ):
                arrived(part, reading)
    late = missing(Why.TIMED_OUT, f"no answer in {deadline_s:.3g} s", "engine", endpoint.url)
    return EngineView(**{part.value: found.get(part, late) for part in Part})


def _jobs(
    ask: Questions, host: Host, volume_sizes: WantsSizes, inspect: bool
) -> dict[tuple[Part, ...], Iterator[Piece]]:
    """What is asked side by side, and which parts each job is to deliver."""
    listed: ListedContainers = Future()
    wanted: Future[bool] = Future()

    def decide(engine: Reading[Engine], local: Reading[bool]) -> None:
        wanted.set_result(volume_sizes(engine, local))

    return {
        (Part.ENGINE, Part.LOCAL): questions.of_engine(ask, host, listed, decide),
        (Part.CONTAINERS,): questions.of_containers(ask, listed, inspect=inspect),
        (Part.IMAGES,): questions.of_images(ask, inspect=inspect),
        (Part.LAYERS_SIZE,): questions.of_layers_size(ask),
        (Part.BUILD_CACHE,): questions.of_build_cache(ask),
        (Part.VOLUMES,): questions.of_volumes(ask, wanted),
    }


def _side_by_side(session: Session, jobs: dict[tuple[Part, ...], Iterator[Piece]]) -> Iterator[Piece]:
    """The pieces of all jobs as they come, until all are done or the time is over."""
    pieces: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()

    def work(owned: tuple[Part, ...], job: Iterator[Piece]) -> None:
        try:
            for piece in job:
                pieces.put(piece)
        except BaseException as error:  # noqa: BLE001 - one broken part must not take the others along
            why, detail = reason(error)
            for part in owned:
                pieces.put((part, missing(why, detail, f"engine.{part.value}", session.endpoint.url)))
        finally:
            pieces.put(None)

    for owned, job in jobs.items():
        questions.soon(f"engine {owned[0].value}", partial(work, owned, job))
    running = len(jobs)
    ends_at = time.monotonic() + max(0.0, session.left_s) + 2 * GRACE_S
    while running:
        try:
            piece = pieces.get(timeout=max(0.0, ends_at - time.monotonic()))
        except queue.Empty:
            return
        if piece is None:
            running -= 1
        else:
            yield piece
