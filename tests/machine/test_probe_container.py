"""--probe-container on a real engine: what it sees, what it may do, that it is in no figure and that nothing stays."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.lab import Lab
from tests.lab.require import require_machine
from tests.machine.probing import Trace, blind, caught, configured, document, go_on, gone, layers_of, line, trace
from tests.privileges import image
from tests.privileges.places import prepare

pytestmark = pytest.mark.machine

MEASURED = ("images", "logs", "volumes", "build_cache", "orphans", "docker_other")
GIB = 1 << 30
Seen: TypeAlias = tuple[dict[str, Any], dict[str, Any], Trace]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    require_machine()
    with Lab.up(driver="overlay2", mess="leak+everyday+culprits", size_mib=2048) as lab:
        prepare(lab)
        configured(lab, grace_s=1)
        yield lab


@pytest.fixture(scope="module")
def seen(lab: Lab) -> Seen:
    """The same disk by a probe and by root on the host; and what the engine noted of the probe."""
    config = ("--config", str(configured(lab, grace_s=1)))
    began = time.time()
    probed = document(blind(lab, *config))
    words = (sys.executable, "-m", "collectors", "--preflight", "--no-journal", "--no-state", "--host", lab.host)
    return probed, document((*words, "--format", "json", *config)), trace(lab, began)


def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["category"]: row for row in found["ledger"]}


def test_its_figures_are_those_of_root_on_the_host(seen: Seen) -> None:
    probed, root, _ = seen
    assert line(probed)["outcome"] == "read"
    assert line(probed)["took_s"] > 0
    for category in MEASURED:
        mine, theirs = rows(probed)[category], rows(root)[category]
        assert mine["low_bytes"] == mine["high_bytes"] == mine["bytes"], category
        assert mine["bytes"] == pytest.approx(theirs["bytes"], rel=0.01), category
    assert rows(probed)["orphans"]["bytes"] > 0
    assert rows(probed)["containers"]["bytes"] == pytest.approx(rows(root)["containers"]["bytes"], rel=0.01)


def test_the_same_things_are_named_with_the_same_bytes(seen: Seen) -> None:
    probed, root, _ = seen
    for category in ("images", "containers", "logs", "volumes", "build_cache", "orphans", "docker_other"):
        mine, theirs = ({item["id"]: item for item in one["items"][category]} for one in (probed, root))
        assert mine.keys() == theirs.keys()
        assert {name: item["state"] for name, item in mine.items()} == {
            name: item["state"] for name, item in theirs.items()
        }
    orphans = probed["items"]["orphans"]
    assert {item["id"]: item["bytes"] for item in orphans} == {
        item["id"]: item["bytes"] for item in root["items"]["orphans"]
    }
    assert all("mounts below the root" in item["proof"] for item in orphans)


def test_the_ledger_closes_on_the_disk_as_it_is_without_the_probe(
    seen: tuple[dict[str, Any], dict[str, Any], Any],
) -> None:
    probed, root, _ = seen
    used = probed["filesystem"]["used_bytes"]
    assert sum(row["bytes"] or 0 for row in probed["ledger"]) == used
    # A directory that grew for a moment keeps its blocks.
    assert used == pytest.approx(root["filesystem"]["used_bytes"], abs=64 << 10)


def test_it_is_in_no_figure_and_turns_no_image_into_one_in_use(seen: Seen) -> None:
    probed, _, traced = seen
    (probe,) = traced.ids
    assert probe not in repr(probed)
    assert "ullage-probe" not in repr(probed)
    paths = [item["id"] for items in probed["items"].values() for item in items if item["id"].startswith("/")]
    assert [path for path in paths if not os.path.lexists(path)] == []
    (own,) = [item for item in probed["items"]["images"] if item["name"] == image.IMAGE]
    assert own["state"] == "unused"


def test_it_is_removed_and_so_are_its_layers(lab: Lab, seen: Seen) -> None:
    traced = seen[2]
    assert traced.ids == traced.destroyed
    assert gone(lab, 0)
    before = layers_of(lab)
    document(blind(lab))
    assert layers_of(lab) == before


def test_without_the_flag_nothing_is_started(lab: Lab) -> None:
    began = time.time()
    words = tuple(word for word in blind(lab) if not word.startswith("--probe"))
    found = document(words)
    assert trace(lab, began).ids == frozenset()
    assert "probe container" not in {row["source"] for row in found["coverage"]}


def test_root_on_the_host_needs_none(lab: Lab) -> None:
    began = time.time()
    words = (sys.executable, "-m", "collectors", "--preflight", "--no-journal", "--no-state", "--host", lab.host)
    found = document((*words, "--format", "json", f"--probe-container={image.IMAGE}"))
    assert trace(lab, began).ids == frozenset()
    assert line(found)["reason"] == "not asked: the Docker root can be read from here: none was started"


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(one.split(":\t", 1) for one in lines if ":\t" in one)


def test_it_got_exactly_these_restrictions(lab: Lab) -> None:
    with caught(blind(lab), lab) as (process, found):
        host = found["HostConfig"]
        assert (host["NetworkMode"], host["ReadonlyRootfs"], host["AutoRemove"]) == ("none", True, True)
        assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], ["DAC_READ_SEARCH"])
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert (host["Privileged"], host["Devices"], host["PidMode"], host["Binds"]) == (False, None, "", None)
        assert (host["Memory"], host["PidsLimit"], host["LogConfig"]["Type"]) == (GIB, 64, "none")
        assert found["Config"]["Labels"]["ullage.probe"] == "true"
        (mount,) = found["Mounts"]
        assert (mount["Source"], mount["RW"], mount["Type"]) == (str(lab.docker_root), False, "bind")
        go_on(lab, found["Id"])
        process.communicate(timeout=60)  # a document may be larger than a pipe
        assert process.returncode in (0, 1)
        assert gone(lab, 0)


def test_the_kernel_holds_it_to_them(lab: Lab) -> None:
    with caught(blind(lab), lab) as (_, found):
        pid = found["State"]["Pid"]
        fields = status_of(pid)
        assert fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == f"{1 << 2:016x}"  # CAP_DAC_READ_SEARCH
        assert fields["NoNewPrivs"] == "1"
        table = [one.split(" ") for one in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
        root = str(lab.docker_root)
        assert [("ro" in one[5].split(",")) for one in table if one[4] in ("/", root)] == [True, True]
        assert any(one[4].startswith(f"{root}/overlay2/") for one in table)  # what proves a layer to be in use
        assert not any(one[4].endswith("docker.sock") for one in table)
        net = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
        assert [one.split(":")[0].strip() for one in net] == ["lo"]


def test_at_the_deadline_it_is_removed_and_the_status_is_not_known(lab: Lab) -> None:
    began = time.monotonic()
    with caught(blind(lab, "--deadline", "12"), lab) as (process, _):
        out, err = process.communicate(timeout=40)
        assert time.monotonic() - began < 12 + 8
        assert process.returncode == 3, err
        assert line(json.loads(out))["reason"].startswith("timed out: ")
        assert gone(lab, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_it_before_it_ends_us(lab: Lab, number: signal.Signals) -> None:
    with caught(blind(lab), lab) as (process, _):
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == -number
        assert time.monotonic() - began < 10
        assert gone(lab, 0)


def test_one_whose_parent_was_killed_outright_ends_and_leaves_nothing(lab: Lab) -> None:
    before = layers_of(lab)
    with caught(blind(lab, "--deadline", "10"), lab) as (process, probe):
        process.kill()
        process.wait(10)
        go_on(lab, probe["Id"])
        assert gone(lab, 15)
        assert layers_of(lab) == before


def test_an_image_that_lacks_the_program_is_the_reason(lab: Lab) -> None:
    words = tuple(word for word in blind(lab) if not word.startswith("--probe"))
    found = document((*words, "--probe-container=base:1"))
    assert found["exit_status"] == 3
    assert "executable file not found" in line(found)["reason"]
    assert gone(lab, 5)


def test_an_image_that_is_not_there_is_not_pulled(lab: Lab) -> None:
    words = tuple(word for word in blind(lab) if not word.startswith("--probe"))
    found = document((*words, "--probe-container=nowhere/ullage:9"))
    assert "No such image" in line(found)["reason"]
    assert found["exit_status"] == 0


def test_a_declared_volume_makes_none(lab: Lab) -> None:
    lab.docker("build", "-q", "-t", "declares:1", "-", stdin=f"FROM {image.IMAGE}\nVOLUME /data /more\n".encode())
    before = lab.docker("volume", "ls", "-q")
    words = tuple(word for word in blind(lab) if not word.startswith("--probe"))
    try:
        with caught((*words, "--probe-container=declares:1"), lab) as (process, probe):
            assert {mount["Type"] for mount in probe["Mounts"]} <= {"bind", "tmpfs"}
            assert lab.docker("volume", "ls", "-q") == before
            go_on(lab, probe["Id"])
            out, _ = process.communicate(timeout=60)
            assert line(json.loads(out))["outcome"] == "read"
        assert lab.docker("volume", "ls", "-q") == before
    finally:
        lab.docker("rmi", "declares:1")


def test_from_inside_a_container_the_own_image_is_found(lab: Lab) -> None:
    words = ("run", "--rm", "--network", "none", "-v", f"{lab.socket}:/var/run/docker.sock", image.IMAGE)
    page = lab.docker(*words, "--preflight", "--no-journal", "--no-state", "--probe-container")
    told = [one for one in page.splitlines() if one.startswith("| probe container |")]
    assert len(told) == 1
    assert "| read |" in told[0]


def test_btrfs_tells_what_a_walk_without_rights_can(lab: Lab) -> None:
    with Lab.up(driver="btrfs", mess="everyday", size_mib=2048) as other:
        prepare(other)
        found = document(blind(other))
        assert line(found)["outcome"] == "partial"
        assert "CAP_SYS_ADMIN" in line(found)["reason"]
        logs, truth = rows(found)["logs"], other.truth.sums["logs"].allocated_bytes
        assert logs["low_bytes"] == logs["high_bytes"] == pytest.approx(truth, rel=0.01)
        assert gone(other, 0)
