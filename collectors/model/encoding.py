"""The model as plain JSON values that load back to equal objects: what recordings and the probe's answer are made of.

Every dataclass and enum is written with its type's name and its fields in order. Refuses what is not of the model.
`conforms.py` says whether something loaded has the types that the model declares; a fingerprint, whether both sides
mean the same model.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Mapping
from datetime import datetime
from types import ModuleType

from collectors.model import (
    btrfs,
    engine,
    filesystem,
    finding,
    ledger,
    plan,
    reading,
    report,
    settings,
    snapshot,
    store,
)

_MODULES: tuple[ModuleType, ...] = (
    btrfs,
    engine,
    filesystem,
    finding,
    ledger,
    plan,
    reading,
    report,
    settings,
    snapshot,
    store,
)
_TYPES: dict[str, type] = {
    name: thing
    for module in _MODULES
    for name, thing in vars(module).items()
    if isinstance(thing, type) and (dataclasses.is_dataclass(thing) or issubclass(thing, enum.Enum))
}
# What `decode` raises for values that `encode` never gave, Unreadable aside.
FOREIGN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Unreadable(ValueError):
    """Not what was written by this version of the program."""


def encode(value: object) -> object:
    """Lists, dicts and plain values. Raises TypeError for what is not of the model."""
    if isinstance(value, enum.Enum):
        return {"e": type(value).__name__, "v": value.value}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"t": type(value).__name__, "f": [encode(getattr(value, f.name)) for f in dataclasses.fields(value)]}
    if isinstance(value, datetime):
        return {"d": value.isoformat()}
    if isinstance(value, Mapping):
        return {"m": [[encode(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, frozenset):
        return {"s": sorted((encode(item) for item in value), key=repr)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"the model holds no {type(value).__name__}")


def decode(value: object) -> object:
    """What `encode` gave, as objects again. Raises Unreadable or one of FOREIGN."""
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "e" in value:
        return _TYPES[value["e"]](value["v"])
    if "t" in value:
        return _TYPES[value["t"]](*(decode(item) for item in value["f"]))
    if "d" in value:
        return datetime.fromisoformat(value["d"])
    if "m" in value:
        return {decode(key): decode(item) for key, item in value["m"]}
    if "s" in value:
        return frozenset(decode(item) for item in value["s"])
    raise Unreadable("an unknown mark")


def fingerprint() -> str:
    """The same on two sides whose models have the same types with the same fields and members."""
    lines = []
    for name, thing in sorted(_TYPES.items()):
        if issubclass(thing, enum.Enum):
            lines.append(f"{name}: {[member.value for member in thing]}")
        elif dataclasses.is_dataclass(thing):
            lines.append(f"{name}: {[(field.name, str(field.type)) for field in dataclasses.fields(thing)]}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
