"""Whether a value has the type that the model declares for it, all the way down. Pure.

Python checks no annotation: what comes from outside (a recording, another image's answer) could hold a text where a
count belongs and break something far away. Reads the annotations of the dataclasses, so that a new field needs nothing
here; refuses an annotation that the model does not use, loudly.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union

from collectors.model.owner import Owner, OwnerKind

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
        each = [_check(one, bound) for one in arguments]
        return lambda value: any(check(value) for check in each)
    if dataclasses.is_dataclass(origin):
        names = getattr(origin, "__parameters__", ())
        given = arguments or (object,) * len(names)
        inside = tuple((name, dict(bound).get(one, one)) for name, one in zip(names, given, strict=True))
        return _of_dataclass(origin, inside)
    if origin is typing.Literal:
        return lambda value: value in arguments
    if origin is Owner:
        return lambda value: isinstance(value, Owner) and type(value.kind) is OwnerKind and type(value.id) is str
    if origin in (tuple, frozenset, Mapping):
        return _of_many(origin, [one if one is ... else _check(one, bound) for one in arguments])
    if origin in _PLAIN:
        return _PLAIN[origin]
    if isinstance(origin, type) and (issubclass(origin, enum.Enum) or origin in (str, bool, types.NoneType)):
        return lambda value: type(value) is origin
    raise TypeError(f"the model declares no {kind}")


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
        key, item = inside
        return lambda value: isinstance(value, Mapping) and all(key(k) and item(i) for k, i in value.items())
    if kind is frozenset or inside[-1] is ...:
        each = inside[0]
        return lambda value: isinstance(value, kind) and all(each(one) for one in value)
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(inside)
        and all(good(one) for good, one in zip(inside, value, strict=True))
    )


_PLAIN: dict[Any, Check] = {
    Any: lambda value: True,
    object: lambda value: True,
    int: lambda value: type(value) is int and -_MOST < value < _MOST,
    float: lambda value: type(value) in (int, float) and -_MOST < value < _MOST and math.isfinite(value),  # type: ignore[operator,arg-type]
    datetime: lambda value: isinstance(value, datetime) and value.tzinfo is not None and 1 < value.year < 9999,
}
