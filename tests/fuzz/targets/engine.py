"""Replies of an engine, recorded from eight of them, through every decoder.

Right is: an answer without a sentinel in it (`sound`), or Malformed, or Declined with a reason. The first byte of a
case says which decoder takes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

from collectors.system.deadline import Declined, Malformed
from tests.engine.engine_replies import DECODERS, reply, sound
from tests.fakes.recordings import NAMES
from tests.fuzz.change_json import changed
from tests.fuzz.target import Target

_MOST_ITEMS = 2  # of a list: what a decoder does with the tenth, it does with the second
_DECODE = "collectors.engine.decode"


def small(value: Any) -> Any:
    """A reply with fewer items in its lists."""
    if isinstance(value, dict):
        return {key: small(item) for key, item in value.items()}
    return [small(item) for item in value[:_MOST_ITEMS]] if isinstance(value, list) else value


def _seeds(numbers: Sequence[int]) -> tuple[bytes, ...]:
    bodies = {
        bytes([at]) + json.dumps(small(reply(name, DECODERS[number][0])), separators=(",", ":")).encode()
        for at, number in enumerate(numbers)
        for name in NAMES
    }
    return tuple(sorted(bodies))


def _mutate(random: Random, case: bytes) -> bytes:
    return case[:1] + changed(random, case[1:])


def _judge(numbers: Sequence[int], case: bytes) -> str:
    decode = DECODERS[numbers[case[0] % len(numbers)]][1] if case else DECODERS[numbers[0]][1]
    try:
        found = decode(case[1:])
    except Malformed:
        return "malformed"
    except Declined as declined:
        return f"declined: {declined.why.value}"
    sound(found)
    return "answered"


def _target(name: str, keys: Sequence[str], modules: Sequence[str], fuzzed: str) -> Target:
    numbers = [number for number, (key, _) in enumerate(DECODERS) if key in keys]
    judge: Callable[[bytes], str] = partial(_judge, numbers)
    watched = tuple(f"{_DECODE}.{module}" for module in ("fields", *modules))
    return Target(f"engine-{name}", fuzzed, partial(_seeds, numbers), _mutate, judge, watched)


TARGETS = (
    _target("engine", ("version", "info"), ("engine",), "GET /version, /info"),
    _target("images", ("images", "layers"), ("images",), "GET /images/json, /images/{id}/json"),
    _target("containers", ("containers",), ("containers",), "GET /containers/json"),
    _target("inspection", ("inspect",), ("inspection",), "GET /containers/{id}/json"),
    _target("volumes", ("volumes",), ("volumes",), "GET /volumes"),
    _target("usage", ("df", "df_verbose"), ("usage", "build_cache"), "GET /system/df, both shapes"),
    _target("past", ("events", "history"), ("past",), "GET /events, /images/{id}/history"),
)
