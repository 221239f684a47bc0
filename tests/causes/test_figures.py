"""Causes that are told by a number or a flag alone: when they are found, how bad, and what they do not claim."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from collectors.causes.finding_context import largest
from collectors.model import UnitId
from collectors.model.btrfs import Btrfs, Device, QuotaMode, Quotas, Room, Space
from collectors.model.engine import DaemonConfig
from collectors.model.filesystem import Occupancy, PathUsage, ProjectQuota
from collectors.model.ledger import Category, Release
from collectors.model.plan import Finding, Severity
from collectors.model.reading import Exact
from collectors.model.store import Orphanhood, Unit, UnitKind
from tests.causes.build import an_item, found
from tests.owners import owner
from tests.planning.build import GIB, HERE, MIB, UNREAD, Scene, btrfs, image

QUIET = Scene(used=10 * GIB)


def rules(findings: tuple[Finding, ...]) -> dict[str, Severity]:
    return {finding.rule: finding.severity for finding in findings}


def test_a_quiet_machine_has_no_finding() -> None:
    assert found(QUIET) == ()


@pytest.mark.parametrize(
    ("left", "expected"),
    [(200, {}), (100, {"inodes-exhausted": Severity.P1}), (50, {"inodes-exhausted": Severity.P0})],
)
def test_inodes_run_out_whatever_df_says(left: int, expected: dict[str, Severity]) -> None:
    assert rules(found(QUIET, space={"inodes": 1000, "inodes_free": left, "inodes_available": left})) == expected


def test_who_holds_most_inodes_is_named_by_their_number_and_not_by_bytes() -> None:
    large = an_item(Category.BUILD_CACHE, "layers", 9 * GIB, "unused", inodes=40)
    many = replace(
        an_item(Category.VOLUMES, "mail", MIB, "in use", inodes=700),
        owner="postfix",
        inside=(PathUsage("/", True, 0, 0, 20, ""), PathUsage("/maildrop", True, MIB, 0, 680, "")),
    )
    told = found(QUIET, large, many, space={"inodes": 1000, "inodes_free": 50, "inodes_available": 50})
    (one,) = [finding for finding in told if finding.rule == "inodes-exhausted"]
    assert "the most by volume mail" in one.claim
    assert one.evidence == (
        ("free inodes", "50"),
        ("volume mail", "700 inodes, of them 680 in /maildrop"),
        ("build cache layers", "40 inodes"),
    )
    assert one.remedy == "remove the files that nobody needs in volume mail (postfix uses it): 700 inodes"


@pytest.mark.parametrize(("mib", "expected"), [(79, None), (80, Severity.P3), (90, Severity.P2)])
def test_who_is_at_its_own_limit_is_named_whatever_room_the_disk_has(mib: int, expected: Severity | None) -> None:
    mail = an_item(Category.VOLUMES, "mail", mib * MIB, "in use")
    (study,) = QUIET.snapshot().studies
    unit = Unit(UnitId("/v/mail"), UnitKind.VOLUME, "/v/mail", "mail", frozenset({mail.owner_id}), False, None)
    quota = Exact((ProjectQuota(unit.id, 100 * MIB, mib * MIB),), HERE)
    told = found(QUIET, mail, studies=(replace(study, units=(unit,), quotas=quota),))
    assert rules(told).get("project-quota") == expected
    if expected is not None:
        assert (
            told[0].claim == f"volume mail is at {mib}% of its project quota: its writes fail there, whatever df says"
        )


def test_evidence_says_where_inside_the_largest_their_bytes_are() -> None:
    log = PathUsage("/var/log/app/access.log", False, 3 * GIB, 3 * GIB, 1, "")
    web = replace(an_item(Category.VOLUMES, "web", 4 * GIB), inside=(log,))
    spread = replace(an_item(Category.VOLUMES, "spread", 2 * GIB), inside=(replace(log, allocated_bytes=MIB),))
    third = replace(an_item(Category.VOLUMES, "third", GIB), inside=(replace(log, allocated_bytes=GIB),))
    labels = [label for label, _ in largest((third, spread, web))]
    assert labels == ["web", "web: /var/log/app/access.log", "spread", "third"]


def test_what_unused_images_would_free_is_told_in_inodes() -> None:
    freed = Release(frozenset({owner("image:sha256:x")}), 5, 0, 321)
    scene = Scene(used=10 * GIB, images=(image("x"),), releases=(freed,))
    told = found(scene, space={"inodes": 1000, "inodes_free": 50, "inodes_available": 50})
    (one,) = [finding for finding in told if finding.rule == "inodes-exhausted"]
    assert one.remedy == "removing unused images and build cache frees 321 inodes"


def test_a_reserve_of_ext_is_worth_a_line_on_a_disk_of_data_and_no_other_filesystem_has_one() -> None:
    kept = {"available_bytes": 85 * GIB}
    assert rules(found(QUIET, space=kept)) == {"ext-reserve": Severity.P4}
    assert found(QUIET, space=kept, mount={"fstype": "xfs"}) == ()


def test_a_filesystem_that_the_kernel_turned_read_only_is_the_worst() -> None:
    assert rules(found(QUIET, mount={"super_options": ("ro",)})) == {"forced-read-only": Severity.P0}


def test_where_docker_is_not_the_culprit_the_files_outside_it_are_named() -> None:
    (told,) = found(QUIET, an_item(Category.OTHER_FILES, "/srv", 4 * GIB), an_item(Category.OTHER_FILES, "/home", MIB))
    assert (told.rule, told.severity, told.evidence[0][0]) == ("host-files", Severity.P4, "/srv")
    assert found(QUIET, an_item(Category.OTHER_FILES, "/srv", 3 * GIB)) == ()


def test_what_could_not_be_read_is_told_and_never_certain() -> None:
    silent = replace(QUIET.snapshot().engine, engine=UNREAD)
    told = found(QUIET, engine=silent, docker_root=UNREAD)
    assert rules(told) == {"engine-unreachable": Severity.P3}
    study = replace(QUIET.snapshot().studies[0], occupancy=Exact(Occupancy("walk", {}, (), (), (), 0, 0.0, None), HERE))
    nowhere = replace(QUIET.snapshot(), studies=(study,))
    told = found(_Given(nowhere), docker_root=UNREAD, assumed=True)
    assert rules(told) == {"no-docker-root": Severity.P4}
    unknown = replace(study, filesystem=replace(study.filesystem, space=UNREAD))
    told = found(_Given(replace(nowhere, studies=(unknown,))))
    assert rules(told) == {"disk-unknown": Severity.P2}
    assert not any(finding.certain for finding in told)
    dead = replace(UNREAD, detail="Input/output error: /var/lib/docker")
    gone = replace(study, filesystem=replace(study.filesystem, space=dead))
    (told_of_it,) = found(_Given(replace(nowhere, studies=(gone,))))
    assert (told_of_it.rule, told_of_it.severity, told_of_it.certain) == ("disk-unknown", Severity.P0, True)


def test_growth_that_nothing_bounds_is_found_before_it_hurts() -> None:
    loose = Exact(DaemonConfig("/etc/docker/daemon.json", False, False), HERE)
    cache = an_item(Category.BUILD_CACHE, "r", 9, "in use")
    assert rules(found(QUIET, daemon_config=loose)) == {"no-log-rotation": Severity.P4}
    assert "no-cache-ceiling" in rules(found(QUIET, cache, daemon_config=loose))
    bounded = Exact(DaemonConfig("/etc/docker/daemon.json", True, True), HERE)
    assert found(QUIET, cache, daemon_config=bounded) == ()


def _a_btrfs(**changes: Any) -> Scene:
    healthy = btrfs(data=((40 * GIB, 10 * GIB),), metadata=(GIB, 100 * MIB), unallocated=20 * GIB)
    return Scene(used=10 * GIB, fstype="btrfs", btrfs=replace(healthy, **changes))


def _device(errors: dict[str, int], *, missing: bool = False) -> Any:
    counted = Exact(tuple(errors.items()), HERE)
    return Exact((Device(1, "" if missing else "/dev/vdb", "d", GIB, GIB, counted, missing, not missing),), HERE)


def _half_converted() -> Any:
    made: Btrfs | None = _a_btrfs().btrfs
    assert made is not None
    assert isinstance(made.spaces, Exact)
    return Exact((*made.spaces.value, Space("data", "RAID1", GIB, GIB // 2, 2, 1)), HERE)


def _room(count: int, profile: str) -> Any:
    """Of data; what metadata can have is not told."""
    return Exact((Room("data", profile, 1, Exact(count, HERE), GIB),), HERE)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ({"write_errs": 2}, "replace it before anything is balanced"),
        ({"generation_errs": 3}, "write it anew from the other copies"),
        ({"corruption_errs": 1}, "scrub"),
    ],
)
def test_what_a_device_counts_says_what_to_do_first(errors: dict[str, int], said: str) -> None:
    (told,) = found(_a_btrfs(devices=_device(errors)))
    assert said in told.remedy


def _sharing(**changes: Any) -> Any:
    made: Btrfs | None = _a_btrfs().btrfs
    assert made is not None
    assert isinstance(made.sharing, Exact)
    return Exact(replace(made.sharing.value, **changes), HERE)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"devices": _device({"write_errs": 2})}, {"btrfs-device-errors": Severity.P1}),
        ({"devices": _device({}, missing=True)}, {"btrfs-device-missing": Severity.P1}),
        ({"spaces": _half_converted()}, {"btrfs-profiles": Severity.P3}),
        ({"rooms": _room(2 * GIB, "RAID1"), "spaces": _half_converted()},
         {"btrfs-profiles": Severity.P3, "btrfs-data-room": Severity.P1}),
        ({"spaces": _half_converted(), "operation": Exact("balance paused", HERE)}, {"btrfs-profiles": Severity.P4}),
        ({"quotas": Exact(Quotas(QuotaMode.FULL, False, False, Exact((), HERE)), HERE)}, {"btrfs-quotas": Severity.P4}),
        ({"sharing": _sharing(residual_data_bytes=9)}, {"btrfs-inexact": Severity.P3}),
        ({"sharing": _sharing(bookend_bytes=GIB)}, {"btrfs-bookends": Severity.P3}),
        ({"sharing": UNREAD}, {}),
    ],
)  # fmt: skip
def test_what_a_btrfs_says_of_itself(changes: dict[str, Any], expected: dict[str, Severity]) -> None:
    assert rules(found(_a_btrfs(**changes))) == expected


def test_a_layer_without_proof_is_no_orphan_and_the_proof_that_failed_is_told() -> None:
    young = an_item(Category.DOCKER_OTHER, "layer", GIB, Orphanhood.YOUNG.value)
    (told,) = found(QUIET, young)
    assert (told.rule, told.severity, told.certain) == ("orphan-candidates", Severity.P4, False)
    store = QUIET.snapshot().store
    assert isinstance(store, Exact)
    (told,) = found(QUIET, store=Exact(replace(store.value, orphans=UNREAD), HERE))
    assert (told.rule, told.bytes, told.certain) == ("orphans-unknown", None, False)


def test_a_finding_carries_the_category_that_it_is_about() -> None:
    (told,) = found(QUIET, an_item(Category.ORPHANS, "/docker/overlay2/l", 9))
    assert (told.rule, told.category) == ("orphans", Category.ORPHANS)


class _Given(Scene):
    """A scene whose snapshot is made by hand."""

    def __init__(self, snapshot: Any) -> None:
        super().__init__()
        self._given = snapshot

    def snapshot(self) -> Any:
        return self._given
