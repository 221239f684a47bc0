"""Whatever an engine sends, a decoder answers or says that it is malformed: replies with one thing changed in them."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.system.deadline import Declined, Malformed
from tests.engine.engine_replies import DECODERS, reply, sound
from tests.fakes.recordings import NAMES

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
