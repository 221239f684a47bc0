"""No invisible culprit: on every driver the books explain at least 99 % and name each planted thing with its bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from collectors.causes import engine_leftovers
from tests.bench.explain import LABS, MESS, Explained, study, table
from tests.lab import Lab, Planted, messes
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine

pytestmark = pytest.mark.machine

KIB = 1 << 10
# Kinds that are parts of a whole which is checked by its sum, or that are planted to be left alone.
PARTS = frozenset({"image", "dangling image", "layer", "init layer", "writable layer", "temporary file in use"})

# A crash leaves nothing of these in a store that has no layer database.
NOT_OF_THE_STORE = {engine_leftovers.INTERRUPTED_ID}


@pytest.fixture(scope="module", params=LABS, ids=lambda lab: "-".join(lab))
def told(request: pytest.FixtureRequest) -> Iterator[tuple[Lab, Explained]]:
    require_machine()
    driver, fs, engine = request.param
    with Lab.up(driver=driver, fs=fs, engine=engine, mess=MESS, size_mib=2048) as lab:
        yield lab, study(lab)


def items(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for listed in document["items"].values() for item in listed]


def candidates(planted: Planted, document: dict[str, Any]) -> list[int]:
    """Bytes of the items that could be this thing: by id, path, name, or the directory that it lies in alone."""
    if planted.category == "deleted_open":
        return [item["bytes"] for item in document["items"]["deleted_open"]]
    path = planted.path or ""
    places = {path, os.path.dirname(path), planted.id, planted.name, planted.kind} - {""}
    found = [item for item in items(document) if {item["id"], item["name"], item["owner"]} & places]
    return [item["bytes"] for item in found if item["bytes"] is not None]


def whole(planted: tuple[Planted, ...]) -> list[Planted]:
    """What was planted, the files of one container's log taken together."""
    logs: dict[str, Planted] = {}
    for one in planted:
        if one.category == "logs":
            before = logs.get(one.name)
            more = (before.allocated_bytes or 0) if before else 0
            logs[one.name] = replace(one, allocated_bytes=more + (one.allocated_bytes or 0))
    return [one for one in planted if one.category != "logs"] + list(logs.values())


def test_at_least_99_percent_of_used_is_explained_and_the_ledger_sums_to_it(told: tuple[Lab, Explained]) -> None:
    _, explained = told
    print(table([explained]))
    document = explained.document
    assert sum(row["bytes"] or 0 for row in document["ledger"]) == document["filesystem"]["used_bytes"]
    assert explained.ullage_bytes >= 0.99 * explained.used_bytes


def test_in_every_category_the_items_hold_every_byte_of_the_row(told: tuple[Lab, Explained]) -> None:
    lab, _ = told
    assert of_engine(lab.host) == {}


def test_every_planted_culprit_is_named_with_its_bytes(told: tuple[Lab, Explained]) -> None:
    lab, explained = told
    missed = []
    for planted in whole(lab.truth.planted):
        size = planted.allocated_bytes
        if planted.kind in PARTS or size is None or size < 256 * KIB or planted.category in ("images", "build_cache"):
            continue
        near = [n for n in candidates(planted, explained.document) if abs(n - size) <= max(size // 100, 64 * KIB)]
        if not near:
            missed.append((planted.category, planted.kind, planted.name, size, candidates(planted, explained.document)))
    assert not missed


OF_SUBVOLUMES = ("images", "containers", "build_cache", "orphans", "snapshots")


def test_each_category_agrees_with_the_lab(told: tuple[Lab, Explained]) -> None:
    """The lab counts data alone: what subvolumes hold in tree blocks (DUP here) is theirs besides, and is that much."""
    lab, explained = told
    rows = {row["category"]: row["bytes"] for row in explained.document["ledger"]}
    trees = 2 * explained.document["btrfs"]["sharing"]["held_tree_bytes"] if lab.driver == "btrfs" else 0
    beyond = 0
    for category, truth in lab.truth.sums.items():
        if category == "deleted_pending":
            continue  # what the engine removed on the way waits for the cleaner, and is gone any moment
        limit = max(truth.allocated_bytes // 100, 512 * KIB)
        over = (rows[category] or 0) - truth.allocated_bytes
        assert -limit <= over <= limit + (trees if category in OF_SUBVOLUMES else 0), category
        beyond += over if category in OF_SUBVOLUMES else 0
    assert abs(beyond - trees) <= len(OF_SUBVOLUMES) * 512 * KIB


def test_every_cause_that_the_mess_is_of_is_found(told: tuple[Lab, Explained]) -> None:
    lab, explained = told
    made = {cause for part in MESS.split("+") for cause in messes.module(part).CAUSES}
    made -= NOT_OF_THE_STORE if lab.driver == "containerd" else set()
    found = {finding["rule"] for finding in explained.document["findings"]}
    assert made <= found
