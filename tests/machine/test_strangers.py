"""What lies on the disk and the engine does not know is named with its bytes, and left to a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from collectors.causes import unknown_to_engine
from collectors.ledger.unlisted import NOT_KNOWN
from tests.bench.explain import preflight
from tests.lab import Lab
from tests.lab.messes._write import MIB
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[Lab, dict[str, Any]]]:
    require_machine()
    with Lab.up(driver="overlay2", mess="strangers", size_mib=1024) as lab:
        yield lab, preflight(lab)


def item(document: dict[str, Any], category: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in document["items"][category] if name in (one["id"], one["name"])]
    return dict(found)


def test_a_container_that_the_engine_did_not_load_is_an_item_with_its_layer(told: tuple[Lab, dict[str, Any]]) -> None:
    lab, document = told
    (lost,) = lab.truth.of("containers", "container without a configuration")
    assert lost.id not in lab.docker("ps", "-aq", "--no-trunc")
    found = item(document, "containers", lost.id)
    assert found["state"] == NOT_KNOWN
    assert 57 * MIB <= found["bytes"] <= 58 * MIB
    assert found["reclaimable_bytes"] is None


@pytest.mark.parametrize(
    ("category", "name", "state", "mib"),
    [
        ("volumes", "handmade", NOT_KNOWN, 21),
        ("docker_other", "volumes.bak", "not the engine's", 13),
        ("docker_other", "oops.tar", "not the engine's", 9),
        ("docker_other", "volumes/loose.tar", "not the engine's", 5),
    ],
)
def test_what_was_made_by_hand_is_named_with_its_bytes(
    told: tuple[Lab, dict[str, Any]], category: str, name: str, state: str, mib: int
) -> None:
    found = item(told[1], category, name)
    assert found["state"] == state
    assert mib * MIB <= found["bytes"] <= (mib + 1) * MIB


def test_one_finding_names_the_largest_and_no_step_touches_any_of_it(told: tuple[Lab, dict[str, Any]]) -> None:
    lab, document = told
    (found,) = [one for one in document["findings"] if one["rule"] == unknown_to_engine.ID]
    (lost,) = lab.truth.of("containers", "container without a configuration")
    assert lost.id in found["title"]
    assert found["bytes"] >= (57 + 21 + 13 + 9 + 5) * MIB
    assert "for a person" in found["remedy"]
    commands = " ".join(step["command"] for step in document["plan"])
    assert not any(name in commands for name in ("handmade", "volumes.bak", "oops.tar", lost.id))
    assert any("engine does not know" in why for why in document["plan_left_out"])
