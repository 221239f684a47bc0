"""JSON texts with one thing or a few changed in them: spliced as text, which costs a tenth of loading and dumping."""

from __future__ import annotations

import functools
import re
from random import Random
from typing import NamedTuple

from tests.fuzz.change import damaged

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[\d.]+(?:[eE][+-]?\d+)?|[a-zA-Z]+|[\[\]{},:]')
_DEEP = 3000
_POOL = (
    *(b"null", b"true", b"false", b"0", b"1", b"-1", b"-2", b"0.5", b"1e400", b"-1e400", b"NaN", b"Infinity"),
    *(b"9223372036854775808", b"18446744073709551615", b"4611686018427387905", b"1e308", b"1e12"),
    *(b'""', b'"\\ud800"', b'"<none>"', b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59-23:59"', b'"\\u0000"'),
    *(b'"0001-01-01T00:00:00+23:59"', b'"1969-12-31T23:59:59Z"', b'"sha256:"', b'"../.."', b'"\\u001b[2J"'),
    *(b"[]", b"{}", b"[[]]", b"[null]", b'{"":null}', b"[{}]"),
)
# Long to read and write, and therefore rare.
_HUGE = (b"[" * _DEEP + b"]" * _DEEP, b"[" * _DEEP, b"1" * 5000, b'"%s"' % (b"x" * 20_000))


class Span(NamedTuple):
    """One value: where it stands, and what has to go with it where it is taken out."""

    start: int
    end: int
    whole: int  # from the comma or the key on
    key: tuple[int, int] | None


@functools.lru_cache(4096)
def spans(text: bytes) -> tuple[Span, ...]:
    """Every value of a JSON text but the outermost, as far as the text can be read."""
    found: list[Span] = []
    stack: list[tuple[int, int, tuple[int, int] | None, bool]] = []  # start, whole, key, is an object
    whole, key, expects_key = 0, None, False
    comma = -1
    for match in _TOKEN.finditer(text):
        start, end, token = match.start(), match.end(), match[0]
        if token == b",":
            comma, expects_key, key = start, bool(stack) and stack[-1][3], None
        elif token == b":":
            expects_key = False
        elif token in (b"{", b"["):
            whole = comma if comma >= 0 else key[0] if key else start
            stack.append((start, whole, key, token == b"{"))
            comma, key, expects_key = -1, None, token == b"{"
        elif token in (b"}", b"]"):
            if not stack:
                break
            began, whole, key, _ = stack.pop()
            if stack:
                found.append(Span(began, end, whole, key))
            comma, key, expects_key = -1, None, False
        elif expects_key:
            key = (start, end)
        else:
            whole = comma if comma >= 0 else key[0] if key else start
            found.append(Span(start, end, whole, key))
            comma, key = -1, None
    return tuple(found)


def changed(random: Random, text: bytes, times: int = 3) -> bytes:
    """The text with up to so many things changed: most of them as JSON, some as bytes."""
    if random.random() < 0.15:
        return damaged(random, text, times)
    for _ in range(1 if random.random() < 0.8 else random.randint(1, times)):
        places = spans(text)
        if not places:
            return damaged(random, text)
        text = _once(random, text, places)
    return text


def _once(random: Random, text: bytes, places: tuple[Span, ...]) -> bytes:
    place = random.choice(places)
    start, end, whole, key = place
    value = text[start:end]
    match random.randrange(10):
        case 0 | 1 | 2:
            new = random.choice(_HUGE if random.random() < 0.02 else _POOL)
        case 3:
            other = random.choice(places)
            new = text[other.start : other.end]
        case 4:
            return text[:whole] + text[end:]
        case 5 if whole != start:
            return text[:end] + (b"" if text[whole : whole + 1] == b"," else b",") + text[whole:end] + text[end:]
        case 6 if key is not None:
            keys = [one.key for one in places if one.key is not None]
            other_start, other_end = random.choice(keys)
            new_key = random.choice((text[other_start:other_end], b'""', b'"\\ud800"', b'"Items"'))
            return text[: key[0]] + new_key + text[key[1] :]
        case 7:
            new = random.choice((b"[%s]", b'{"":%s}', b'{"Items":%s}', b'"%s"')) % value
        case 8 if value[:1] == b'"':
            new = b'"' + damaged(random, value[1:-1]) + b'"'
        case 9 if value.isdigit() and len(value) < 25:
            number = int(value)
            new = b"%d" % random.choice((number + 1, number - 1, -number, number << 10, number << 40, number ^ 1))
        case _:
            new = random.choice(_POOL)
    return text[:start] + new + text[end:]
