"""BuildKit's bolt files below `<root>/buildkit`: which directories and layers its cache records hold.

The API's record id is not always the name of a directory: a committed snapshot lies in a directory with another name,
and a base image has none of its own. `snapshots.db` (graph drivers) maps the one to the other, `metadata_v2.db` lists
the records. Refuses to read a damaged record as "nothing held".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from collectors.drivers import bolt
from collectors.drivers.files import mapping, parse_json, sequence
from collectors.model.owner import CacheId, ChainId
from collectors.model.records import dataclass
from collectors.system.deadline import Malformed

_RECORDS = b"_main"
_PARENT_KEYS = (b"cache.parent", b"cache.lowerDiffParent", b"cache.upperDiffParent")
_MERGED_KEY = b"cache.mergeParents"
_BY_DIGEST = "sha256:"


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """One cache record, as `/system/df` lists them: `id` is its BuildCache[].ID."""

    id: str
    snapshot: str  # key in snapshots.db, or in containerd's namespace
    parents: tuple[str, ...]  # ids of records that it stands on


@dataclass(frozen=True, slots=True)
class CacheSnapshot:
    """One key of snapshots.db."""

    key: str
    directory: CacheId | None  # the driver's directory; None: it is a layer of an image
    chain_id: ChainId | None  # the layer of the layer database that it is, or became
    parent: str | None  # another key
    committed: bool  # its bytes no longer change


def records(metadata: Path) -> tuple[CacheRecord, ...]:
    """Every cache record. A record that is only the sealed face of a mutable one is left out, as the API does."""
    found = bolt.read(metadata, _record_rows)
    kept: list[CacheRecord] = []
    for key, row in found.items():
        mutable = _text(row, b"cache.equalMutable")
        if mutable and mutable in found:
            continue
        parents = [parent for name in _PARENT_KEYS if (parent := _text(row, name))]
        parents += [str(parent) for parent in sequence(_value(row, _MERGED_KEY), key)]
        kept.append(CacheRecord(key, mutable or _text(row, b"cache.snapshot") or key, tuple(parents)))
    return tuple(kept)


def snapshots(database: Path) -> Mapping[str, CacheSnapshot]:
    """Every key of snapshots.db, resolved."""
    found = bolt.read(database, lambda root: {_name(key): row.values() for key, row in root.buckets()})
    committed = {row[b"committed"] for row in found.values() if row.get(b"committed")}
    return {key: _snapshot(key, row, found, committed) for key, row in found.items()}


def _snapshot(
    key: str, row: dict[bytes, bytes], found: Mapping[str, dict[bytes, bytes]], committed: set[bytes]
) -> CacheSnapshot:
    sealed = row.get(b"committed")
    chain = row.get(b"chainid")
    by_digest = key.startswith(_BY_DIGEST)
    parent = row.get(b"parent")
    directory: CacheId | None
    if sealed:
        directory = CacheId(_name(sealed))
        parent = parent or found.get(directory, {}).get(b"parent")
    elif by_digest or (chain and parent is None and b"iscommitted" not in row):
        directory = None  # pulled or loaded: the layer database has the directory
    else:
        directory = CacheId(key)
    return CacheSnapshot(
        key=key,
        directory=directory,
        chain_id=ChainId(_name(chain)) if chain else ChainId(key) if by_digest else None,
        parent=_name(parent) if parent else None,
        committed=bool(sealed) or b"iscommitted" in row or key.encode() in committed,
    )


def _record_rows(root: bolt.Bucket) -> dict[str, dict[bytes, bytes]]:
    main = root.bucket(_RECORDS)
    return {_name(key): row.values() for key, row in main.buckets()} if main is not None else {}


def _value(row: Mapping[bytes, bytes], name: bytes) -> object:
    """The `value` of a record's field; None when the field is absent or cleared."""
    document = row.get(name)
    if not document:
        return None
    where = name.decode()
    return mapping(parse_json(document, where), where).get("value")


def _text(row: Mapping[bytes, bytes], name: bytes) -> str:
    value = _value(row, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{name.decode()} of a cache record is not text")
    return value


def _name(word: bytes) -> str:
    try:
        return word.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("a key is not plain text") from None
