"""What recordings of version 1 hold: fields by their place alone. Which they were, and what became of them since.

`FIELDS` is frozen: the model as those recordings were written with. Whoever changes the model writes here what a
recording of that time means today, and nowhere else:

- a type has another name: `RENAMED`, old name → new name;
- a field is gone: `DROPPED`, by the old name of its type; what stood in it is not even decoded;
- a value of an enum is another: `VALUES`, by the old name of the enum, old value → new value;
- anything else (a new field, another name or kind of a field): a function in `CHANGED`, by the old name of the type,
  from the fields by name, decoded, without the dropped ones, to the fields of today's type by name.

What comes of it has the types that the model declares, or the recording is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from collectors.model import Owner
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Unavailable, Why
from collectors.model.settings import DEFAULTS

FIELDS: Mapping[str, str] = {
    "AtLeast": "low missing origin",
    "Between": "best low high confidence method origin",
    "Btrfs": "uuid generation node_bytes sector_bytes devices spaces chunks unallocated_bytes subvolumes quotas "
    "sharing",
    "Chunk": "kind profile logical_start logical_bytes used_bytes",
    "Crossing": "percent at earliest latest",
    "Device": "devid path uuid total_bytes allocated_bytes errors",
    "Engine": "id name flavour version api_version driver driver_status image_store root logging_driver warnings",
    "Exact": "value origin",
    "Filesystem": "mount space",
    "Finding": "rule severity claim bytes evidence remedy owners certain",
    "FsSpace": "fsid block_bytes total_bytes free_bytes available_bytes inodes inodes_free inodes_available read_only",
    "Growth": "key bytes_per_day low_bytes_per_day high_bytes_per_day runs span_s change_24h_bytes",
    "Holding": "unit referenced_data_bytes exclusive_data_bytes referenced_metadata_bytes exclusive_metadata_bytes "
    "apparent_bytes inodes",
    "Item": "id owner_id category name referenced exclusive apparent reclaimable owner state created_at last_used_at "
    "proof note",
    "Ledger": "filesystem rows items balanced note",
    "Mount": "mount_id parent_id device root mountpoint options fstype source super_options",
    "Origin": "source call at took_s",
    "Plan": "steps unlocks left_out",
    "Qgroup": "subvolume referenced_bytes exclusive_bytes",
    "Quotas": "mode consistent rescanning groups",
    "Report": "tool_version host taken_at took_s severity exit_status verdict docker_root engine explained_percent "
    "ledger other_ledgers btrfs findings trend plan coverage",
    "RepositoryChurn": "repository rebuilds since dangling_images dangling_bytes busting_step",
    "Row": "category charged apparent reclaimable method reason",
    "Sample": "at value",
    "Shared": "holders data_bytes metadata_bytes",
    "Sharing": "generation method fallback rows holdings tree_metadata_bytes residual_data_bytes "
    "residual_metadata_bytes drift_data_bytes drift_metadata_bytes bookend_bytes compressed_bytes uncompressed_bytes "
    "unresolved blocks_read restarts age_s",
    "SourceReport": "source outcome reason took_s",
    "Space": "kind profile logical_total_bytes logical_used_bytes copies copies_of",
    "Step": "id action title command targets frees risk needs costs undo rule automatic",
    "Subvolume": "id parent path uuid parent_uuid generation read_only created_at deleted",
    "TrendView": "runs oldest growth crossings churn used_percent reason skipped_lines",
    "Unavailable": "why detail origin",
    "Unlock": "steps bytes",
}

Fields = dict[str, Any]


def _owners(texts: Iterable[str]) -> tuple[Owner, ...]:
    return tuple(map(Owner.parse, texts))


def with_settings(fields: Fields) -> Fields:
    """A report that was made when reports carried neither settings (they were the defaults, as far as is known) nor
    bills."""
    return {"settings": DEFAULTS, "bills": (), **fields}


def with_things(fields: Fields) -> Fields:
    """A ledger that was made when ledgers did not tell which thing each byte is charged to."""
    return {"things": None, **fields}


# What a step cost at worst, by its action, when steps did not say it themselves; any other destroyed what it took.
_HARMS = {
    **dict.fromkeys(("btrfs.wait", "btrfs.balance", "btrfs.rewrite"), Harm.NONE),
    **dict.fromkeys(("build-cache.prune", "image.remove", "temporary.remove", "interrupted.remove"), Harm.TIME),
    "builder.remove": Harm.TIME,
    **dict.fromkeys(("log.truncate", "core-dumps.remove", "journal.vacuum"), Harm.HISTORY),
    **dict.fromkeys(("container.remove", "orphan.remove", "former-driver.remove"), Harm.STATE),
}


def with_harm(fields: Fields) -> Fields:
    """A step that was made when steps did not carry their harm. Build cache of the safe tier came back by itself."""
    if "harm" in fields:
        return fields
    harm = _HARMS.get(fields["action"], Harm.DATA)
    safe = fields["action"] == "build-cache.prune" and fields["risk"] is Risk.SAFE
    return {**fields, "harm": Harm.NONE if safe else harm}


def with_persons(fields: Fields) -> Fields:
    """A plan that was made when what destroys data stood among its steps."""
    if "for_person" in fields:
        return fields
    steps = fields["steps"]
    apart = tuple(step for step in steps if step.harm is Harm.DATA)
    return {**fields, "steps": tuple(step for step in steps if step not in apart), "for_person": apart}


def _report(fields: Fields) -> Fields:
    """What one kind of filesystem tells of itself was a field with that kind's name; settings were not in it."""
    fields = with_settings(fields)
    return {"filesystem_facts" if name == "btrfs" else name: value for name, value in fields.items()}


