"""Two looks become one: the disk by the probe, all the rest by us, and never two filesystems as one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collectors.ledger import account
from collectors.model import HOST_UNIT, UnitId
from collectors.model.filesystem import Mount, Occupancy, Share, Usage
from collectors.model.ledger import Category
from collectors.model.reading import Exact, Reading, Unavailable, Why, charged
from collectors.model.snapshot import FilesystemStudy, Outcome, Snapshot, SourceReport
from collectors.probe.answer import merged, without
from collectors.system.deadline import Declined
from tests.ledger.build import HERE, NOT_READ, occupancy, share, snapshot, study
from tests.probe.build import PROBE, disk, seen

UNREAD = Unavailable(Why.NOT_REACHABLE, "not mounted in this container", HERE)


def ours(holders: Reading[Occupancy] = UNREAD, *, root: str = "/docker/containers/x/hostname") -> Snapshot:
    one = study((), holders, used=7000)
    mount = replace(one.filesystem.mount, mountpoint="/etc/hostname", root=root)
    one = replace(one, filesystem=replace(one.filesystem, mount=mount), own=UNREAD, open_deleted=UNREAD)
    lines = [
        SourceReport(name, Outcome.UNREAD, "ours", 0.0) for name in ("daemon.json", "docker root", "bytes by holder")
    ]
    return replace(snapshot(one), reports=tuple(lines))


def theirs() -> FilesystemStudy:
    one = without(disk(), PROBE).studies[0]
    mount = replace(one.filesystem.mount, mountpoint="/var/lib/docker", root="/docker")
    return replace(one, filesystem=replace(one.filesystem, mount=mount))


def test_from_a_container_the_disk_is_the_probes_and_the_place_to_ask_stays_ours() -> None:
    lines = (
        SourceReport("docker root", Outcome.READ, "", 1.0),
        SourceReport("daemon.json", Outcome.UNREAD, "its", 1.0),
    )
    joined = merged(ours(), replace(disk(theirs()), reports=lines))
    main = joined.studies[0]
    assert (main.filesystem.mount.mountpoint, main.filesystem.mount.root) == ("/etc/hostname", "/docker")
    assert main.filesystem.space == replace_read_only(theirs())
    assert isinstance(joined.store, Exact)
    assert {line.source: line.reason for line in joined.reports} == {"daemon.json": "ours", "docker root": ""}
    ledger = account(joined, main).ledger
    assert sum(charged(row.charged) for row in ledger.rows) == main.filesystem.space.value.used_bytes  # type: ignore[union-attr]
    assert "/docker of this filesystem" in ledger.row(Category.OTHER_FILES).reason


def replace_read_only(one: FilesystemStudy) -> Reading[object]:
    assert isinstance(one.filesystem.space, Exact)
    return Exact(replace(one.filesystem.space.value, read_only=False), one.filesystem.space.origin)


def test_a_bind_that_is_read_only_makes_no_filesystem_so() -> None:
    one = theirs()
    assert isinstance(one.filesystem.space, Exact)
    closed = Exact(replace(one.filesystem.space.value, read_only=True), HERE)
    joined = merged(ours(), disk(replace(one, filesystem=replace(one.filesystem, space=closed))))
    space = joined.studies[0].filesystem.space
    assert isinstance(space, Exact)
    assert not space.value.read_only


def test_what_we_could_see_outside_of_docker_ourselves_stays() -> None:
    outside = occupancy((Share(frozenset({HOST_UNIT}), 1000, 0, 10),), (NOT_READ,))
    root = Usage(Exact(4, HERE), Exact(0, HERE), Exact(1, HERE), NOT_READ, ())
    inside = theirs()
    assert isinstance(inside.occupancy, Exact)
    found = inside.occupancy.value
    found = replace(found, usages={**found.usages, HOST_UNIT: root}, shares=(*found.shares, share(4, HOST_UNIT)))
    joined = merged(ours(Exact(outside, HERE), root="/"), disk(replace(inside, occupancy=Exact(found, HERE))))
    ledger = account(joined, joined.studies[0]).ledger
    assert charged(ledger.row(Category.OTHER_FILES).charged) == 1000
    assert charged(ledger.row(Category.VOLUMES).charged) == 2030
    assert NOT_READ.detail in ledger.row(Category.OTHER_FILES).reason
    assert joined.studies[0].filesystem.mount.root == "/"


def test_without_holders_the_fill_is_the_one_that_we_saw_before_there_was_a_probe() -> None:
    mine = ours()
    joined = merged(mine, disk(replace(theirs(), occupancy=NOT_READ)))
    assert joined.studies[0].filesystem.space == mine.studies[0].filesystem.space
    assert joined.studies[0].occupancy == NOT_READ


def test_two_filesystems_are_never_joined() -> None:
    far = theirs()
    mount = replace(far.filesystem.mount, device="9:9")
    with pytest.raises(Declined, match="not on the filesystem that we see"):
        merged(ours(), disk(replace(far, filesystem=replace(far.filesystem, mount=mount))))


def test_where_we_know_no_filesystem_at_all_the_probes_is_taken_whole() -> None:
    unknown = Mount(0, 0, "", "/", "?", (), "unknown", "unknown", ())
    mine = ours()
    blind = replace(mine.studies[0], filesystem=replace(mine.studies[0].filesystem, mount=unknown, space=UNREAD))
    joined = merged(replace(mine, studies=(blind,)), disk(theirs()))
    assert joined.studies[0].filesystem.mount.mountpoint == "/var/lib/docker"
    assert isinstance(joined.studies[0].filesystem.space, Exact)


def test_units_that_both_know_are_there_once() -> None:
    mine = ours()
    double = replace(mine.studies[0], units=seen().units[-1:])
    joined = merged(replace(mine, studies=(double,)), disk(theirs()))
    assert [unit.id for unit in joined.studies[0].units].count(UnitId("volume")) == 1
