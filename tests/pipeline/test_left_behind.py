"""The bytes that rebuilds left behind, where others hold them as well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collectors.journal import Journal
from collectors.ledger import account
from collectors.model.engine import BuildRecord
from collectors.model.reading import Exact
from collectors.model.store import UnitKind
from collectors.pipeline.image_history import NOTHING
from collectors.pipeline.memory import blank, with_churn
from tests.ledger.build import HERE, NOT_READ, occupancy, share, snapshot, study, unit
from tests.planning.build import image
from tests.world import a_view

CACHE = "build:layer"


def left(*owners: str, in_use: bool = False) -> int:
    """Bytes told for one dangling image whose layer of 40 bytes `owners` hold as well, beside a cache of 7 bytes."""
    layer = unit("layer", UnitKind.IMAGE_LAYER, "image:sha256:old", *owners)
    cache = unit("cache", UnitKind.BUILD_SNAPSHOT, "build:other")
    held = Exact(occupancy((share(40, "layer"), share(7, "cache"))), HERE)
    records = (record("layer", in_use), record("other", False))
    view = a_view(NOT_READ, images=(image("old"), image("new", "shop/app:latest")), containers=(), build_cache=records)
    seen = snapshot(study((layer, cache), held, used=47), view)
    memory = replace(blank(""), journal=Journal((), (), 0, 0))
    (churned,) = with_churn(memory, seen, account(seen, seen.studies[0]), NOTHING).churn
    assert isinstance(churned.dangling_bytes, Exact)
    return churned.dangling_bytes.value


def record(name: str, in_use: bool) -> BuildRecord:
    return BuildRecord(name, "regular", "", in_use, True, NOT_READ, NOT_READ, NOT_READ, NOT_READ, ())


@pytest.mark.parametrize("owners", [(), (CACHE,), ("deleted:257",), (CACHE, "deleted:257")])
def test_unused_cache_and_subvolumes_on_their_way_out_are_no_reason_to_keep_them(owners: tuple[str, ...]) -> None:
    assert left(*owners) == 40


@pytest.mark.parametrize("owner", ["image:sha256:new", "container:web", "snapshot:nightly"])
def test_what_somebody_would_miss_is_not_left_behind(owner: str) -> None:
    assert left(owner) == 0


def test_cache_that_a_build_is_using_keeps_its_bytes() -> None:
    assert left(CACHE, in_use=True) == 0