def btrfs(fields: Fields) -> Fields:
    """Neither the rule of statfs, what could be allocated nor what ran was told; nor were clones known."""
    origin = fields["unallocated_bytes"].origin
    untold = Unavailable(Why.NOT_REPORTED, "recorded before this was told", origin)
    return {"temporary_uuid": False, "rooms": untold, "statfs": untold, "operation": untold, **fields}


def device(fields: Fields) -> Fields:
    """A missing device was one without a path."""
    there = bool(fields["path"])
    return {"missing": not there, "takes_chunks": there and fields["devid"] != 0, **fields}


def shared(fields: Fields) -> Fields:
    """Copies were not told apart: one is known."""
    return {"data_disk_bytes": fields["data_bytes"], "metadata_disk_bytes": fields["metadata_bytes"], **fields}


def with_inodes(fields: Fields) -> Fields:
    """A row or an item of the time when inodes were not counted by holder: it is not known how many there were."""
    size = fields["charged"] if "charged" in fields else fields["referenced"]
    unknown = Unavailable(Why.NOT_REPORTED, "recorded before inodes were counted by holder", size.origin)
    return {"inodes": unknown, **fields}


def _item(fields: Fields) -> Fields:
    """What is inside a thing was not recorded, and its owner was a text."""
    return with_inside({**fields, "owner_id": Owner.parse(fields["owner_id"])})


def with_inside(fields: Fields) -> Fields:
    """An item of the time when neither its inodes nor what is inside was recorded."""
    return {"inside": (), **with_inodes(fields)}


# What has come to types since their fields are named in recordings as well.
ADDED: Mapping[str, Callable[[Fields], Fields]] = {
    "Btrfs": btrfs,
    "Device": device,
    "Item": with_inside,
    "Ledger": with_things,
    "Plan": with_persons,
    "Report": with_settings,
    "Row": with_inodes,
    "Shared": shared,
    "Step": with_harm,
}
RENAMED: Mapping[str, str] = {}
DROPPED: Mapping[str, frozenset[str]] = {"Ledger": frozenset({"balanced"})}
VALUES: Mapping[str, Mapping[object, object]] = {}
CHANGED: Mapping[str, Callable[[Fields], Fields]] = {
    **ADDED,
    "Finding": lambda old: {**old, "owners": _owners(old["owners"])},
    "Item": _item,
    "Report": _report,
    "Step": lambda old: with_harm({**old, "targets": _owners(old["targets"])}),
}
