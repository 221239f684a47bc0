"""Engine answers → model, pure: bytes in, frozen values out, Malformed when the bytes are not what they should be.

Works on recorded answers alone; refuses every socket, file, clock and default figure. Here is the typed access to
untyped JSON that its modules share, where the engine's own marks for "not known" end: what a record needs to be itself
(an id, a name, a flag that judges) is required, and Malformed without it. What was measured becomes a reading: -1 and
an absent key are not a size, "0001-01-01T00:00:00Z" is not a date. What only describes (labels, tags, options) is taken
as far as it has the right shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

from collectors.model import dataclass
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why
from collectors.system.deadline import Malformed

T = TypeVar("T")

# More than any filesystem holds: what lies above is a wrapped negative.
_MOST_BYTES = 2**62


@dataclass(frozen=True, slots=True)
class JsonObject:
    """One JSON object, what it is (`where`, for error messages), and the answer that it came in."""

    fields: Mapping[str, object]
    where: str
    origin: Origin

    def text(self, key: str) -> str:
        """A non-empty string that the record cannot be without."""
        value = self.fields.get(key)
        if not isinstance(value, str) or not value:
            raise Malformed(f"{self.where} without {key}")
        return printable(value)

    def text_or_empty(self, key: str) -> str:
        """A string that describes; "" where it is absent, null or something else."""
        value = self.fields.get(key)
        return printable(value) if isinstance(value, str) else ""

    def flag(self, key: str) -> bool:
        """A boolean that judges, and is therefore required."""
        value = self.fields.get(key)
        if not isinstance(value, bool):
            raise Malformed(f"{self.where} without {key}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.fields.get(key)
        return tuple(printable(item) for item in value if isinstance(item, str)) if isinstance(value, list) else ()

    def mapping(self, key: str) -> dict[str, str]:
        """Labels, options: name → text."""
        value = self.fields.get(key)
        if not isinstance(value, dict):
            return {}
        return {printable(name): printable(text) for name, text in value.items() if isinstance(text, str)}

    def record(self, key: str) -> JsonObject:
        """The object under `key`, an empty one where it is absent or null."""
        value = self.fields.get(key)
        return JsonObject(value if isinstance(value, dict) else {}, self.where, self.origin)

    def records(self, key: str, where: str) -> list[JsonObject]:
        """The objects of the list under `key`; null is the empty list of a Go program."""
        return records(self.fields.get(key), where, self.origin)

    def size(self, key: str) -> Size:
        """Bytes. -1, null and an absent key: not reported; any other negative: inconsistent."""
        return self._count(key)

    def count(self, key: str) -> Reading[int]:
        """How many; the same sentinels as sizes."""
        return self._count(key)

    def moment(self, key: str) -> Reading[datetime]:
        """A point in time (UTC) from seconds since 1970 or RFC 3339. 0, year 1 and all before 1970 are "no date"."""
        value = self.fields.get(key)
        if value is None or value == "" or value == 0:
            return self.missing(Why.NOT_REPORTED, f"no {key}")
        try:
            found = _moment(value)
        except (ValueError, OverflowError, OSError):
            return self.missing(Why.MALFORMED, f"{key} is no date")
        if found is None:
            return self.missing(Why.NOT_REPORTED, f"no {key}")
        return Exact(found, self.origin)

    def missing(self, why: Why, detail: str) -> Unavailable:
        return Unavailable(why, detail, self.origin)

    def _count(self, key: str) -> Exact[int] | Unavailable:
        value = self.fields.get(key)
        if value is None:
            return self.missing(Why.NOT_REPORTED, f"no {key}")
        if not isinstance(value, int) or isinstance(value, bool):
            return self.missing(Why.MALFORMED, f"{key} is not a whole number")
        if value == -1:
            return self.missing(Why.NOT_REPORTED, f"the engine did not compute {key}")
        if not 0 <= value <= _MOST_BYTES:
            return self.missing(Why.INCONSISTENT, f"the engine says that {key} is {value}")
        return Exact(value, self.origin)


def document(body: bytes) -> object:
    """JSON, or Malformed. Bytes that are not UTF-8 become replacement characters: they can only be foreign text."""
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except RecursionError:
        raise Malformed("JSON nested too deep") from None
    except ValueError as error:
        raise Malformed(f"not JSON: {error}") from None


def top(body: bytes, where: str, origin: Origin) -> JsonObject:
    """The one object that an answer consists of."""
    value = document(body)
    if not isinstance(value, dict):
        raise Malformed(f"{where} is not a JSON object")
    return JsonObject(value, where, origin)


def records(value: object, where: str, origin: Origin) -> list[JsonObject]:
    """The objects of a list; null is the empty list of a Go program."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(f"{where}: a list was expected")
    found = []
    for item in value:
        if not isinstance(item, dict):
            raise Malformed(f"{where}: an object was expected")
        found.append(JsonObject(item, where, origin))
    return found


def printable(text: str) -> str:
    """The text without lone surrogates, which JSON can spell and no encoder can write."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, int):
        return datetime.fromtimestamp(value, UTC) if value > 0 else None
    if not isinstance(value, str):
        raise ValueError
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError
    # Year 1 first: it is nobody's date, and in another zone it may not even be one in UTC.
    return found.astimezone(UTC) if found.year > 1 and found.timestamp() > 0 else None
