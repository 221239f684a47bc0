"""What btrfs adds to every report: the section `## Docker Storage Btrfs`, the object `btrfs`, samples in OpenMetrics.

Only the program's own words are labels of samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.filesystems.btrfs import document, holders
from collectors.model import UnitId
from collectors.model.btrfs import Btrfs, Holding, Quotas, Sharing, Space
from collectors.model.reading import Exact, Reading, Unavailable, charged
from collectors.model.report import Report
from collectors.model.snapshot import FilesystemFacts, facts_of
from collectors.report import formatting

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_PREFIX = "ullage_btrfs"


def samples(btrfs: Btrfs) -> Iterator[Metric]:
    """What was read; nothing for what was not."""
    # Loaded only where metrics are asked for: no other face needs it, and a probe container may not have it.
    from prometheus_client.core import GaugeMetricFamily

    if not isinstance(btrfs.unallocated_bytes, Unavailable):
        unallocated = charged(btrfs.unallocated_bytes)
        yield GaugeMetricFamily(f"{_PREFIX}_unallocated_bytes", "Device bytes in no chunk", value=unallocated)
    more = GaugeMetricFamily(
        f"{_PREFIX}_allocatable_bytes", "What new chunks of one kind could hold, as the profile allows", labels=["kind"]
    )
    for room in btrfs.rooms.value if isinstance(btrfs.rooms, Exact) else ():
        if not isinstance(room.allocatable, Unavailable):
            more.add_metric([room.kind], charged(room.allocatable))
    if more.samples:
        yield more
    if isinstance(btrfs.spaces, Unavailable):
        return
    family = GaugeMetricFamily(f"{_PREFIX}_fill_ratio", "Used of allocated, 0 to 1", labels=["kind"])
    totals: dict[str, list[int]] = {}
    for space in btrfs.spaces.value:
        used_total = totals.setdefault(space.kind, [0, 0])
        used_total[0] += space.logical_used_bytes
        used_total[1] += space.logical_total_bytes
    for kind, (used, total) in totals.items():
        if total:
            family.add_metric([kind], used / total)
    yield family


TOP = 12
DELETED = "<deleted>"
CAVEAT = (
    "exclusive is freed when that subvolume alone goes; shared bytes go with their last holder, so exclusive values"
    " do not add up"
)


class BtrfsPart:
    """Written whether the filesystem is a btrfs or not: sections and keys are contracts."""

    title = "Btrfs"
    key = "btrfs"

    def section(self, report: Report, si: bool) -> list[str]:
        """Allocation, pending deletes, compression and the largest subvolumes; or why there are none."""
        return _section(report, si)

    def document(self, facts: Reading[FilesystemFacts] | None) -> document.Json | None:
        """Null where the filesystem is no btrfs."""
        return document.btrfs_fields(facts)

    def metrics(self, facts: Reading[FilesystemFacts] | None) -> Iterator[Metric]:
        """Nothing where it is none, and nothing that was not read."""
        found = facts_of(facts, Btrfs)
        if found is not None:
            yield from samples(found)


def _section(report: Report, si: bool) -> list[str]:
    btrfs = report.filesystem_facts
    if btrfs is None:
        kind = formatting.quoted(report.ledger.filesystem.mount.fstype) if report.ledger else "unknown filesystem"
        return [f"Btrfs: not applicable ({kind})"]
    if isinstance(btrfs, Unavailable):
        return [f"Btrfs: {formatting.unknown(btrfs)}"]
    facts = btrfs.value
    clone = ", made up for this mount: a clone of what is mounted already" if facts.temporary_uuid else ""
    lines = [f"Btrfs: {facts.uuid}{clone}, nodes of {formatting.bytes_(facts.node_bytes, si=si)}"]
    lines += _allocation(facts, si)
    lines += _pending(facts, si)
    lines.append(f"Quotas: {_quotas(facts.quotas)}")
    lines += _sharing(facts.sharing, si)
    return lines


def _allocation(facts: Btrfs, si: bool) -> list[str]:
    lines = [f"Unallocated: {formatting.size(facts.unallocated_bytes, si=si)}", f"Allocatable: {_rooms(facts, si)}"]
    doing = facts.operation
    lines.append(f"Operation: {formatting.unknown(doing) if isinstance(doing, Unavailable) else doing.value}")
    if isinstance(facts.spaces, Unavailable):
        return [*lines, f"Allocation: {formatting.unknown(facts.spaces)}"]
    lines += ["| Kind | Profile | Allocated | Used | Fill |", "|---|---|---|---|---|"]
    lines += [_space(space, si) for space in facts.spaces.value]
    if isinstance(facts.devices, Exact):
        for device in facts.devices.value:
            errors = device.errors
            if device.missing:
                lines.append(f"- Device {device.devid}: missing; the next mount needs -o degraded")
                continue
            told = "errors unknown" if isinstance(errors, Unavailable) else _errors(errors.value)
            size = (
                f"{formatting.bytes_(device.allocated_bytes, si=si)} of {formatting.bytes_(device.total_bytes, si=si)}"
            )
            told += "" if device.takes_chunks else ", takes no new chunks (a seed, or read-only)"
            lines.append(f"- Device {device.devid} {formatting.quoted(device.path)}: {size} allocated, {told}")
    else:
        lines.append(f"- Devices: {formatting.unknown(facts.devices)}")
    return lines


def _rooms(facts: Btrfs, si: bool) -> str:
    """What the devices' free room is worth in each kind of chunk, were it all theirs: `3.0 GiB of data (RAID1)`."""
    if isinstance(facts.rooms, Unavailable):
        return formatting.unknown(facts.rooms)
    each = (f"{formatting.size(r.allocatable, si=si)} of {r.kind} ({r.profile})" for r in facts.rooms.value)
    return " or ".join(each)


