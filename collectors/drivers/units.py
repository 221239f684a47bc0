"""Joins the listing of the driver's directories with what the databases know of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collectors.drivers.known import Known
from collectors.drivers.layout import Family, Layout
from collectors.drivers.listing import Entry, unit
from collectors.model.store import Unit, UnitKind

_OVERLAY_LINKS = "l"
_PODMAN_WORK = ("staging", "tempdirs")
_HALF_DONE = ("new-", "rm-")  # containerd's snapshotters rename into and out of place
_REMOVING = "-removing"  # aufs does


def holds_bytes(layout: Layout, one: Entry) -> bool:
    """Is this entry a unit of the driver, rather than a lock, a link folder or a probe of the driver's own?"""
    if layout.family is Family.CONTAINERD:
        return True
    if layout.family is Family.PODMAN and one.name in _PODMAN_WORK:
        return False
    return one.is_folder and one.name != _OVERLAY_LINKS and not one.name.startswith(".")


def half_done(one: Entry) -> bool:
    """A directory on its way into or out of place."""
    return one.name.startswith(_HALF_DONE) or one.name.endswith(_REMOVING)


def layer_units(
    found: Iterable[Entry], known: Mapping[str, Known], *, now_s: float, grace_s: float
) -> tuple[Unit, ...]:
    """One unit for each entry; what no database knows has no owner."""
    return tuple(_layer_unit(one, known.get(one.key), now_s - grace_s) for one in found)


def _layer_unit(one: Entry, known: Known | None, oldest_s: float) -> Unit:
    if known is not None:
        return unit(one, known.kind, owners=known.owners, immutable=known.immutable)
    if half_done(one):
        fresh = one.since_s is not None and one.since_s > oldest_s
        return unit(one, UnitKind.TEMPORARY if fresh else UnitKind.INTERRUPTED_WRITE)
    return unit(one, UnitKind.CONTENT if not one.is_folder else UnitKind.UNKNOWN_LAYER)
