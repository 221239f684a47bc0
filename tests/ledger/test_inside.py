"""Where inside things their bytes are: as paths that their containers, volumes and the host know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from collectors.ledger import account
from collectors.ledger.holders import classes
from collectors.ledger.inside import MOST, inside_units
from collectors.model import HOST_UNIT, UnitId
from collectors.model.filesystem import Occupancy, PathUsage, Usage
from collectors.model.ledger import Category
from collectors.model.reading import Exact
from collectors.model.store import UnitKind
from collectors.pipeline.memory import blank
from tests.ledger.build import HERE, NOT_READ, share, snapshot, study, unit

MIB = 1 << 20


def place(path: str, mib: int, inodes: int = 1, *, directory: bool = False) -> PathUsage:
    return PathUsage(path, directory, mib * MIB, mib * MIB, inodes, "")


def usage(mib: int, *inside: PathUsage) -> Usage:
    return Usage(Exact(mib * MIB, HERE), Exact(mib * MIB, HERE), Exact(9, HERE), NOT_READ, inside)


def told(kind: UnitKind, contents: str, *inside: PathUsage) -> list[tuple[str, int]]:
    one = unit("u", kind)
    found = inside_units([one], {one.id: usage(100, *inside)}, contents)
    return [(place.path, place.allocated_bytes // MIB) for place in found]


@pytest.mark.parametrize(
    ("kind", "contents", "folder"),
    [
        (UnitKind.WRITABLE_LAYER, "diff", "/diff"),
        (UnitKind.IMAGE_LAYER, "fs", "/fs"),
        (UnitKind.WRITABLE_LAYER, "", ""),
        (UnitKind.VOLUME, "diff", "/_data"),
        (UnitKind.TEMPORARY, "diff", ""),
    ],
)
def test_paths_begin_where_a_container_sees_the_root(kind: UnitKind, contents: str, folder: str) -> None:
    inside = place(f"{folder}/var/log/access.log", 60), place(folder or "/", 30, directory=True)
    assert told(kind, contents, *inside) == [("/var/log/access.log", 60), ("/", 30)]


def test_what_lies_beside_a_layers_files_is_the_engines() -> None:
    assert told(UnitKind.WRITABLE_LAYER, "diff", place("/work/x", 50), place("/diff/a", 40)) == [("/a", 40)]


def test_a_real_directory_called_diff_is_none_of_a_driver_that_makes_none() -> None:
    assert told(UnitKind.WRITABLE_LAYER, "", place("/diff/a", 40)) == [("/diff/a", 40)]


def test_few_are_told_and_none_that_is_small() -> None:
    found = told(UnitKind.VOLUME, "", *(place(f"/_data/{n}", 50 - n) for n in range(9)), place("/_data/tiny", 1))
    assert [path for path, _ in found] == ["/0", "/1", "/2", "/3", "/4"][:MOST]


def test_many_small_files_stand_out_among_large_ones() -> None:
    found = told(UnitKind.VOLUME, "", place("/_data/film", 900), place("/_data/queue", 1, 14_000, directory=True))
    assert {path for path, _ in found} == {"/film", "/queue"}


def held(usages: Mapping[UnitId, Usage], largest: tuple[PathUsage, ...], *units: Any) -> dict[str, list[str]]:
    shares = tuple(share(100 * MIB, name) for name in usages)
    one = study(tuple(units), Exact(Occupancy("walk", usages, shares, largest, (), 0, 0.0, None), HERE), used=900 * MIB)
    ledger = account(snapshot(one), one).ledger
    return {item.name: [one.path for one in item.inside] for item in ledger.items.get(Category.OTHER_FILES, ())}


def test_a_file_of_the_host_is_told_with_the_directory_that_lists_it() -> None:
    files = place("/srv/dump.tar", 700), place("/srv/www/film", 90), place("/srv/note", 1)
    directories = place("/srv", 800, directory=True), place("/srv/www", 100, directory=True)
    found = held({HOST_UNIT: usage(900, *files)}, directories)
    assert found == {"/srv": ["/srv/dump.tar"], "/srv/www": ["/srv/www/film"]}


def test_of_a_bind_mount_the_paths_are_the_hosts() -> None:
    bind = replace(unit("b", UnitKind.BIND), path="/srv/web")
    found = held({bind.id: usage(100, place("/uploads/a", 80))}, (), bind)
    assert found["/srv/web"] == ["/srv/web/uploads/a"]


def test_a_holder_outside_docker_is_called_by_the_file_that_is_most_of_it() -> None:
    files = (place("/srv/dump.tar", 700),)
    usages = {HOST_UNIT: usage(900, *files)}
    directories = place("/srv", 800, directory=True), place("/home", 100, directory=True)
    occupancy = Occupancy("walk", usages, (share(900 * MIB, HOST_UNIT),), directories, (), 0, 0.0, None)
    one = study((), Exact(occupancy, HERE), used=900 * MIB)
    kept = account(snapshot(one), one)
    (others,) = [
        c for c in classes(one, kept.ledger, kept.books, blank("").trend) if c.category is Category.OTHER_FILES
    ]
    assert [member.name for member in others.members] == ["/srv/dump.tar", "/home"]
