"""Every filesystem that holds the engine's data is judged: one severity, and the worst leads verdict and plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from jsonschema import Draft202012Validator

from collectors.model.finding import Severity
from collectors.model.ledger import Category
from collectors.model.reading import Exact, charged
from collectors.model.report import Report
from collectors.model.settings import DEFAULTS
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import UnitKind
from collectors.pipeline.judge import Ruling, close_books, judge, report
from collectors.pipeline.memory import recall
from collectors.report.document import encode
from collectors.report.schema import schema
from collectors.report.text import render
from tests.ledger.build import HERE, NOT_READ, occupancy, share, snapshot, study, unit
from tests.planning.build import volume
from tests.world import a_filesystem, a_view

GIB = 1 << 30
DATA, WORK = volume("data"), volume("work")
ROOT = "/d", 20
DISK = "/mnt/volumes", 100


def a_disk(mountpoint: str, percent: int, name: str, number: int) -> FilesystemStudy:
    """10 GiB, all of what is used in one volume."""
    used = 10 * GIB * percent // 100
    units = (unit(name, UnitKind.VOLUME, f"volume:{name}"),)
    made = study(units, Exact(occupancy((share(used, name),)), HERE), used=used)
    filesystem = a_filesystem(10 * GIB, used, HERE, mountpoint=mountpoint, fstype="ext4", block=1)
    mount = replace(filesystem.mount, mount_id=number, device=f"8:{number}")
    return replace(made, filesystem=replace(filesystem, mount=mount))


def a_host(*disks: FilesystemStudy) -> Snapshot:
    view = a_view(NOT_READ, images=(), containers=(), volumes=(DATA, WORK), build_cache=())
    return replace(snapshot(disks[0], view), studies=disks)


def judged(*disks: FilesystemStudy) -> Report:
    host = a_host(*disks)
    memory = recall(None, datetime.now(UTC), DEFAULTS.thresholds)
    return report(host, judge(host, close_books(host), memory, Ruling(DEFAULTS, {}, None)), memory.trend, DEFAULTS)


def test_a_disk_of_the_volumes_that_is_full_is_critical_and_leads_the_verdict() -> None:
    told = judged(a_disk(*ROOT, "work", 1), a_disk(*DISK, "data", 2))
    assert (told.severity, told.exit_status) == (Severity.P0, 2)
    assert "/mnt/volumes 100% used" in told.verdict
    assert told.plan.mount == "/mnt/volumes"
    full = [finding for finding in told.findings if finding.severity is Severity.P0]
    assert [finding.mount for finding in full] == ["/mnt/volumes"]
    assert "Severity: P0" in render(told)


def test_only_steps_that_free_bytes_on_the_short_one_are_planned() -> None:
    told = judged(a_disk(*ROOT, "work", 1), a_disk(*DISK, "data", 2))
    steps = (*told.plan.steps, *getattr(told.plan, "for_person", ()))
    assert {target.id for step in steps for target in step.targets} == {"data"}


def test_two_that_are_short_have_one_severity_the_worst_and_the_other_is_named() -> None:
    told = judged(a_disk("/d", 92, "work", 1), a_disk("/mnt/volumes", 97, "data", 2))
    assert (told.severity, told.plan.mount) == (Severity.P0, "/mnt/volumes")
    assert any(sentence.startswith("/d is short as well (P0)") for sentence in told.plan.left_out)


def test_where_nothing_presses_the_docker_roots_filesystem_is_told_as_ever() -> None:
    told = judged(a_disk("/d", 20, "work", 1), a_disk("/mnt/volumes", 60, "data", 2))
    assert (told.exit_status, told.plan.mount) in {(0, ""), (3, "")}
    assert "/mnt/volumes" not in told.verdict


def test_a_volume_is_told_with_its_bytes_where_they_lie_and_with_none_elsewhere() -> None:
    first, second = close_books(a_host(a_disk(*ROOT, "work", 1), a_disk(*DISK, "data", 2)))
    here = {item.name: item for item in first.ledger.items[Category.VOLUMES]}
    assert charged(here["data"].referenced) == 0
    assert here["data"].note == "its bytes lie on /mnt/volumes"
    (there,) = second.ledger.items[Category.VOLUMES]
    assert (there.name, charged(there.referenced)) == ("data", 10 * GIB)


def test_the_document_says_of_which_filesystem_a_finding_is() -> None:
    told = judged(a_disk(*ROOT, "work", 1), a_disk(*DISK, "data", 2))
    document = encode(told)
    Draft202012Validator(schema()).validate(document)
    findings, others = document["findings"], document["other_filesystems"]
    assert isinstance(findings, list)
    assert isinstance(others, list)
    assert {one["mount"] for one in findings if one["severity"] == "P0"} == {"/mnt/volumes"}
    assert document["plan_mount"] == "/mnt/volumes"
    assert document["filesystem"]["mount"] == "/d"  # type: ignore[index]
    assert [item["name"] for item in others[0]["items"]["volumes"]] == ["data"]
