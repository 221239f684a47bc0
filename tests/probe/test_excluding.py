"""A probe is in none of the figures that it brings, and the books close without it."""

from __future__ import annotations

from dataclasses import replace

from collectors.ledger import account
from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Category
from collectors.model.reading import Exact, charged
from collectors.model.snapshot import FilesystemStudy
from collectors.probe.answer import without
from tests.ledger.build import NOT_READ, snapshot, study
from tests.probe.build import OWN_BYTES, PROBE, disk, seen


def used_bytes(one: FilesystemStudy) -> int:
    assert isinstance(one.filesystem.space, Exact)
    return one.filesystem.space.value.used_bytes


def shared_bytes(one: FilesystemStudy, *alone: str) -> int:
    """Of all shares, or of those that are held by `alone` only."""
    assert isinstance(one.occupancy, Exact)
    return sum(share.bytes for share in one.occupancy.value.shares if not alone or share.holders == set(alone))


def test_its_units_rows_log_and_proofs_are_gone_and_nobody_elses() -> None:
    found = without(disk(), PROBE)
    assert PROBE not in repr(found)
    assert isinstance(found.store, Exact)
    store = found.store.value
    assert isinstance(store.container_layers, Exact)
    assert isinstance(store.logs, Exact)
    assert isinstance(store.orphans, Exact)
    assert len(store.container_layers.value) == len(store.logs.value) == 1
    assert [proof.unit for proof in store.orphans.value] == ["lost"]
    assert [unit.name for unit in found.studies[0].units] == ["base", "bare", "other", "volume"]


def test_its_bytes_leave_the_shares_and_used_alike() -> None:
    before, (after,) = seen(), without(disk(), PROBE).studies
    assert used_bytes(before) - used_bytes(after) == OWN_BYTES
    assert shared_bytes(before) - shared_bytes(after) == OWN_BYTES
    assert shared_bytes(after, "volume") == shared_bytes(before, "volume") + 30  # shared with the probe, now its own


def test_the_ledger_closes_and_what_was_not_explained_stays_the_same() -> None:
    whole, less = (account(snapshot(one), one).ledger for one in (seen(), without(disk(), PROBE).studies[0]))
    rows = {row.category: charged(row.charged) for row in less.rows}
    assert sum(rows.values()) == 8000 - OWN_BYTES
    assert rows[Category.UNATTRIBUTED] == charged(whole.row(Category.UNATTRIBUTED).charged)
    assert rows[Category.CONTAINERS] == 300
    assert rows[Category.LOGS] == 0
    assert not any(PROBE in item.owner_id.id for items in less.items.values() for item in items)


def test_a_layer_that_only_the_probe_kept_is_nobodys_now() -> None:
    layers = {unit.name: unit.owners for unit in without(disk(), PROBE).studies[0].units}
    assert layers["bare"] == frozenset()
    assert layers["base"] == {Owner(OwnerKind.IMAGE, "i"), Owner(OwnerKind.CONTAINER, "b" * 64)}


def test_where_nothing_was_measured_used_is_left_alone() -> None:
    one = replace(study(seen().units, NOT_READ, used=8000))
    (after,) = without(disk(one), PROBE).studies
    assert after.filesystem == one.filesystem
    assert PROBE not in repr(after.units)
