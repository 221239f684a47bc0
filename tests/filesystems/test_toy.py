"""A kind of filesystem that the program does not know, as one class and one line of the tuple."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric

from collectors import drivers, filesystems
from collectors.filesystems.base import Plain, ReportPart
from collectors.model.filesystem import Mount, OwnUse
from collectors.model.ledger import Category
from collectors.model.reading import Exact, Origin, Reading
from collectors.model.report import Report
from collectors.model.snapshot import FilesystemFacts
from collectors.report.document import encode
from collectors.report.metrics import openmetrics
from collectors.report.text import render
from collectors.system.deadline import Host
from tests.drivers.toy import TOY
from tests.drivers.toy_host import toy_report, toy_root

OWN_BYTES, OWN_INODES = 12_288, 7


class ToyPart:
    """Its part of every report."""

    title = "Toy"
    key = "toy"

    def section(self, report: Report, si: bool) -> list[str]:
        return ["Toy: wound up"]

    def document(self, facts: Reading[FilesystemFacts] | None) -> dict[str, object] | None:
        return {"wound_up": True}

    def metrics(self, facts: Reading[FilesystemFacts] | None) -> Iterator[Metric]:
        yield GaugeMetricFamily("ullage_toy_wound_up", "1 where it is wound up", value=1)


class ToyFilesystem(Plain):
    """Whatever the toy's root lies on here."""

    def __init__(self, fstype: str) -> None:
        self.fstypes = frozenset({fstype})

    def own(self, mount: Mount, host: Host, *, timeout_s: float) -> OwnUse:
        origin = Origin("toy", "asked", datetime.now(UTC), 0.0)
        return OwnUse(Exact(OWN_BYTES, origin), Exact(OWN_INODES, origin), None)

    def report_part(self) -> ReportPart | None:
        return ToyPart()


def test_it_is_measured_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "DRIVERS", (*drivers.DRIVERS, TOY))
    monkeypatch.setattr(filesystems, "FILESYSTEMS", (ToyFilesystem("tmpfs"), *filesystems.FILESYSTEMS))
    with toy_root() as root:
        report = toy_report(root)
    assert report.ledger is not None
    if report.ledger.filesystem.mount.fstype != "tmpfs":
        pytest.skip("no memory filesystem here")
    metadata = report.ledger.row(Category.METADATA)
    assert isinstance(metadata.charged, Exact)
    assert isinstance(metadata.inodes, Exact)
    assert (metadata.charged.value, metadata.inodes.value) == (OWN_BYTES, OWN_INODES)
    assert "## Docker Storage Toy\nToy: wound up" in render(report)
    assert encode(report)["toy"] == {"wound_up": True}
    assert "ullage_toy_wound_up 1.0" in openmetrics([(None, report)])
