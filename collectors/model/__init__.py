"""The shared vocabulary: frozen dataclasses, standard library only. Every other package may import this one.

`dataclass` is the standard library's for a tenth of its time: a run makes 250 classes before it asks anything. The
library writes six methods of each class as text and compiles them at once, also for classes that no run ever fills:
that took longer than looking at a Docker root again. Here only `__init__` is text, compiled when the first object is
made; what compares, hashes, prints and copies is shared by all classes. To a type checker, `fields`, `replace`, `copy`
and `pickle` it is the same. Classes that are not frozen, or have no slots, are the library's as they are. A class of
six fields takes the library 274 µs and attrs, which compiles as well, 234; here it takes 22. msgspec takes 7, but its
classes are of another kind, without `fields` and `replace`.

`Owner` is who holds bytes: an image, a container, a build record, a directory that nobody else knows. Its text,
`image:sha256:…`, is for the borders alone: the journal, the run log, recordings, ids of a plan's steps. It is made and
read nowhere but here. Identifiers that look alike and must not be exchanged are types of their own.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, NewType

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses
    from collections.abc import Callable
    from dataclasses import MISSING, Field, FrozenInstanceError, fields
    from operator import attrgetter
    from typing import Any

    def dataclass(**options: bool) -> Callable[[type], type]:
        """As the library's."""
        return _record if options == {"frozen": True, "slots": True} else dataclasses.dataclass(**options)

    _with_slots = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)

    def _record(cls: type) -> type:
        # Where there is no docstring, the library makes one up, by way of `inspect`.
        cls.__doc__ = cls.__doc__ or cls.__name__
        made = _with_slots(cls)
        compared = [one.name for one in fields(made) if one.compare]
        for name, method in {**_SHARED, **_equality(compared)}.items():
            setattr(made, name, method)
        return made

    class _Factory:
        """What stands for a default that is made anew each time, shown as the library shows it."""

        def __repr__(self) -> str:
            return "<factory>"

    _FACTORY = _Factory()

    def _refuse(self: object, name: str, *_: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _repr(self: object) -> str:
        inside = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
        return f"{type(self).__qualname__}({inside})"

    def _getstate(self: object) -> list[object]:
        return [getattr(self, one.name) for one in fields(self)]

    def _setstate(self: object, state: list[object]) -> None:
        for one, value in zip(fields(self), state, strict=True):
            object.__setattr__(self, one.name, value)

    def _equality(names: list[str]) -> dict[str, Callable[..., Any]]:
        values = attrgetter(*names) if names else type

        def equal(self: object, other: object) -> Any:
            return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

        return {"__eq__": equal, "__hash__": lambda self: hash(values(self))}

    def _first_init(self: object, *given: object, **named: object) -> None:
        cls = next(kind for kind in type(self).__mro__ if vars(kind).get("__init__") is _first_init)
        made = _init(cls)
        type.__setattr__(cls, "__init__", made)
        made(self, *given, **named)

    _SHARED = {
        "__init__": _first_init,
        "__repr__": _repr,
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__getstate__": _getstate,
        "__setstate__": _setstate,
    }

    def _init(cls: type) -> Callable[..., None]:
        """`__init__(self, a, b=…)`, which sets each slot and ends with `__post_init__`, where there is one."""
        known: dict[str, Any] = {"_factory": _FACTORY}
        parameters, body = ["self"], ["pass"]
        for one in fields(cls):
            parameter, value = _asked(one, known)
            if parameter:
                parameters.append(parameter)
            if value:
                known[f"_set_{one.name}"] = getattr(cls, one.name).__set__
                body.append(f"_set_{one.name}(self, {value})")
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body), known)
        made = known["__init__"]
        made.__annotations__.update({one.name: one.type for one in fields(cls) if one.init}, **{"return": None})
        return made

    def _asked(one: Field[Any], known: dict[str, Any]) -> tuple[str, str]:
        """What a field is as a parameter, "" for none, and the value that it is set to, "" for none."""
        name, default = one.name, f"_default_{one.name}"
        if one.default is not MISSING:
            known[default] = one.default
            return (f"{name}={default}", name) if one.init else ("", default)
        if one.default_factory is MISSING:
            return (name, name) if one.init else ("", "")
        known[default] = one.default_factory
        return (
            (f"{name}=_factory", f"{default}() if {name} is _factory else {name}") if one.init else ("", f"{default}()")
        )


