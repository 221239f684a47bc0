"""GET /events (of the past) and GET /images/{id}/history → TagEvent and HistoryStep. Pure."""

from __future__ import annotations

import json

from collectors.engine.decode.fields import Record, document, records
from collectors.model.engine import HistoryStep, TagEvent
from collectors.model.ids import ImageId
from collectors.model.reading import Exact, Origin
from collectors.system.deadline import Malformed


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


def _stream(body: bytes, origin: Origin) -> list[Record]:
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


def _tag_event(item: Record) -> TagEvent | None:
    if item.text_or_empty("Type") != "image" or item.text_or_empty("Action") != "tag":
        return None
    actor = item.record("Actor")
    image, tag, at = actor.text_or_empty("ID"), actor.mapping("Attributes").get("name", ""), item.moment("time")
    if not image or not tag or not isinstance(at, Exact):
        return None
    return TagEvent(at.value, tag, ImageId(image))
