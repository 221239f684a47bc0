"""The container engine: who it is, whether it runs on this machine, and what it says it keeps.

    where = endpoint(None, os.environ, Path.home())
    seen = view(where, this_host(), deadline_s=20)

Two ways lead to an engine, with one contract and the same tests: at a unix socket, as nearly always, the standard
library's HTTP (`connection.py`); over a network, with TLS or ssh, the Docker SDK (`network.py`). The SDK takes 90 ms
more to load, and 0.48 ms of the processor for a request instead of 0.07: a third of a run with nothing to walk anew.

Read-only. Importing this loads neither; the first request does. `view` never raises and returns within its deadline
(and a grace below one second), whatever the engine does; each part arrives or says why not.

What it remembers of its images is asked by itself, after a view and only when it matters: which tags it gave lately
(GET /events, of the past), and by which steps an image was made (GET /images/{id}/history). It keeps its last 256
events of every kind, so a silence about last night proves nothing.

    with Past(where, deadline_s=5) as past:
        past.tags_given(since=yesterday)
        past.histories(ids)
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any

from collectors.engine import questions
from collectors.engine.decode import JsonObject, document, records
from collectors.engine.endpoint import Endpoint, endpoint
from collectors.engine.questions import ListedContainers, Part, Piece, Questions, greet
from collectors.engine.session import BODY_LIMIT_BYTES, GRACE_S, PATIENCE_S, Query, Session, each, said
from collectors.model import ImageId
from collectors.model.engine import Engine, EngineView, HistoryStep, TagEvent
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why
from collectors.system.deadline import Host, Malformed, attempt, missing, reason

__all__ = ["Endpoint", "Part", "Past", "endpoint", "tag_events", "view"]

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


def tag_events(body: bytes, origin: Origin) -> tuple[TagEvent, ...]:
    """The tags that were given, oldest first. The body is one JSON object after the other, and may be empty.

    Events of other kinds, and those without an image, a name or a date, are left out: they tell nothing here.
    """
    found = [event for item in _stream(body, origin) if (event := _tag_event(item)) is not None]
    return tuple(sorted(found, key=lambda event: event.at))


def history(body: bytes, origin: Origin) -> tuple[HistoryStep, ...]:
    """The steps of one image, base first. Where the instruction is not kept (`docker import`), its comment stands."""
    return tuple(
        HistoryStep(item.text_or_empty("CreatedBy") or item.text_or_empty("Comment"), item.size("Size"))
        for item in reversed(records(document(body), "an image's history", origin))
    )


def _stream(body: bytes, origin: Origin) -> list[JsonObject]:
    text = body.decode("utf-8", "replace")
    decoder, at, found = json.JSONDecoder(), 0, []
    while (at := _after_blanks(text, at)) < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except RecursionError:
            raise Malformed("JSON nested too deep") from None
        except ValueError as error:
            raise Malformed(f"not JSON: {error}") from None
        found += records([value], "/events", origin)
    return found


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _tag_event(item: JsonObject) -> TagEvent | None:
    if item.text_or_empty("Type") != "image" or item.text_or_empty("Action") != "tag":
        return None
    actor = item.record("Actor")
    image, tag, at = actor.text_or_empty("ID"), actor.mapping("Attributes").get("name", ""), item.moment("time")
    if not image or not tag or not isinstance(at, Exact):
        return None
    return TagEvent(at.value, tag, ImageId(image))


# 256 events with the labels of their images are some 100 KiB; a history is smaller.
_BODY_LIMIT_BYTES = 8 * 2**20
_FILTERS = json.dumps({"type": ["image"], "event": ["tag"]}, separators=(",", ":"))
_COME_AND_GO = json.dumps(
    {
        "type": ["container", "image", "volume", "builder"],
        "event": ["create", "destroy", "import", "load", "pull", "commit", "delete", "prune", "tag", "untag"],
    },
    separators=(",", ":"),
)
# An engine whose clock is behind ours keeps the line open until its own time has come; an answer comes at once.
_PATIENCE_S = 2.0


class Past:
    """Use in `with`: one conversation, which greets at once and ends within `deadline_s` seconds and a short grace."""

    def __init__(self, endpoint: Endpoint, *, deadline_s: float) -> None:
        self._session = Session(endpoint, deadline_s=deadline_s, body_limit_bytes=_BODY_LIMIT_BYTES)

    def __enter__(self) -> Past:
        self._session.__enter__()
        self._hello = greet(self._session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.__exit__(kind, error, trace)

    def tags_given(self, *, since: datetime) -> Reading[tuple[TagEvent, ...]]:
        """The tags that were given from `since` until now, oldest first, as far as the engine remembers."""
        hello = self._hello
        if isinstance(hello, Unavailable):
            return hello
        # `stream` is what Podman wants to be told; Docker ends at a moment that has passed.
        span = (("since", _seconds(since)), ("until", _seconds(datetime.now(UTC))), ("stream", "false"))
        query: Query = (*span, ("filters", _FILTERS))

        def ask() -> tuple[TagEvent, ...]:
            api = hello.value.dialect.api
            answer = self._session.get("/events", query, source="engine.events", api=api, patience_s=_PATIENCE_S)
            return tag_events(answer.body, answer.origin)

        return attempt("engine.events", said("/events", span), ask)

    def changed(self, *, since: datetime) -> Reading[bool]:
        """Has anything come or gone from `since` until now: a container, an image, a volume, by whomever?"""
        hello = self._hello
        if isinstance(hello, Unavailable):
            return hello
        span = (("since", _seconds(since)), ("until", _seconds(datetime.now(UTC))), ("stream", "false"))
        query: Query = (*span, ("filters", _COME_AND_GO))

        def ask() -> bool:
            api = hello.value.dialect.api
            answer = self._session.get("/events", query, source="engine.events", api=api, patience_s=_PATIENCE_S)
            return bool(_stream(answer.body, answer.origin))

        return attempt("engine.events", said("/events", span), ask)

    def histories(self, images: Sequence[ImageId]) -> Mapping[ImageId, Reading[tuple[HistoryStep, ...]]]:
        """How each image was made, base first, by one request each, a few at a time."""
        hello, source, call = self._hello, "engine.history", "GET /images/{id}/history"
        if isinstance(hello, Unavailable):
            return dict.fromkeys(images, hello)
        api = hello.value.dialect.api

        def ask(image: ImageId) -> Reading[tuple[HistoryStep, ...]]:
            path = f"/images/{image}/history"
            answer = self._session.get(path, source=source, api=api, call=call, patience_s=PATIENCE_S)
            return Exact(history(answer.body, answer.origin), answer.origin)

        return each(images, ask, self._session, source=source, call=call)


def _seconds(at: datetime) -> str:
    """A moment as both engines read it: seconds since 1970, with a fraction."""
    return f"{at.timestamp():.6f}"
