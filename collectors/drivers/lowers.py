"""The overlay drivers' short links (`l/`) and `lower` files: which directories others stand on, and which links
dangle.

A layer that a known one is stacked on is in use whatever the databases say. Refuses nothing: a missing `lower` is a
base.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from collectors.drivers.files import names_if_there, read_bytes

_LINKS = "l"
_LIMIT_BYTES = 1 << 16  # 128 layers of 28 characters are the driver's own limit


def links(layers: Path) -> dict[str, str]:
    """Short link → name of the directory that it stands for. Empty for drivers without."""
    found: dict[str, str] = {}
    for name in names_if_there(layers / _LINKS):
        try:
            target = os.readlink(f"{layers}/{_LINKS}/{name}")  # noqa: PTH115 - the text, not a path
        except OSError:  # gone, or no link
            continue
        parts = target.split("/")
        if len(parts) >= 2 and parts[-1] == "diff":
            found[name] = parts[-2]
    return found


def dangling(found: Mapping[str, str], there: Iterable[str]) -> tuple[str, ...]:
    """The links whose directory is not `there`."""
    present = frozenset(there)
    return tuple(sorted(name for name, target in found.items() if target not in present))


def stood_on(layers: Path, known: Iterable[str], found: Mapping[str, str]) -> dict[str, str]:
    """Directory → one of the `known` directories that is stacked on it. OSError when a `lower` cannot be read."""
    below: dict[str, str] = {}
    for name in known:
        try:
            lower = read_bytes(f"{layers}/{name}/lower", _LIMIT_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for part in lower.decode("utf-8", "surrogateescape").strip().split(":"):
            link = part.rpartition("/")[2]
            if link in found:
                below.setdefault(found[link], name)
    return below