def _space(space: Space, si: bool) -> str:
    total, used = space.logical_total_bytes, space.logical_used_bytes
    fill = formatting.percent(100 * used / total) if total else "–"
    sizes = f"{formatting.bytes_(total, si=si)} | {formatting.bytes_(used, si=si)}"
    return f"| {space.kind} | {space.profile} | {sizes} | {fill} |"


def _errors(errors: tuple[tuple[str, int], ...]) -> str:
    seen = [f"{name} {count}" for name, count in errors if count]
    return ", ".join(seen) if seen else "no errors"


def _pending(facts: Btrfs, si: bool) -> list[str]:
    subvolumes = facts.subvolumes
    if isinstance(subvolumes, Unavailable):
        return [f"Pending deletes: {formatting.unknown(subvolumes)}"]
    pending = sum(subvolume.deleted for subvolume in subvolumes.value)
    text = formatting.count(pending, "subvolume")
    if pending and isinstance(facts.sharing, Exact):
        referenced = freed = 0
        for row in facts.sharing.value.rows:
            held = row.data_bytes + (row.metadata_bytes or 0)
            dropped = [str(holder).startswith(DELETED) for holder in row.holders]
            referenced += held if any(dropped) else 0
            freed += held if all(dropped) else 0
        text += (
            f", {formatting.bytes_(referenced, si=si)} referenced, {formatting.bytes_(freed, si=si)} freed when done"
        )
    return [f"Subvolumes: {len(subvolumes.value) - pending}", f"Pending deletes: {text}"]


def _quotas(quotas: Reading[Quotas]) -> str:
    if isinstance(quotas, Unavailable):
        return formatting.unknown(quotas)
    state = quotas.value
    doubt = "" if state.consistent else ", inconsistent: not used"
    return f"{state.mode.value}{', rescanning' if state.rescanning else ''}{doubt}"


def _sharing(sharing: Reading[Sharing], si: bool) -> list[str]:
    if isinstance(sharing, Unavailable):
        return [f"Exact sizes: {formatting.unknown(sharing)}", f"Caveat: {CAVEAT}"]
    table = sharing.value
    left = (table.residual_data_bytes, table.residual_metadata_bytes)
    check = _check(*left)
    when = f", {formatting.age(table.age_s)} old" if table.age_s else ""
    lines = [
        f"Exact sizes: {formatting.count(len(table.holdings), 'holder')} by {table.method}, {check}{when}",
        f"Tree blocks: {_trees(table, si)}",
        f"Overwritten but pinned: {formatting.bytes_(table.bookend_bytes, si=si)}",
        f"Compression: {_compression(table, si)}",
        "| Subvolume | Apparent | Referenced | Exclusive |",
        "|---|---|---|---|",
    ]
    largest = sorted(table.holdings, key=lambda holding: (-_referenced(holding), holding.unit))
    lines += [_holding(holding, si) for holding in largest[:TOP]]
    if len(largest) > TOP:
        rest = formatting.count(len(largest) - TOP, "holder")
        lines.append(f"- and {rest} more")
    lines.append(f"Caveat: {CAVEAT}")
    return lines


def _check(data_bytes: int | None, metadata_bytes: int | None) -> str:
    """What the self-check says; what was not checked is not called closed."""
    if data_bytes is None:
        return "not checked"
    if data_bytes or metadata_bytes:
        trees = "metadata not checked" if metadata_bytes is None else f"{metadata_bytes} metadata bytes"
        return f"inexact by {data_bytes} data bytes, {trees}"
    return "adds up" if metadata_bytes is not None else "data adds up, metadata not checked"


def _trees(table: Sharing, si: bool) -> str:
    """One copy, as the sizes below count them; what only subvolumes lead to goes with them."""
    if table.tree_metadata_bytes is None:
        return f"not seen by {table.method}, so sizes below are data alone: {formatting.quoted(table.fallback)}"
    held = formatting.bytes_(holders.held_tree_bytes(table), si=si)
    return f"{formatting.bytes_(table.tree_metadata_bytes, si=si)}, {held} of them held by subvolumes"


def _compression(table: Sharing, si: bool) -> str:
    if not table.compressed_bytes:
        return "none"
    held, stored = table.uncompressed_bytes, table.compressed_bytes
    ratio = formatting.percent(100 * stored / max(held, 1))
    return f"{formatting.bytes_(held, si=si)} in {formatting.bytes_(stored, si=si)} ({ratio})"


def _unit_words(unit: UnitId) -> str:
    """As it is called where it is no path: deleted files are one unit, and so is what no other holds."""
    return _UNNAMED.get(unit, str(unit))


_UNNAMED = {UnitId(""): "(top level)", holders.UNLINKED: "(open deleted files)"}


def _holding(holding: Holding, si: bool) -> str:
    name = formatting.cell(_unit_words(holding.unit), None)
    exclusive = holding.exclusive_data_bytes + (holding.exclusive_metadata_bytes or 0)
    sizes = (holding.apparent_bytes, _referenced(holding), exclusive)
    return f"| {name} | " + " | ".join(formatting.bytes_(count, si=si) for count in sizes) + " |"


def _referenced(holding: Holding) -> int:
    return holding.referenced_data_bytes + (holding.referenced_metadata_bytes or 0)
