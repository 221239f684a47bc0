"""The model as plain JSON values that load back to equal objects, and whether these have the types it declares. Pure.

What recordings and the probe's answer are made of. Every dataclass and enum is written with its type's name and its
fields in order, an owner as its text; what is not of the model is refused. Whoever writes for another version of the
program also writes the order (`fields_by_type`), and reads it back by names (`object_named`); `fingerprint` says
whether both sides mean the same model.

Python checks no annotation: what comes from outside could hold a text where a count belongs and break something far
away. `conforms` goes by the annotations of the dataclasses, so that a new field needs nothing here; it refuses one that
the model does not use, loudly.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import math
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import ModuleType
from typing import Any, TypeVar, Union

from collectors import model
from collectors.model import (
    Owner,
    OwnerKind,
    btrfs,
    dataclass,
    engine,
    filesystem,
    ledger,
    plan,
    reading,
    report,
    settings,
    snapshot,
    store,
)

Check = Callable[[object], bool]
Bound = tuple[tuple[Any, Any], ...]  # type variables and what they stand for

_MOST = 1 << 100  # sums of apparent sizes pass 2^64; beyond this is no number of bytes


def conforms(value: object, declared: Any) -> bool:
    """Is `value` what `declared`, a type or an annotation of the model, says? Raises TypeError for an unknown one."""
    return _check(declared, ())(value)


@cache
def _check(kind: Any, bound: Bound) -> Check:
    if isinstance(kind, TypeVar):
        return _check(dict(bound)[kind], ())
    if isinstance(kind, typing.NewType):
        return _check(kind.__supertype__, bound)
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _of_any([_check(one, bound) for one in arguments])
    if dataclasses.is_dataclass(origin):
        return _of_dataclass(origin, _inside(origin, arguments, bound))
    if origin in (tuple, frozenset, Mapping):
        return _of_many(origin, [one if one is ... else _check(one, bound) for one in arguments])
    if origin is typing.Literal:
        return lambda value: value in arguments
    if origin in _PLAIN:
        return _PLAIN[origin]
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return _exactly(origin)
    raise TypeError(f"the model declares no {kind}")


def _inside(kind: Any, arguments: tuple[Any, ...], bound: Bound) -> Bound:
    """What the type variables of a dataclass stand for; anything where nobody says."""
    names = getattr(kind, "__parameters__", ())
    given = arguments or (object,) * len(names)
    return tuple((name, dict(bound).get(one, one)) for name, one in zip(names, given, strict=True))


def _exactly(kind: type) -> Check:
    return lambda value: type(value) is kind


def _of_any(each: list[Check]) -> Check:
    return lambda value: any(check(value) for check in each)


def _of_dataclass(kind: Any, bound: Bound) -> Check:
    fields: list[tuple[str, Check]] = []

    def check(value: object) -> bool:
        if type(value) is not kind:
            return False
        if not fields:  # late: types may hold one another
            fields.extend((name, _check(hint, bound)) for name, hint in typing.get_type_hints(kind).items())
        return all(good(getattr(value, name)) for name, good in fields)

    return check


def _of_many(kind: Any, inside: list[Any]) -> Check:
    if kind is Mapping:
        return _of_mapping(*inside)
    if kind is frozenset or inside[-1] is ...:
        each = inside[0]
        return lambda value: isinstance(value, kind) and all(each(one) for one in value)
    return _of_places(inside)


def _of_mapping(key: Check, item: Check) -> Check:
    return lambda value: isinstance(value, Mapping) and all(key(k) and item(i) for k, i in value.items())


def _of_places(inside: list[Check]) -> Check:
    """A tuple with a check for each of its places."""
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(inside)
        and all(good(one) for good, one in zip(inside, value, strict=True))
    )


_PLAIN: dict[Any, Check] = {
    Any: lambda value: True,
    object: lambda value: True,
    str: _exactly(str),
    bool: _exactly(bool),
    types.NoneType: _exactly(types.NoneType),
    Owner: lambda value: isinstance(value, Owner) and type(value.kind) is OwnerKind and type(value.id) is str,
    int: lambda value: type(value) is int and -_MOST < value < _MOST,
    float: lambda value: type(value) in (int, float) and -_MOST < value < _MOST and math.isfinite(value),  # type: ignore[operator,arg-type]
    datetime: lambda value: isinstance(value, datetime) and value.tzinfo is not None and 1 < value.year < 9999,
}


_MODULES: tuple[ModuleType, ...] = (
    btrfs,
    engine,
    filesystem,
    plan,
    ledger,
    model,
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
_AS_IT_IS = frozenset({str, int, float, bool, types.NoneType})
# What `decode` raises for values that `encode` never gave, Unreadable aside.
FOREIGN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Unreadable(ValueError):
    """Not what was written by this version of the program."""


def encode(value: object) -> object:
    """Lists, dicts and plain values. Raises TypeError for what is not of the model."""
    if type(value) in _AS_IT_IS:
        return value
    if type(value) in (tuple, list):
        return [encode(item) for item in typing.cast("tuple[object, ...]", value)]
    return _marked(value)


def _marked(value: object) -> dict[str, object]:
    """What JSON has no type for: an object whose first key says what it is."""
    if isinstance(value, enum.Enum):
        return {"e": type(value).__name__, "v": value.value}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"t": type(value).__name__, "f": [encode(getattr(value, f.name)) for f in dataclasses.fields(value)]}
    if isinstance(value, datetime):
        return {"d": value.isoformat()}
    if isinstance(value, Owner):
        return {"o": value.text()}
    if isinstance(value, Mapping):
        return {"m": [[encode(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, frozenset):
        return {"s": sorted((encode(item) for item in value), key=repr)}
    raise TypeError(f"the model holds no {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Builders:
    """How what was written under the name of a type becomes an object: from its parts, not yet decoded."""

    objects: Mapping[str, Callable[[list[object], Builders], object]]
    enums: Mapping[str, Callable[[object], object]]


def decode(value: object, builders: Builders | None = None) -> object:
    """What `encode` gave, as objects again; else of today's model. Raises Unreadable or one of FOREIGN."""
    builders = builders or MODEL
    if isinstance(value, list):
        return tuple(decode(item, builders) for item in value)
    if not isinstance(value, dict):
        return value
    if "e" in value:
        return builders.enums[value["e"]](value["v"])
    if "t" in value:
        return builders.objects[value["t"]](value["f"], builders)
    return _unmarked(value, builders)


