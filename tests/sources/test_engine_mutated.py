"""Whatever an engine sends, a decoder answers or says that it is malformed: replies with one thing changed in them."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.model.reading import AtLeast, Between, Exact, Origin, Unavailable, Why
from collectors.sources.bounded import Declined, Malformed
from collectors.sources.engine.decode import build_cache, containers, images, inspection, usage, volumes
from collectors.sources.engine.decode.engine import engine, greeting
from tests.fakes.recordings import NAMES, recording

HERE = Origin("test", "GET /test", datetime(2026, 11, 23, tzinfo=UTC), 0.0)
CONTAINER = containers.containers(b'[{"Id": "c1"}]', HERE)[0]


def of_usage(decode: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    return lambda body: decode(usage.usage(body, HERE))


DECODERS: tuple[tuple[str, Callable[[bytes], Any]], ...] = (
    ("version", lambda body: greeting(body, HERE)),
    ("info", lambda body: engine(body, greeting(json.dumps({"ApiVersion": "1.45"}).encode(), HERE), HERE)),
    ("images", lambda body: images.images(body, HERE)),
    ("containers", lambda body: containers.containers(body, HERE)),
    ("containers", lambda body: containers.sizes(body, HERE)),
    ("volumes", lambda body: volumes.volumes(body, HERE)),
    ("inspect", lambda body: inspection.inspected(CONTAINER, body, HERE)),
    ("layers", lambda body: images.diff_ids(body, HERE)),
    ("df", of_usage(usage.images)),
    ("df", of_usage(usage.containers)),
    ("df", of_usage(usage.volumes)),
    ("df", of_usage(usage.layers_size)),
    ("df", of_usage(build_cache.build_cache)),
    ("df_verbose", of_usage(usage.images)),
    ("df_verbose", of_usage(usage.layers_size)),
    ("df_verbose", of_usage(build_cache.build_cache)),
)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from(
        [-1, 0, 2**63, 2**64 - 1, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "<none>", "\ud800"]
    )
    | st.floats()
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def reply(name: str, key: str) -> Any:
    if key == "layers":
        return {"Id": "sha256:1", "RootFS": {"Type": "layers", "Layers": ["sha256:a", "sha256:b"]}}
    if key == "inspect":
        return recording(name)["inspect"]["/web"]
    return recording(name)[key]


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a reply."""
    yield above
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*above, key))


@st.composite
def changed(draw: st.DrawFn) -> tuple[Callable[[bytes], Any], bytes]:
    """A decoder, and a recorded reply in which one thing is missing or something else."""
    name = draw(st.sampled_from(NAMES))
    key, decode = draw(st.sampled_from(DECODERS))
    found = copy.deepcopy(reply(name, key))
    *above, last = draw(st.sampled_from([place for place in places(found) if place]))
    parent = found
    for step in above:
        parent = parent[step]
    if draw(st.booleans()):
        parent[last] = draw(anything)
    else:
        del parent[last]
    return decode, json.dumps(found).encode()


@given(changed())
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_reply_with_one_thing_changed_is_decoded_or_malformed(case: tuple[Callable[[bytes], Any], bytes]) -> None:
    decode, body = case
    with contextlib.suppress(Malformed, Declined):
        sound(decode(body))


@given(st.sampled_from(NAMES), st.sampled_from(DECODERS), st.data())
@settings(max_examples=300, deadline=None)
def test_a_reply_with_damaged_bytes_is_decoded_or_malformed(
    name: str, decoder: tuple[str, Callable[[bytes], Any]], data: st.DataObject
) -> None:
    key, decode = decoder
    body = bytearray(json.dumps(reply(name, key)).encode())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    with contextlib.suppress(Malformed, Declined):
        sound(decode(bytes(body)))


@given(anything, st.sampled_from(DECODERS))
@settings(max_examples=300, deadline=None)
def test_any_json_at_all_is_decoded_or_malformed(value: Any, decoder: tuple[str, Callable[[bytes], Any]]) -> None:
    with contextlib.suppress(Malformed, Declined):
        sound(decoder[1](json.dumps(value).encode()))


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
