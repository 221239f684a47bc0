"""Every filesystem that holds the engine's data is judged: one severity, and the worst leads verdict and plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from collectors.cli.reclaim import aim
from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Category
from collectors.model.plan import Severity
from collectors.model.reading import Exact, Why, charged
from collectors.model.report import Report
from collectors.model.settings import DEFAULTS
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import UnitKind
from collectors.pipeline import FinishedRun, what_if
from collectors.pipeline.judge import Ruling, close_books, judge, report
from collectors.pipeline.memory import recall
from collectors.report.document import encode
from collectors.report.schema import schema
from collectors.report.text import render
from tests.ledger.build import HERE, NOT_READ, occupancy, share, snapshot, study, unit
from tests.planning.build import image, volume
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


def test_the_verdict_is_known_in_both_units() -> None:
    told = judged(a_disk(*ROOT, "work", 1), a_disk(*DISK, "data", 2))
    assert "GiB in volume data" in told.verdict
    assert told.verdict_in(si=False) == told.verdict
    assert "10.7 GB in volume data" in told.verdict_in(si=True)
    assert "GiB" not in told.verdict_in(si=True)
    older = replace(told, verdict_otherwise="")
    assert older.verdict_in(si=True) == told.verdict


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


def a_short_host() -> Report:
    """Both disks are short, the volumes' most."""
    return judged(a_disk("/d", 92, "work", 1), a_disk("/mnt/volumes", 97, "data", 2))


def test_what_if_is_asked_of_one_filesystem() -> None:
    host = a_host(a_disk("/d", 92, "work", 1), a_disk("/mnt/volumes", 97, "data", 2))
    accounts, memory = close_books(host), recall(None, datetime.now(UTC), DEFAULTS.thresholds)
    ruling = Ruling(DEFAULTS, {}, None)
    made = judge(host, accounts, memory, ruling)
    run = FinishedRun(report(host, made, memory.trend, DEFAULTS), host, made, memory, ruling)
    both = frozenset(Owner(OwnerKind.VOLUME, name) for name in ("data", "work"))
    for mount, name, used, planned in (("/d", "work", 92, ""), ("/mnt/volumes", "data", 97, "/mnt/volumes")):
        answer = what_if(run, mount)(both)
        assert answer.things == both
        assert charged(answer.frees) == 10 * GIB * used // 100
        assert [target.id for step in answer.plan.every_step for target in step.targets] == [name]
        assert answer.plan.mount == planned
    assert what_if(run, "/d")(both).without == {Owner(OwnerKind.VOLUME, "data"): "its bytes lie on /mnt/volumes"}
    assert what_if(run, "/mnt/volumes")(both).without == {}


def test_each_filesystem_has_a_plan_of_what_frees_bytes_on_it() -> None:
    told = a_short_host()
    (root,) = told.other_plans
    assert (told.plan.mount, root.mount) == ("/mnt/volumes", "")
    for plan, name in ((told.plan, "data"), (root, "work")):
        assert {target.id for step in plan.every_step for target in step.targets} == {name}
        assert not any("would free nothing" in sentence for sentence in plan.left_out)


def test_the_document_has_the_plan_of_the_one_that_leads_at_the_top_and_the_others_beside_their_ledgers() -> None:
    document: dict[str, Any] = encode(a_short_host())
    Draft202012Validator(schema()).validate(document)
    (step,) = document["plan_for_person"]
    assert step["command"].endswith(" data")
    (mine,) = document["filesystem_plan"]["for_person"]
    assert mine["command"].endswith(" work")
    assert document["other_filesystems"][0]["plan"] is None
    calm: dict[str, Any] = encode(judged(a_disk("/d", 92, "work", 1), a_disk("/mnt/volumes", 30, "data", 2)))
    Draft202012Validator(schema()).validate(calm)
    assert calm["filesystem_plan"] is None
    assert calm["plan_mount"] == "/d"
    (other,) = calm["other_filesystems"][0]["plan"]["for_person"]
    assert other["command"].endswith(" data")


def test_the_text_has_the_worst_plan_first_and_each_other_under_its_mount_and_no_field_twice() -> None:
    page = render(a_short_host())
    section = page.partition("## Docker Storage Plan\n")[2].partition("\n\n## ")[0].splitlines()
    fields = [line.partition(":")[0] for line in section if not line.startswith((" ", "-"))]
    assert fields == ["Plan", "For a person", "Other plan"]
    (at,) = [number for number, line in enumerate(section) if line.startswith("Other plan: /d, 92% used (")]
    assert any("Remove the volume data" in line for line in section[:at])
    assert not any("volume data" in line for line in section[at:])
    assert any(line.startswith("  - For a person: ") and "Remove the volume work" in line for line in section[at:])


def test_a_filesystem_with_nothing_to_do_and_no_alarm_is_not_planned_for_in_the_text() -> None:
    empty = replace(a_disk("/mnt/volumes", 30, "none", 2), units=())
    assert "Other plan" not in render(judged(a_disk("/d", 92, "work", 1), empty))


def test_what_lies_elsewhere_is_in_no_plan_also_where_the_engine_alone_tells_its_bytes() -> None:
    """The walk of the volumes' disk was cut short: what the engine claims of another disk's images frees nothing."""
    cut = a_disk("/mnt/volumes", 97, "data", 2)
    assert isinstance(cut.occupancy, Exact)
    late = replace(NOT_READ, why=Why.TIMED_OUT)
    cut = replace(cut, occupancy=Exact(replace(cut.occupancy.value, unread=(late,)), HERE))
    root = a_disk("/d", 50, "layer", 1)
    root = replace(root, units=(unit("layer", UnitKind.IMAGE_LAYER, "image:sha256:old"),))
    view = a_view(NOT_READ, images=(image("old"),), containers=(), volumes=(DATA,), build_cache=())
    host = replace(snapshot(root, view), studies=(root, cut))
    memory = recall(None, datetime.now(UTC), DEFAULTS.thresholds)
    made = judge(host, close_books(host), memory, Ruling(DEFAULTS, {}, 80.0))
    assert made.plan.mount == "/mnt/volumes"
    assert {target.id for step in made.plan.every_step for target in step.targets} == {"data"}
    assert {target.id for step in made.plans[0].every_step for target in step.targets} <= {"sha256:old"}


def test_a_plan_can_be_aimed_at_one_filesystem_by_its_mount(capsys: pytest.CaptureFixture[str]) -> None:
    told = a_short_host()
    for mount, plan in (("/d", told.other_plans[0]), ("/mnt/volumes/", told.plan)):
        aimed = aim(told, mount)
        assert aimed is not None
        assert aimed.plan is plan
        assert aimed.judged_ledger is not None
        assert aimed.judged_ledger.filesystem.mount.mountpoint == mount.rstrip("/")
        assert (aimed.severity, aimed.verdict, len(aimed.plans)) == (told.severity, told.verdict, 2)
    assert aim(told, None) is told
    assert aim(told, "/elsewhere") is None
    assert "/d, /mnt/volumes" in capsys.readouterr().err
