"""XFS with reflinks: what several files share is counted once, and what is said to come free is what comes free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.filesystems import limits_and_reflinks
from tests.bench.explain import preflight
from tests.lab import Lab, measure
from tests.lab.commands import run
from tests.lab.messes._write import MIB, random_file
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[Lab, dict[str, Any]]]:
    require_machine()
    with Lab.up(driver="overlay2", fs="xfs", mess="empty", size_mib=1024, mkfs_options=("-m", "reflink=1")) as lab:
        for name in VOLUMES:
            lab.docker("volume", "create", name)
        copied = random_file(data(lab, "copies") / "0", 80 * MIB)
        for number in range(1, 5):
            reflink(copied, copied.with_name(str(number)))
        reflink(random_file(data(lab, "one") / "dump", 40 * MIB), data(lab, "two") / "dump")
        backup = lab.mount / "backup"
        backup.mkdir()
        reflink(random_file(data(lab, "two") / "kept", 20 * MIB), backup / "a")
        reflink(random_file(backup / "own", 16 * MIB), backup / "twin")
        shared_in_other_ways(lab)
        run("sync", "--file-system", lab.mount)
        yield lab, preflight(lab)


def shared_in_other_ways(lab: Lab) -> None:
    """A tree of small files as `cp -r` copies it, a part of a file, a file of an image's layer."""
    for number in range(2000):
        random_file(data(lab, "tree") / f"{number % 40}/{number}", 8 << 10)
    run("cp", "-r", "--reflink=always", data(lab, "tree"), data(lab, "tree-copy") / "again")
    whole, piece = random_file(data(lab, "part") / "base", 40 * MIB), data(lab, "piece") / "middle"
    run("xfs_io", "-f", "-c", f"reflink {whole} 8m 0 16m", piece)
    lab.import_image("layer:1", {"blob": 24 * MIB})
    (blob,) = (lab.docker_root / "overlay2").glob("*/diff/blob")
    reflink(blob, data(lab, "clone") / "blob")


VOLUMES = ("copies", "one", "two", "tree", "tree-copy", "part", "piece", "clone")


def data(lab: Lab, volume: str) -> Path:
    return lab.docker_root / "volumes" / volume / "_data"


def reflink(source: Path, target: Path) -> None:
    run("cp", "--reflink=always", source, target)


def row(document: dict[str, Any], category: str) -> int:
    return int(next(one["bytes"] for one in document["ledger"] if one["category"] == category))


def volume(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in document["items"]["volumes"] if one["name"] == name]
    return dict(found)


def test_shared_extents_are_counted_once_and_the_books_close(told: tuple[Lab, dict[str, Any]]) -> None:
    _, document = told
    assert abs(row(document, "volumes") - (80 + 40 + 20 + 16 + 40) * MIB) < MIB
    assert abs(row(document, "images") - 24 * MIB) < MIB, "whose the shared file is first"
    assert abs(row(document, "unattributed")) < 2 * MIB
    assert abs(row(document, "other_files") - 16 * MIB) < MIB
    assert "reflinks counted once" in document["ledger"][0]["method"]


@pytest.mark.parametrize(
    ("name", "holds", "frees"),
    [
        ("copies", 80, 80),
        ("one", 40, 0),
        ("two", 60, 0),
        ("tree", 16, 0),
        ("tree-copy", 16, 0),
        ("part", 40, 24),
        ("piece", 16, 0),
        ("clone", 24, 0),
    ],
)
def test_what_removing_one_frees_is_what_nobody_else_holds(
    told: tuple[Lab, dict[str, Any]], name: str, holds: int, frees: int
) -> None:
    found = volume(told[1], name)
    assert abs(found["bytes"] - holds * MIB) < MIB
    assert abs(found["exclusive_bytes"] - frees * MIB) < MIB


def test_the_items_hold_every_byte_of_each_row(told: tuple[Lab, dict[str, Any]]) -> None:
    assert of_engine(told[0].host) == {}


def test_a_volume_of_copies_frees_what_was_said(told: tuple[Lab, dict[str, Any]]) -> None:
    lab, document = told
    said = volume(document, "copies")["exclusive_bytes"]
    before = measure.used_bytes(lab.mount)
    lab.docker("volume", "rm", "copies")
    run("sync", "--file-system", lab.mount)
    assert abs(before - measure.used_bytes(lab.mount) - said) < MIB


def test_the_project_of_a_directory_is_what_an_administrator_gave_it(told: tuple[Lab, dict[str, Any]]) -> None:
    """The first half of a project quota: the other half needs a kernel that enforces them."""
    lab, _ = told
    folder = lab.docker_root / "volumes/one"
    run("chattr", "-p", "77", folder)
    with limits_and_reflinks.opened(str(folder)) as one, limits_and_reflinks.opened(str(lab.docker_root)) as other:
        assert (limits_and_reflinks.project_of(one), limits_and_reflinks.project_of(other)) == (77, 0)
