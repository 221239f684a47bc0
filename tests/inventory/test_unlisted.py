"""Subvolumes that the exact walk met, where nobody may list them."""

from __future__ import annotations

from dataclasses import replace

from collectors.filesystems.btrfs import unlisted_units
from collectors.model import Owner, OwnerKind, UnitId
from collectors.model.btrfs import Holding, Sharing
from collectors.model.store import UnitKind
from tests.ledger.build import unit

NOTHING = Sharing(1, "device trees", "", (), (), 0, 0, 0, 0, 0, 0, 0, 0, (), 0, 0, 0.0)


def walked(*names: str) -> Sharing:
    return replace(NOTHING, holdings=tuple(Holding(UnitId(name), 9, 9, 0, 0, 9, 1) for name in names))


def test_a_subvolume_without_a_unit_gets_one_that_claims_nothing() -> None:
    known = (unit("/d/layer", UnitKind.IMAGE_LAYER, "image:i"),)
    (found,) = unlisted_units(walked("/d/layer", ".snapshots/daily"), known)
    assert (found.id, found.kind, found.owners) == (".snapshots/daily", UnitKind.SUBVOLUME, frozenset())


def test_a_deleted_one_waits_for_the_cleaner_whoever_asks() -> None:
    (found,) = unlisted_units(walked("<deleted>/257"), ())
    assert found.kind is UnitKind.DELETED
    assert found.owners == {Owner(OwnerKind.DELETED, "257")}


def test_the_top_level_trees_and_open_files_are_no_such_subvolumes() -> None:
    assert unlisted_units(walked("", "<extent tree>", "<unlinked>"), ()) == ()
