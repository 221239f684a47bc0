"""Classes made by `records` are, but for the time it takes to make them, those that the standard library makes."""

from __future__ import annotations

import builtins
import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, field, replace
from typing import Any

import pytest

import collectors
from collectors import model as records


def made_by(decorate: Any) -> tuple[Any, Any]:
    """The same two classes, the second with every kind of field and derived from the first."""

    @decorate(frozen=True, slots=True)
    class Base:
        a: int
        b: tuple[int, ...] = ()

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError("below zero")

    @decorate(frozen=True, slots=True)
    class Derived(Base):
        """Documented."""

        c: str = field(default="c", repr=False)
        d: list[int] = field(default_factory=list, compare=False)
        e: dict[str, int] = field(default_factory=dict, init=False, compare=False)

    return Base, Derived


OURS, THEIRS = made_by(records.dataclass), made_by(dataclasses.dataclass)
GIVEN: list[tuple[tuple[Any, ...], dict[str, Any]]] = [((1,), {}), ((1, (2,)), {}), ((1,), {"b": (2,)}), ((2,), {})]


@pytest.mark.parametrize("which", [0, 1])
def test_objects_compare_hash_and_print_as_the_librarys(which: int) -> None:
    ours, theirs = ([kind(*given, **named) for given, named in GIVEN] for kind in (OURS[which], THEIRS[which]))
    assert [repr(one) for one in ours] == [repr(one) for one in theirs]
    assert [[a == b for b in ours] for a in ours] == [[a == b for b in theirs] for a in theirs]
    assert [[hash(a) == hash(b) for b in ours] for a in ours] == [[a == b for b in theirs] for a in theirs]
    assert ours[0] != theirs[0]
    assert dataclasses.asdict(ours[1]) == dataclasses.asdict(theirs[1])
    assert replace(ours[0], b=(2,)) == ours[1]
    assert [one.name for one in dataclasses.fields(ours[0])] == [one.name for one in dataclasses.fields(theirs[0])]
    assert OURS[which].__match_args__ == THEIRS[which].__match_args__


def test_fields_that_are_not_asked_for_or_made_anew_are_each_objects_own() -> None:
    _, derived = OURS
    one, other = derived(1), derived(1, d=[5])
    one.e["x"] = 1
    assert (other.e, one.d, other.d, one.c) == ({}, [], [5], "c")
    assert one == other


@pytest.mark.parametrize("kind", [*OURS, *THEIRS])
def test_wrong_arguments_and_every_change_are_refused(kind: Any) -> None:
    for given, named in (((), {}), ((1, (), "c", [], {}), {}), ((1,), {"z": 1}), ((1,), {"e": {}})):
        if kind.__name__ == "Base" and len(given) == 5:
            continue
        with pytest.raises(TypeError):
            kind(*given, **named)
    with pytest.raises(ValueError, match="below zero"):
        kind(-1)
    one = kind(1)
    for name in ("a", "unknown"):
        with pytest.raises((FrozenInstanceError, TypeError)):  # the library's own classes with slots raise the second
            setattr(one, name, 2)
    with pytest.raises(FrozenInstanceError):
        del one.a
    assert not hasattr(one, "__dict__")


def test_no_method_of_a_class_is_compiled_before_its_first_object(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    honest = builtins.exec

    def counting(text: str, *names: Any) -> None:
        compiled.append(text)
        honest(text, *names)

    monkeypatch.setattr(builtins, "exec", counting)
    made_by(dataclasses.dataclass)
    assert len(compiled) > 8
    compiled.clear()
    base, derived = made_by(records.dataclass)
    assert compiled == []
    derived(1), derived(2), base(1)
    assert len(compiled) == 2


def program_classes() -> Iterator[Any]:
    """The dataclasses of the program, but for those of the child, which loads the standard library alone."""
    for module in pkgutil.walk_packages(collectors.__path__, "collectors."):
        if not module.name.startswith("collectors.system.child") and not module.name.endswith("__main__"):
            for kind in vars(importlib.import_module(module.name)).values():
                if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.name:
                    yield kind


def librarys(kind: Any) -> Any:
    """The class that the library makes of the same fields."""
    wanted = [(one.name, one.type, copy.copy(one)) for one in dataclasses.fields(kind)]
    extra = {name: vars(kind)[name] for name in ("__post_init__",) if name in vars(kind)}
    return dataclasses.make_dataclass(kind.__qualname__, wanted, namespace=extra, frozen=True, slots=True)


MADE_HERE = sorted((kind for kind in program_classes() if kind.__setattr__ is records._refuse), key=str)  # type: ignore[attr-defined]


def test_every_class_of_the_program_is_the_one_that_the_library_would_have_made() -> None:
    assert len(MADE_HERE) > 250
    for kind in MADE_HERE:
        twin = librarys(kind)
        asked = [one.name for one in dataclasses.fields(kind) if one.init]
        if hasattr(kind, "__post_init__") and kind.__module__ != "collectors.model.reading":
            continue  # it reads what it is given
        ours, theirs = ([made(*[1] * len(asked)), made(*[1] * len(asked))] for made in (kind, twin))
        assert [repr(one) for one in ours] == [repr(one) for one in theirs]
        assert str(inspect.signature(kind)) == str(inspect.signature(twin)), kind
        assert (kind.__match_args__, kind.__slots__) == (twin.__match_args__, twin.__slots__)
        assert ours[0] == ours[1] != theirs[0]
        if all(one.init for one in dataclasses.fields(kind)):
            assert hash(ours[0]) == hash(ours[1])
        for again in (copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), replace):
            assert again(ours[0]) == ours[0], (kind, again)


def test_nearly_every_frozen_class_of_the_program_is_made_this_way() -> None:
    """Each one that is not costs every run a third of a millisecond."""
    others = [f"{kind.__module__}.{kind.__qualname__}" for kind in program_classes() if kind not in MADE_HERE]
    assert len(others) < 20, sorted(others)
