"""Named messes: each module here puts known bytes in known places and says where (`make`).

Refuses to hide a failure: a mess that cannot make what it names raises.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab

Mess = Callable[["Lab"], "list[Planted]"]


def module(name: str) -> ModuleType:
    """The module of one mess; its `CAUSES`, if it has them, are those that it makes."""
    return importlib.import_module(f"{__name__}.{name}")


def known() -> dict[str, str]:
    """The first line of what each mess says about itself, by name."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            text = importlib.import_module(f"{__name__}.{module.name}").__doc__ or ""
            found[module.name] = text.strip().splitlines()[0]
    return found


def named(name: str) -> list[Mess]:
    """The messes of a name; `everyday+leak` are two. Raises `ValueError`."""
    wanted = name.split("+")
    unknown = sorted(set(wanted) - set(known()))
    if unknown:
        raise ValueError(f"no such mess: {', '.join(unknown)} (there are {', '.join(sorted(known()))})")
    return [importlib.import_module(f"{__name__}.{part}").make for part in wanted]
