"""What is seen with which privileges, on real engines: every figure as good as it is called, every gap with its reason.

`python -m tests.privileges` runs these and writes what they saw as a table.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.lab import Lab
from tests.privileges.expected import BY_FILESYSTEM, CATEGORIES, LETTERS
from tests.privileges.places import PLACES, Place
from tests.privileges.seen import AT_LEAST, ESTIMATE, EXACT, UNREAD, Seen, kind, look

pytestmark = pytest.mark.machine

MIB = 1 << 20
CHECKED = ("images", "containers", "logs", "volumes", "build_cache", "snapshots", "other_files")


@pytest.fixture(scope="session")
def everything(lab: Lab) -> dict[str, Seen]:
    return {place.key: look(place, lab) for place in PLACES}


@pytest.fixture(params=PLACES, ids=lambda place: place.key)
def seen(request: pytest.FixtureRequest, everything: dict[str, Seen]) -> Seen:
    place: Place = request.param
    return everything[place.key]


def test_each_category_is_known_as_well_as_the_privileges_allow(lab: Lab, seen: Seen) -> None:
    wanted = dict(zip(CATEGORIES, BY_FILESYSTEM[lab.fs][seen.place.key], strict=True))
    found = {category: kind(row) for category, row in seen.rows().items() if category in wanted}
    assert {c: k for c, k in found.items() if wanted[c] not in LETTERS[k]} == {}


def test_a_figure_is_as_good_as_it_is_called(lab: Lab, seen: Seen) -> None:
    for category in CHECKED:
        row, truth = seen.rows()[category], lab.truth.sums[category].allocated_bytes
        slack = max(MIB, truth // 50) + _in_trees(seen)
        match kind(row):
            case k if k == EXACT:
                assert row["bytes"] == pytest.approx(truth, abs=slack), category
            case k if k == AT_LEAST:
                assert row["bytes"] <= truth + slack, category
            case k if k == ESTIMATE:
                assert row["low_bytes"] - slack <= truth <= row["high_bytes"] + slack, category


def _in_trees(seen: Seen) -> int:
    """What subvolumes hold in tree blocks (DUP in a lab), which the lab's truth does not count."""
    btrfs = seen.document["btrfs"]
    sharing = btrfs["sharing"] if btrfs is not None else None
    return 2 * (sharing["held_tree_bytes"] or 0) if sharing is not None else 0


def test_whatever_is_not_measured_says_why(seen: Seen) -> None:
    rows = seen.document["ledger"]
    silent = [row["category"] for row in rows if kind(row) in (AT_LEAST, ESTIMATE, UNREAD) and not row["reason"]]
    silent += [row["source"] for row in seen.document["coverage"] if row["outcome"] != "read" and not row["reason"]]
    assert silent == []


def test_the_books_balance_with_the_little_that_is_seen(seen: Seen) -> None:
    assert sum(row["bytes"] or 0 for row in seen.document["ledger"]) == seen.document["filesystem"]["used_bytes"]


def test_the_disk_line_is_the_hosts_fill_in_every_place(lab: Lab, seen: Seen) -> None:
    df = subprocess.run(["df", "--output=pcent", lab.mount], capture_output=True, text=True, check=True)
    where = "/host/docker" if "/host/docker" in seen.place.words(lab) else str(lab.docker_root)
    assert seen.field("Disk").startswith(f"{df.stdout.split()[-1]} used (")
    assert seen.field("Disk").endswith(f" on {where})")


def test_the_share_that_is_explained_says_how_much_of_it_is_estimated(seen: Seen) -> None:
    rows = [row for row in seen.rows().values() if kind(row) == ESTIMATE and row["bytes"]]
    assert ("by estimate" in seen.field("Explained")) == bool(rows)


def test_only_who_may_not_ask_the_engine_ends_with_not_known(seen: Seen) -> None:
    assert (seen.status == 3) == (seen.place.key == "nobody")


def test_the_socket_alone_shows_the_allocation_of_the_hosts_btrfs(lab: Lab, everything: dict[str, Seen]) -> None:
    if lab.fs != "btrfs":
        assert everything["socket"].document["btrfs"] is None
        return
    inside, outside = everything["socket"].document["btrfs"], everything["root"].document["btrfs"]
    assert inside["uuid"] == outside["uuid"]
    assert inside["unallocated_bytes"] == outside["unallocated_bytes"] > 0
    allocated = [[space["logical_total_bytes"] for space in one["spaces"]] for one in (inside, outside)]
    assert allocated[0] == allocated[1]


def test_a_container_says_nothing_of_a_daemon_json_that_it_cannot_see(seen: Seen) -> None:
    assert (seen.coverage()["daemon.json"]["outcome"] == "unread") == seen.place.in_container
