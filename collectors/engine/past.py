"""What an engine remembers: tags given lately, and the steps by which an image was made.

GET /events (of the past) and GET /images/{id}/history → TagEvent and HistoryStep. Pure.

What an engine remembers of its images: which tags it gave lately, and by which steps an image was made.

    with Past(where, deadline_s=5) as past:
        past.tags_given(since=yesterday)
        past.histories(ids)

Asked by itself, after a view and only when it matters. Read-only, never raises, ends by its deadline. The engine keeps
its last 256 events of every kind, so a silence about last night proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType

from collectors.engine.decode import JsonObject, document, records
from collectors.engine.endpoint import Endpoint
from collectors.engine.questions import greet
from collectors.engine.session import PATIENCE_S, Query, Session, each, said
from collectors.model import ImageId
from collectors.model.engine import HistoryStep, TagEvent
from collectors.model.reading import Exact, Origin, Reading, Unavailable
from collectors.system.deadline import Malformed, attempt


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
