"""Recorded replies with the decoders that take them, and what is sound in what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from collectors import engine as past
from collectors.engine.decode import objects, usage
from collectors.engine.decode.objects import decode_engine, greeting
from collectors.model.reading import AtLeast, Between, Exact, Origin, Unavailable, Why
from tests.fakes.recordings import recording

HERE = Origin("test", "GET /test", datetime(2026, 11, 23, tzinfo=UTC), 0.0)
CONTAINER = objects.containers(b'[{"Id": "c1"}]', HERE)[0]

Decoder = Callable[[bytes], Any]


def of_usage(decode: Callable[[Any], Any]) -> Decoder:
    return lambda body: decode(usage.usage(body, HERE))


DECODERS: tuple[tuple[str, Decoder], ...] = (
    ("version", lambda body: greeting(body, HERE)),
    ("info", lambda body: decode_engine(body, greeting(json.dumps({"ApiVersion": "1.45"}).encode(), HERE), HERE)),
    ("images", lambda body: objects.images(body, HERE)),
    ("containers", lambda body: objects.containers(body, HERE)),
    ("containers", lambda body: objects.sizes(body, HERE)),
    ("volumes", lambda body: usage.volumes(body, HERE)),
    ("inspect", lambda body: objects.inspected(CONTAINER, body, HERE)),
    ("layers", lambda body: objects.diff_ids(body, HERE)),
    ("df", of_usage(usage.images)),
    ("df", of_usage(usage.containers)),
    ("df", of_usage(usage.volume_usages)),
    ("df", of_usage(usage.layers_size)),
    ("df", of_usage(usage.build_cache)),
    ("df_verbose", of_usage(usage.images)),
    ("df_verbose", of_usage(usage.layers_size)),
    ("df_verbose", of_usage(usage.build_cache)),
    ("events", lambda body: past.tag_events(body, HERE)),
    ("history", lambda body: past.history(body, HERE)),
)
_TAGGED = {
    "Type": "image",
    "Action": "tag",
    "Actor": {"ID": "sha256:1", "Attributes": {"name": "shop/app:latest"}},
    "time": 1764000000,
}


def reply(name: str, key: str) -> Any:
    match key:
        case "layers":
            return {"Id": "sha256:1", "RootFS": {"Type": "layers", "Layers": ["sha256:a", "sha256:b"]}}
        case "inspect":
            return recording(name)["inspect"]["/web"]
        case "events":
            return _TAGGED
        case "history":
            return [{"Id": "sha256:1", "Created": 1764000000, "CreatedBy": "RUN make", "Size": 4096, "Comment": ""}]
    return recording(name)[key]


def sound(value: Any) -> None:
    """No sentinel in what came out: no negative count, no date before 1970, no text that cannot be written."""
    match value:
        case Exact(value=inner):
            sound(inner)
        case Unavailable(why=why, detail=detail):
            assert why is not Why.DEFECT
            assert detail
        case Between() | AtLeast():
            raise AssertionError("an engine's figure is exact or unavailable")
        case bool() | None:
            pass
        case int():
            assert value >= 0
        case datetime():
            assert value.year >= 1970
            assert value.tzinfo is UTC
        case str():
            value.encode()
        case dict():
            sound(tuple(value.items()))
        case tuple():
            for item in value:
                sound(item)
        case _ if is_dataclass(value):
            sound(tuple(getattr(value, field.name) for field in fields(value) if field.name != "origin"))
