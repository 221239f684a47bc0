"""A driver that the program does not know, as one module and one line of the tuple: from the disk to the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors import drivers
from collectors.model.ledger import Category, Item
from collectors.model.reading import Exact
from collectors.model.report import Report
from collectors.reclaim import REMOVED
from collectors.reclaim.tree import remove_layer
from collectors.report.document import encode
from collectors.report.text import render
from tests.drivers.toy import TOY
from tests.drivers.toy_host import IMAGE, MIB, toy_report, toy_root
from tests.tui.screen import replay, shown, text


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with toy_root() as made:
        yield made


@pytest.fixture(scope="module")
def report(root: Path) -> Iterator[Report]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drivers, "DRIVERS", (*drivers.DRIVERS, TOY))
        yield toy_report(root)


def held(item: Item) -> int:
    assert isinstance(item.referenced, Exact), item
    return item.referenced.value


def test_its_layers_are_measured_and_owned(report: Report) -> None:
    assert report.ledger is not None
    (image,) = (item for item in report.ledger.items[Category.IMAGES] if item.id == IMAGE)
    (orphan,) = report.ledger.items[Category.ORPHANS]
    assert 5 * MIB <= held(image) < 6 * MIB
    assert 7 * MIB <= held(orphan) < 8 * MIB
    assert "catalogue" in orphan.proof


def test_what_it_lost_is_planned_by_its_own_command(report: Report, root: Path) -> None:
    (step,) = (step for step in report.plan.steps if step.action == "orphan.remove")
    assert step.command == f"toyctl forget {root}/toy/layers/layer-stray"


def test_text_and_document_show_it(report: Report) -> None:
    page, document = render(report), encode(report)
    assert "Driver: toy" in page
    assert "toyctl forget" in page
    assert document["engine"]["driver"] == "toy"  # type: ignore[index]
    assert [item["name"] for item in document["items"]["orphans"]] == ["layer-stray"]  # type: ignore[index]


async def test_the_dashboard_shows_it(report: Report) -> None:
    app = replay(report)
    (step,) = (step for step in report.plan.steps if step.action == "orphan.remove")
    async with shown(app, keys=("4",)):
        assert step.title[:20] in text(app)


def test_a_layer_is_removed_as_the_driver_says(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "DRIVERS", (*drivers.DRIVERS, TOY))
    layer = root / "toy" / "layers" / "layer-gone"
    layer.mkdir()
    assert remove_layer(layer, "toy") == REMOVED
    assert not layer.exists()
    assert not layer.with_name("going").exists()
