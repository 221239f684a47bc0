"""Mappings that hardly change from run to run, stored as changes. Pure; refuses anything that is not such a change.

On the wire a map is `{"=": {…}}` (all of it), `{"+": {…}, "-": […]}` (against the map of the record that the line
names as its base), absent (as in the base) or null (unknown). A reader without the base knows nothing of a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

V = TypeVar("V", int, str)
SAME = object()


class Kind(Generic[V]):
    """One kind of map: which values it holds. Byte counts or ids."""

    def __init__(self, value_type: type[V]) -> None:
        self._type: type[V] = value_type

    def pack(self, now: Mapping[str, V] | None, base: Mapping[str, V] | None) -> Any:
        """What to write for `now`; `SAME` for "leave it out". Without a base map all of it is written."""
        if now is None:
            return None
        if base is None:
            return {"=": dict(now)}
        changed = {key: value for key, value in now.items() if base.get(key) != value}
        gone = sorted(base.keys() - now.keys())
        if not changed and not gone:
            return SAME
        if len(changed) + len(gone) > len(now):
            return {"=": dict(now)}
        return {"+": changed, "-": gone} if gone else {"+": changed}

    def unpack(self, wire: Any, base: Mapping[str, V] | None) -> Mapping[str, V] | None:
        """The map behind `wire`; None where it is unknown or its base was not read. Raises ValueError."""
        if wire is None:
            return None
        if wire is SAME:
            return base
        if not isinstance(wire, dict):
            raise ValueError("a map is an object")
        if wire.keys() == {"="}:
            return self._checked(wire["="])
        if not {"+"} <= wire.keys() <= {"+", "-"}:
            raise ValueError("a change has + and perhaps -")
        changed, gone = self._checked(wire["+"]), wire.get("-", [])
        if not isinstance(gone, list) or not all(isinstance(key, str) for key in gone):
            raise ValueError("what is gone is a list of names")
        if base is None:
            return None
        kept = {key: value for key, value in base.items() if key not in set(gone)}
        return kept | changed

    def _checked(self, wire: Any) -> dict[str, V]:
        if not isinstance(wire, dict) or not all(type(value) is self._type for value in wire.values()):
            raise ValueError(f"not a map of names to {self._type.__name__}")
        return wire


BYTES = Kind(int)
IDS = Kind(str)
