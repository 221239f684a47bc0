"""One pass over a Docker root: list, ask every owner, list again, join, prove. The order is the proof."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import chain

from collectors.drivers import layered, orphans
from collectors.drivers.base import LINKS, Layout, Parts
from collectors.drivers.layerdb import REMOVING
from collectors.drivers.leftovers import rest
from collectors.drivers.listing import Asker, Entry, Known, derived, entries, keys, unit, value
from collectors.drivers.orphans import Evidence, Pair, prove
from collectors.model import UnitId
from collectors.model.reading import Exact, Reading, Unavailable, Why
from collectors.model.store import OrphanProof, Store, Unit, UnitKind
from collectors.system.deadline import Host

# aufs does so too


_HALF_DONE = ("new-", "rm-")  # containerd's snapshotters rename into and out of place


def read_store(layout: Layout, host: Host, ask: Asker, grace_s: float, *, freshly_bound: bool = False) -> Store:
    """The whole Store. `grace_s`: how old something that nobody knows must be to be called an orphan."""
    before = ask.witness("first listing", layout.root, lambda: _keys(layout))
    parts = layout.driver.owners(layout, ask, grace_s)
    below_root = layout.base is not None and layout.base.is_relative_to(layout.root)
    if freshly_bound and below_root and layout.driver.mounts_below_root:
        mounted = ask.witness("mounts below the root", host.proc, lambda: orphans.bound(host.proc, _folders(layout)))
    else:
        mounted = ask.witness("live mounts", host.proc, lambda: orphans.live(host.proc, _folders(layout)))
    after = ask.witness("second listing", layout.root, lambda: _list(layout))
    links = value(ask.part("short links", layout.root, lambda: _links(layout)), {})
    known = value(parts.known, {})
    candidates = tuple(one for one in value(after, ()) if not _accounted(one, known, parts))
    stood_on = _stood_on(layout, ask, known, links) if candidates else {}
    now_s = time.time()
    evidence = Evidence(
        sources=tuple(ask.sources),
        mounted=_resolved(value(mounted, frozenset()), links, layout),
        stood_on=stood_on,
        known_names=frozenset(known) | parts.names,
        database_born_s=parts.born_s,
        listed_before=value(before, frozenset()),
        writes=parts.writes,
        now_s=now_s,
        grace_s=grace_s,
    )
    proofs = prove(candidates, layout.driver, evidence)
    foreign = frozenset(proof.unit for proof in proofs if proof.note == orphans.NOT_ITS_NAME)
    layers = derived(after, lambda found: _layer_units(found, known, foreign, oldest_s=now_s - grace_s))
    others = ask.part("other files", layout.root, lambda: rest(layout))
    return Store(
        root=str(layout.root),
        driver=layout.name,
        driver_facts=layout.driver.facts_of(layout),
        images=parts.images,
        layers=parts.layers,
        container_layers=parts.container_layers,
        build_snapshots=parts.build_snapshots,
        logs=ask.rows("logs", layout.root, lambda: layout.driver.logs(layout)),
        units=_units(parts, layers, others),
        orphans=_orphans(layout, parts, after, tuple(proof for proof in proofs if proof.unit not in foreign)),
        leases=parts.leases,
        notes=(*layout.notes, *ask.notes, *_notes(parts, value(layers, ()), links)),
    )


def _list(layout: Layout) -> tuple[Entry, ...]:
    """Every unit of the driver or snapshotter. OSError when one of its folders cannot be listed."""
    base = layout.base
    if base is None:
        return ()
    return tuple(
        one
        for shelf in layout.driver.layer_folders(layout)
        for one in entries(base, shelf)
        if layout.driver.is_layer(one)
    )


def _keys(layout: Layout) -> frozenset[str]:
    """As `_list`, names alone."""
    base = layout.base
    if base is None:
        return frozenset()
    return frozenset(key for shelf in layout.driver.layer_folders(layout) for key in keys(base, shelf))


def _folders(layout: Layout) -> frozenset[str]:
    """The last components of the folders whose entries may be mounted."""
    if layout.base is None:
        return frozenset()
    shelves = layout.driver.layer_folders(layout)
    # Behind a link the engine may mount by the name that it knows, and the kernel tells the other.
    return frozenset({LINKS, layout.driver.name, *((layout.base / shelf).name for shelf in shelves)})


def _links(layout: Layout) -> dict[str, str]:
    return layout.driver.links(layout.base) if layout.base is not None else {}


def _accounted(one: Entry, known: Mapping[str, Known], parts: Parts) -> bool:
    return one.key in known or one.name in parts.names or _half_done(one)


def _resolved(mounted: frozenset[Pair], links: Mapping[str, str], layout: Layout) -> frozenset[Pair]:
    """The mounted directories, those that are mounted by their short link included."""
    if layout.base is None:
        return mounted
    folder = layout.base.name
    behind = {(folder, name) for where, name in mounted if where == layout.driver.name}
    return mounted | behind | {(folder, links[name]) for where, name in mounted if where == LINKS and name in links}


def _stood_on(layout: Layout, ask: Asker, known: Mapping[str, Known], links: Mapping[str, str]) -> Mapping[str, str]:
    base = layout.base
    if base is None or not layout.driver.stacks:
        return {}
    return value(ask.witness("lower files", base, lambda: layout.driver.stood_on(base, known, links)), {})


def _units(
    parts: Parts, layers: Reading[tuple[Unit, ...]], others: Reading[tuple[Unit, ...]]
) -> Reading[tuple[Unit, ...]]:
    """All units once. Not there as soon as one part is missing: a unit left out would be charged to its neighbour."""
    if isinstance(parts.known, Unavailable):
        return parts.known
    if isinstance(layers, Unavailable):
        return layers
    if isinstance(others, Unavailable):
        return others
    # Later ones are more specific: a child of the root may turn out to be a database or another driver's.
    found = {one.id: one for one in chain(others.value, parts.units, layers.value)}
    return Exact(tuple(found.values()), layers.origin)


def _orphans(
    layout: Layout, parts: Parts, listed: Reading[tuple[Entry, ...]], proofs: tuple[OrphanProof, ...]
) -> Reading[tuple[OrphanProof, ...]]:
    if isinstance(parts.known, Unavailable):
        return parts.known
    if isinstance(listed, Unavailable):
        return listed
    if layout.base is None:
        return Unavailable(Why.NOT_APPLICABLE, f"{layout.name} keeps its layers in no directories", listed.origin)
    return Exact(proofs, listed.origin)


def _notes(parts: Parts, layers: tuple[Unit, ...], links: Mapping[str, str]) -> tuple[str, ...]:
    found: list[str] = []
    for name, reading in (("images", parts.images), ("build records", parts.build_snapshots)):
        if isinstance(reading, Unavailable):
            found.append(f"the {name} could not be read: owners of layers are incomplete")
    unused = sum(1 for one in layers if one.kind is UnitKind.IMAGE_LAYER and not one.owners)
    if unused and not found:
        found.append(f"layers in the database that no image, container or build record uses: {unused}")
    if dangling := layered.dangling(links, (one.name for one in layers)):
        found.append(f"short links in l/ that lead to no layer: {len(dangling)}, {dangling[0]} first")
    return tuple(found)


def _half_done(one: Entry) -> bool:
    """A directory on its way into or out of place."""
    return one.name.startswith(_HALF_DONE) or one.name.endswith(REMOVING)


def _layer_units(
    found: Iterable[Entry], known: Mapping[str, Known], foreign: frozenset[UnitId], *, oldest_s: float
) -> tuple[Unit, ...]:
    """One unit for each entry; what no database knows has no owner. `foreign`: what somebody put among the layers."""
    return tuple(
        unit(one, UnitKind.FOREIGN) if one.path in foreign else _layer_unit(one, known.get(one.key), oldest_s)
        for one in found
    )


def _layer_unit(one: Entry, known: Known | None, oldest_s: float) -> Unit:
    if known is not None:
        return unit(one, known.kind, owners=known.owners, immutable=known.immutable)
    if _half_done(one):
        fresh = one.since_s is not None and one.since_s > oldest_s
        return unit(one, UnitKind.TEMPORARY if fresh else UnitKind.INTERRUPTED_WRITE)
    return unit(one, UnitKind.CONTENT if not one.is_folder else UnitKind.ORPHAN_CANDIDATE)