ImageId = NewType("ImageId", str)  # "sha256:…" of the image config (graph driver) or manifest (containerd store)
ContainerId = NewType("ContainerId", str)  # 64 hex digits
DiffId = NewType("DiffId", str)  # "sha256:…" of one layer's uncompressed tar
ChainId = NewType("ChainId", str)  # "sha256:…" of a layer on top of all those below it
CacheId = NewType("CacheId", str)  # the driver's name of a directory or subvolume
UnitId = NewType("UnitId", str)  # a directory or subvolume that is measured as one thing: its path below the mount
HOST_UNIT = UnitId("<host>")  # of everything that lies in no other unit: `other_files`
SubvolumeId = NewType("SubvolumeId", int)


class OwnerKind(StrEnum):
    """Stable: they stand in journals and recordings. The comment says what the id of such an owner is."""

    IMAGE = "image"  # as the engine calls it, "sha256:…"
    CONTAINER = "container"  # 64 hex digits
    BUILD = "build"  # id of a build record, or key of a build snapshot without one
    VOLUME = "volume"  # its name
    LOG = "log"  # id of the container that writes it
    PLUGIN = "plugin"  # its id
    CONTAINERD = "containerd"  # an image outside Docker's namespace: namespace/name
    LEASE = "lease"  # namespace/lease, or namespace/label of what holds itself
    ORPHAN = "orphan"  # path of its directory
    LEFTOVER = "leftover"  # path of a file or directory
    STORE = "store"  # something in another engine's store: path of that, a colon, what it is
    SNAPSHOT = "snapshot"  # path of the btrfs snapshot below the top level
    DELETED = "deleted"  # number of a dropped subvolume
    UNLINKED = "unlinked"  # all deleted files that are open, as the trees of a btrfs see them; no id
    OPEN = "open"  # device:inode of a deleted file that is open, with the process where there is no inode
    # What items of a ledger are called that nothing owns.
    UNIT = "unit"  # id of the unit
    PATH = "path"  # of a directory outside Docker
    SUBVOLUME = "subvolume"  # its number


class Owner(NamedTuple):
    """One owner. A tuple, since sets hold it by the hundred thousand: hashed and compared without Python code."""

    kind: OwnerKind
    id: str

    def text(self) -> str:
        """`image:sha256:…`, which `parse` reads back whatever the id holds."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Owner:
        """What `text` wrote. Raises ValueError where the part before the first colon is no kind of owner."""
        kind, colon, rest = text.partition(":")
        if not colon:
            raise ValueError(f"no owner: {text!r}")
        return cls(OwnerKind(kind), rest)


_KEYS = {"container": "container {}'s layer", "log": "container {}'s log", "volume": "volume {}", "image": "image {}"}


def key_words(key: str) -> str:
    """A figure of the journal as people call it: `log:web-1` → `container web-1's log`; categories as they are."""
    kind, _, name = key.removeprefix("owner:").partition(":")
    short = name[:12] if re.fullmatch(r"[0-9a-f]{64}", name) else name
    return _KEYS[kind].format(short) if name and kind in _KEYS else key


def called(owner: Owner, name: str) -> str:
    """What people call a thing that has this name: `image shop/app:1`, `container web-1's log`, `orphan 3f2a…`."""
    return key_words(f"{owner.kind}:{name}") if owner.kind in _KEYS else f"{owner.kind} {name}"
