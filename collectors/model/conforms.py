"""Whether a value has the type that the model declares for it, all the way down. Pure.

Python checks no annotation: what comes from outside (another image's answer) could hold a text where a count belongs
and break something far away. Understands the annotations that the model uses; refuses any other, loudly.
"""

from __future__ import annotations

import dataclasses
import enum
import typing
from collections.abc import Mapping
from datetime import datetime
from types import GenericAlias, NoneType, UnionType

_PLAIN = (str, int, float, bool, NoneType, datetime)
_Names = dict[object, object]
_hints: dict[type, tuple[tuple[str, object], ...]] = {}  # asked for once a type: reading annotations is slow


def conforms(value: object, declared: object) -> bool:
    """Is `value` what `declared`, a type or an annotation of the model, says? Raises TypeError for an unknown one."""
    return _conforms(value, declared, {})


def _conforms(value: object, declared: object, bound: _Names) -> bool:
    if isinstance(declared, typing.TypeVar):
        return _conforms(value, bound[declared], {})
    if isinstance(declared, typing.NewType):
        return _conforms(value, declared.__supertype__, bound)
    if declared is object:
        return True
    if isinstance(declared, type) and not isinstance(declared, GenericAlias):
        return _is(value, declared)
    origin, inner = typing.get_origin(declared), typing.get_args(declared)
    if origin in (typing.Union, UnionType):
        return any(_conforms(value, one, bound) for one in inner)
    if origin is tuple:
        return isinstance(value, tuple) and _all(value, inner, bound)
    if origin is frozenset:
        return isinstance(value, frozenset) and all(_conforms(one, inner[0], bound) for one in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _conforms(key, inner[0], bound) and _conforms(item, inner[1], bound) for key, item in value.items()
        )
    if isinstance(origin, type) and dataclasses.is_dataclass(origin):
        given = {variable: bound.get(one, one) for variable, one in zip(_variables(origin), inner, strict=True)}
        return type(value) is origin and _fields(value, given)
    raise TypeError(f"the model declares no {declared}")


def _is(value: object, declared: type) -> bool:
    if declared in _PLAIN:
        # True is an int, and a whole number may stand for a float.
        return type(value) is declared or (declared is float and type(value) is int)
    if issubclass(declared, enum.Enum):
        return type(value) is declared
    if dataclasses.is_dataclass(declared):
        return type(value) is declared and _fields(value, dict.fromkeys(_variables(declared), object))
    raise TypeError(f"the model declares no {declared}")


def _fields(value: object, bound: _Names) -> bool:
    return all(_conforms(getattr(value, name), declared, bound) for name, declared in _declared(type(value)))


def _all(value: tuple[object, ...], inner: tuple[object, ...], bound: _Names) -> bool:
    if len(inner) == 2 and inner[1] is Ellipsis:
        return all(_conforms(one, inner[0], bound) for one in value)
    return len(value) == len(inner) and all(map(lambda one, its: _conforms(one, its, bound), value, inner))


def _declared(of: type) -> tuple[tuple[str, object], ...]:
    if of not in _hints:
        _hints[of] = tuple(typing.get_type_hints(of).items())
    return _hints[of]


def _variables(of: type) -> tuple[object, ...]:
    return tuple(getattr(of, "__parameters__", ()))
