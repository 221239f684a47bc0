"""The `btrfs` object of the JSON document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.holders import held_tree_bytes
from collectors.model.btrfs import Btrfs, Device, Room, Sharing, Space, Subvolume
from collectors.model.reading import Exact, Reading, Unavailable, charged, charged_or_none, reason

Json = dict[str, object]
T = TypeVar("T")


def btrfs_fields(btrfs: Reading[Btrfs] | None) -> Json | None:
    """Null where the filesystem is no btrfs; with a reason in place of every figure that was not read."""
    if btrfs is None:
        return None
    if isinstance(btrfs, Unavailable):
        return {"reason": reason(btrfs)}
    facts = btrfs.value
    unallocated = facts.unallocated_bytes
    reasons: dict[str, str] = {}

    def listed(name: str, reading: Reading[tuple[T, ...]], encode: Callable[[T], Json]) -> list[Json] | None:
        if isinstance(reading, Unavailable):
            reasons[name] = reason(reading)
            return None
        return [encode(one) for one in reading.value]

    fields: Json = {
        "uuid": facts.uuid,
        "temporary_uuid": facts.temporary_uuid,
        "generation": facts.generation.value if isinstance(facts.generation, Exact) else None,
        "node_bytes": facts.node_bytes,
        "unallocated_bytes": charged_or_none(unallocated),
        "allocatable": listed("allocatable", facts.rooms, _room),
        "operation": facts.operation.value if isinstance(facts.operation, Exact) else None,
        "devices": listed("devices", facts.devices, _device),
        "spaces": listed("spaces", facts.spaces, _space),
        "subvolumes": listed("subvolumes", facts.subvolumes, _subvolume),
        "quotas": None,
        "sharing": None,
    }
    if isinstance(unallocated, Unavailable):
        reasons["unallocated_bytes"] = reason(unallocated)
    if isinstance(facts.operation, Unavailable):
        reasons["operation"] = reason(facts.operation)
    if isinstance(facts.quotas, Exact):
        quotas = facts.quotas.value
        fields["quotas"] = {"mode": quotas.mode.value, "consistent": quotas.consistent, "rescanning": quotas.rescanning}
    else:
        reasons["quotas"] = reason(facts.quotas)
    if isinstance(facts.sharing, Exact):
        fields["sharing"] = _sharing(facts.sharing.value)
    else:
        reasons["sharing"] = reason(facts.sharing)
    fields["reason"] = "; ".join(f"{name}: {why}" for name, why in reasons.items())
    return fields


def _sharing(sharing: Sharing) -> Json:
    return {
        "method": sharing.method,
        "fallback": sharing.fallback,
        "generation": sharing.generation,
        "age_s": round(sharing.age_s, 1),
        "exact": (sharing.residual_data_bytes, sharing.residual_metadata_bytes) == (0, 0),
        "reason": f"tree blocks were not seen: {sharing.fallback}" if sharing.tree_metadata_bytes is None else "",
        "residual_data_bytes": sharing.residual_data_bytes,
        "residual_metadata_bytes": sharing.residual_metadata_bytes,
        "tree_metadata_bytes": sharing.tree_metadata_bytes,
        "held_tree_bytes": None if sharing.tree_metadata_bytes is None else held_tree_bytes(sharing),
        "bookend_bytes": sharing.bookend_bytes,
        "compressed_bytes": sharing.compressed_bytes,
        "uncompressed_bytes": sharing.uncompressed_bytes,
        "restarts": sharing.restarts,
        "blocks_read": sharing.blocks_read,
        "blocks_remembered": sharing.blocks_remembered,
        "memory_lost": sharing.memory_lost,
        "holdings": [
            {
                "unit": str(holding.unit),
                "referenced_bytes": _sum(holding.referenced_data_bytes, holding.referenced_metadata_bytes),
                "exclusive_bytes": _sum(holding.exclusive_data_bytes, holding.exclusive_metadata_bytes),
                "referenced_data_bytes": holding.referenced_data_bytes,
                "exclusive_data_bytes": holding.exclusive_data_bytes,
                "referenced_tree_bytes": holding.referenced_metadata_bytes,
                "exclusive_tree_bytes": holding.exclusive_metadata_bytes,
                "apparent_bytes": holding.apparent_bytes,
                "inodes": holding.inodes,
            }
            for holding in sharing.holdings
        ],
    }


def _sum(data: int, trees: int | None) -> int | None:
    """None where tree blocks were not seen (tree search), as `fallback` says."""
    return None if trees is None else data + trees


def _device(device: Device) -> Json:
    errors = dict(device.errors.value) if isinstance(device.errors, Exact) else None
    return {
        "devid": device.devid,
        "path": device.path,
        "total_bytes": device.total_bytes,
        "allocated_bytes": device.allocated_bytes,
        "errors": errors,
        "missing": device.missing,
        "takes_chunks": device.takes_chunks,
    }


def _space(space: Space) -> Json:
    return {
        "kind": space.kind,
        "profile": space.profile,
        "logical_total_bytes": space.logical_total_bytes,
        "logical_used_bytes": space.logical_used_bytes,
        "disk_used_bytes": space.logical_used_bytes * ioctl.disk_copies(space.profile),
    }


def _room(room: Room) -> Json:
    known = not isinstance(room.allocatable, Unavailable)
    return {
        "kind": room.kind,
        "profile": room.profile,
        "bytes": charged(room.allocatable) if known else None,
        "chunk_bytes": room.chunk_bytes,
    }


def _subvolume(subvolume: Subvolume) -> Json:
    return {
        "id": subvolume.id,
        "path": subvolume.path,
        "read_only": subvolume.read_only,
        "snapshot": bool(subvolume.parent_uuid),
        "deleted": subvolume.deleted,
    }
