"""Where the devices cannot be read: the tree search, the last result, or a reason. Never a guess."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.filesystems import btrfs
from collectors.filesystems.btrfs.trees.walk import Walk
from collectors.model import UnitId
from collectors.model.btrfs import Quotas, Sharing, SplitRule
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import this_host
from tests.lab.commands import run
from tests.lab.require import require_machine
from tests.machine.btrfs_lab import MIB, Lab, assert_books_close, figures, lab, sharing

pytestmark = pytest.mark.machine
RULES = (SplitRule("volumes/a", UnitId("volumes/a")),)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Lab]:
    require_machine()
    with lab(tmp_path / "lab") as one:
        shape(one)
        yield one


def shape(made: Lab) -> None:
    made.subvolume("layers/0")
    for number in range(60):
        made.write(made.at / f"layers/0/file-{number}", 3000 + number * 700)
        made.write(made.at / f"volumes/a/file-{number}", 9000)
    made.write(made.at / "volumes/a/database", 8 * MIB)
    made.commit()
    for step in range(1, 8):
        layer = made.snapshot(f"layers/{step - 1}", f"layers/{step}")
        for number in range(step, 60, 7):
            made.write(layer / f"file-{number}", 20_000)
    made.overwrite(made.at / "volumes/a/database", 200)
    made.snapshot("", "backup")
    made.overwrite(made.at / "volumes/a/database", 200)
    made.commit()


def searched(at: Path) -> Sharing:
    """On a machine that shows no devices."""
    blind = dataclasses.replace(this_host(), dev=Path("/nowhere"))
    found = btrfs.sharing(at, blind, figures(at), RULES, deadline_s=60, cache=None)
    assert isinstance(found, Exact), found
    return found.value


def data_of(found: Sharing) -> dict[frozenset[UnitId], int]:
    return {row.holders: row.data_bytes for row in found.rows if row.data_bytes}


def test_the_tree_search_finds_the_same_data_as_the_devices(made: Lab) -> None:
    exact, other = sharing(made.at, *RULES), searched(made.at)
    assert (exact.method, other.method) == ("device trees", "tree search")
    assert "No such file" in other.fallback
    assert data_of(other) == data_of(exact)
    assert other.bookend_bytes == exact.bookend_bytes > 0
    held = {one.unit: (one.referenced_data_bytes, one.apparent_bytes, one.inodes) for one in exact.holdings}
    for one in other.holdings:
        assert (one.referenced_data_bytes, one.apparent_bytes, one.inodes) == held[one.unit]
        assert one.referenced_metadata_bytes is None
    assert other.residual_data_bytes == 0
    assert other.residual_metadata_bytes is None


@pytest.mark.parametrize(("profile", "devices"), [("raid5", 3), ("raid6", 4)])
def test_metadata_beside_parity_is_read_where_it_lies(profile: str, devices: int, tmp_path: Path) -> None:
    require_machine()
    with lab(tmp_path / "lab", devices=devices, mkfs=("-d", profile, "-m", profile)) as made:
        shape(made)
        found = sharing(made.at)
        assert found.method == "device trees", found.fallback
        assert_books_close(found)


def test_metadata_of_another_uuid_is_recognised(tmp_path: Path) -> None:
    require_machine()
    with lab(tmp_path / "lab") as made:
        run("umount", made.at)
        run("btrfstune", "-m", made.devices[0])
        run("mount", made.devices[0], made.at)
        shape(made)
        found = sharing(made.at)
        assert found.method == "device trees", found.fallback
        assert_books_close(found)


def test_an_unchanged_filesystem_is_not_walked_again(
    made: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks = 0
    run_walk = Walk.run

    def counted(self: Walk) -> None:
        nonlocal walks
        walks += 1
        run_walk(self)

    monkeypatch.setattr(Walk, "run", counted)

    def ask(*rules: SplitRule) -> Sharing:
        found = btrfs.sharing(made.at, this_host(), figures(made.at), rules, deadline_s=60, cache=tmp_path / "state")
        assert isinstance(found, Exact), found
        return found.value

    first = ask(*RULES)
    again = ask(*RULES)
    assert walks == 1
    assert again == dataclasses.replace(first, age_s=again.age_s)
    assert again.age_s > 0
    ask()  # other rules are another question
    assert walks == 2
    ask()
    assert walks == 2
    made.write(made.at / "new", MIB)
    changed = ask()
    assert walks == 3
    assert changed.age_s == 0
    assert_books_close(changed)


def test_a_deadline_that_runs_out_gives_the_last_result_with_its_age(made: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "state"

    def ask(deadline_s: float) -> object:
        return btrfs.sharing(made.at, this_host(), figures(made.at), RULES, deadline_s=deadline_s, cache=folder)

    none = ask(0.0)
    assert isinstance(none, Unavailable)
    assert none.why is Why.TIMED_OUT
    fresh = ask(60.0)
    assert isinstance(fresh, Exact)
    made.write(made.at / "new", MIB)
    late = ask(0.0)
    assert isinstance(late, Exact)
    assert late.value.rows == fresh.value.rows
    assert late.value.age_s > 0
    (file,) = folder.glob("*.json")
    file.write_text(file.read_text()[:-200])
    assert isinstance(ask(0.0), Unavailable), "a damaged file is no result"


SAY = """
import dataclasses, json, sys
from pathlib import Path
from collectors.model.reading import Exact
from collectors.filesystems import btrfs
from collectors.system.deadline import this_host
at, host = Path(sys.argv[1]), dataclasses.replace(this_host(), dev=Path(sys.argv[2]))
found = btrfs.filesystem(at, host, timeout_s=10).value
shared = btrfs.sharing(at, host, found, (), deadline_s=10, cache=None)
parts = ("generation", "devices", "spaces", "unallocated_bytes", "quotas", "chunks", "subvolumes")
say = lambda one: "exact" if isinstance(one, Exact) else f"{one.why}: {one.detail}"
print(json.dumps({**{part: say(getattr(found, part)) for part in parts}, "sharing": say(shared)}))
"""


def said_without_capabilities(at: Path, dev: str) -> dict[str, str]:
    """By a root that has no capability at all, as in a container."""
    words = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", SAY, str(at), dev)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout)
    return said


def test_without_cap_sys_admin_allocation_is_told_and_the_rest_says_what_it_lacks(made: Lab) -> None:
    said = said_without_capabilities(made.at, "/nowhere")
    for part in ("generation", "devices", "spaces", "unallocated_bytes", "quotas"):
        assert said[part] == "exact", part
    for part in ("chunks", "subvolumes", "sharing"):
        assert said[part].startswith("not permitted: "), said
        assert "CAP_SYS_ADMIN" in said[part]
    assert "No such file" in said["sharing"], "both ways are named"


def test_whoever_may_read_the_device_needs_no_capability_for_the_exact_walk(made: Lab) -> None:
    assert said_without_capabilities(made.at, "/dev")["sharing"] == "exact"


def test_quotas_are_read_and_refused_while_they_are_inconsistent(made: Lab) -> None:
    def quotas() -> Quotas:
        found = figures(made.at).quotas
        assert isinstance(found, Exact)
        return found.value

    assert quotas().mode == "off"
    run("btrfs", "quota", "enable", made.at)
    run("btrfs", "quota", "rescan", "-W", made.at)
    made.commit()
    assert (quotas().mode, quotas().consistent) == ("full", True)
    groups = quotas().groups
    assert isinstance(groups, Exact)
    assert len(groups.value) >= 10
    run("btrfs", "qgroup", "create", "1/7", made.at)
    run("btrfs", "qgroup", "assign", "--no-rescan", "0/5", "1/7", made.at)
    made.commit()
    assert not quotas().consistent
    refused = quotas().groups
    assert isinstance(refused, Unavailable)
    assert refused.why is Why.INCONSISTENT


def test_a_device_that_the_kernel_calls_dev_root_is_found_by_its_own_name(made: Lab) -> None:
    facts = figures(made.at)
    assert isinstance(facts.devices, Exact)
    (device,) = facts.devices.value
    renamed = dataclasses.replace(device, path="/dev/root")
    facts = dataclasses.replace(facts, devices=Exact((renamed,), facts.devices.origin))
    found = btrfs.sharing(made.at, this_host(), facts, (), deadline_s=60, cache=None)
    assert isinstance(found, Exact), found
    assert found.value.method == "device trees", found.value.fallback


def test_a_degraded_mirror_is_walked_from_what_is_left(tmp_path: Path) -> None:
    require_machine()
    with lab(tmp_path / "lab", devices=2) as made:
        shape(made)
        exact = sharing(made.at)
        facts = figures(made.at)
        assert isinstance(facts.devices, Exact)
        gone = tuple(dataclasses.replace(one, path="" if one.devid == 1 else one.path) for one in facts.devices.value)
        facts = dataclasses.replace(facts, devices=Exact(gone, facts.devices.origin))
        found = btrfs.sharing(made.at, this_host(), facts, (), deadline_s=60, cache=None)
        assert isinstance(found, Exact), found
        assert found.value.method == "device trees", found.value.fallback
        assert found.value.rows == exact.rows


def test_a_missing_device_without_a_copy_is_left_to_the_tree_search(tmp_path: Path) -> None:
    require_machine()
    with lab(tmp_path / "lab", devices=2, mkfs=("-d", "raid0", "-m", "raid0")) as made:
        shape(made)
        facts = figures(made.at)
        assert isinstance(facts.devices, Exact)
        gone = tuple(dataclasses.replace(one, path="" if one.devid == 2 else one.path) for one in facts.devices.value)
        facts = dataclasses.replace(facts, devices=Exact(gone, facts.devices.origin))
        found = btrfs.sharing(made.at, this_host(), facts, (), deadline_s=60, cache=None)
        assert isinstance(found, Exact), found
        assert (found.value.method, found.value.fallback) == ("tree search", "device 2 is missing")
