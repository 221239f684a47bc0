"""What the databases of a store know: of one directory (what it is, whose it is, whether it can change), and
altogether.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collectors.drivers.layerdb import Write
from collectors.model.owner import Owner
from collectors.model.reading import Reading
from collectors.model.store import BuildSnapshot, ContainerLayers, Layer, StoredImage, Unit, UnitKind

NOBODY: frozenset[Owner] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """One directory (or blob) that a database names."""

    kind: UnitKind
    owners: frozenset[Owner]  # empty: the engine knows it, and nobody needs it
    immutable: bool


@dataclass(frozen=True, slots=True)
class Source:
    """One place that may know a directory's owner, and whether it could be read."""

    name: str
    problem: str | None  # None: read whole


@dataclass(frozen=True, slots=True)
class Parts:
    """What the databases of one family of stores tell."""

    images: Reading[tuple[StoredImage, ...]]
    layers: Reading[tuple[Layer, ...]]
    container_layers: Reading[tuple[ContainerLayers, ...]]
    build_snapshots: Reading[tuple[BuildSnapshot, ...]]
    known: Reading[Mapping[str, Known]]  # by path below Layout.base; not there when what is a layer cannot be told
    names: frozenset[str]  # further names that some database uses, whatever they stand for
    writes: tuple[Write, ...]  # registrations of layers, going on or interrupted
    born_s: float | None  # when the main database came into being, seconds since the epoch; None: cannot be known
    units: tuple[Unit, ...]  # the databases themselves, and what an interruption left in them