def _unmarked(value: dict[str, Any], builders: Builders) -> object:
    """What is neither of a class of the model nor in JSON."""
    if "d" in value:
        return datetime.fromisoformat(value["d"])
    if "o" in value:
        return Owner.parse(value["o"])
    if "m" in value:
        return {decode(key, builders): decode(item, builders) for key, item in value["m"]}
    if "s" in value:
        return frozenset(decode(item, builders) for item in value["s"])
    raise Unreadable("an unknown mark")


def _object(kind: type) -> Callable[[list[object], Builders], object]:
    return lambda parts, builders: kind(*(decode(part, builders) for part in parts))


Changed = Callable[[dict[str, object]], dict[str, object]]


def object_named(
    name: str, fields: tuple[str, ...], dropped: frozenset[str] = frozenset(), changed: Changed = dict
) -> Callable[[list[object], Builders], object]:
    """Builds today's type `name` from parts in the order of `fields`, less the dropped ones, through `changed`."""

    def build(parts: list[object], builders: Builders) -> object:
        kind = _TYPES.get(name)
        if kind is None or not dataclasses.is_dataclass(kind) or len(parts) != len(fields):
            raise Unreadable(f"the model has no such {name}")
        named = {
            field: decode(part, builders) for field, part in zip(fields, parts, strict=True) if field not in dropped
        }
        return kind(**changed(named))

    return build


def enum_named(name: str, values: Mapping[object, object]) -> Callable[[object], object]:
    """Builds today's enum `name` from a former value; what `values` does not name has not changed."""
    return lambda value: _TYPES[name](values.get(value, value))


MODEL = Builders(
    {name: _object(kind) for name, kind in _TYPES.items() if dataclasses.is_dataclass(kind)},
    {name: kind for name, kind in _TYPES.items() if issubclass(kind, enum.Enum)},
)


def fields_by_type(kind: Any) -> Mapping[str, tuple[str, ...]]:
    """The dataclasses that an object of `kind` can hold, itself too, with the names of their fields in order."""
    found: dict[str, tuple[str, ...]] = {}

    def add(declared: Any) -> None:
        for argument in typing.get_args(declared):
            add(argument)
        origin = typing.get_origin(declared) or declared
        if dataclasses.is_dataclass(origin) and isinstance(origin, type) and origin.__name__ not in found:
            found[origin.__name__] = tuple(field.name for field in dataclasses.fields(origin))
            for hint in typing.get_type_hints(origin).values():
                add(hint)

    add(kind)
    return dict(sorted(found.items()))


def fingerprint() -> str:
    """The same on two sides whose models have the same types with the same fields and members."""
    lines = []
    for name, thing in sorted(_TYPES.items()):
        if issubclass(thing, enum.Enum):
            lines.append(f"{name}: {[member.value for member in thing]}")
        elif dataclasses.is_dataclass(thing):
            lines.append(f"{name}: {[(field.name, str(field.type)) for field in dataclasses.fields(thing)]}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
