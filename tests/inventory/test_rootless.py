"""Neither an engine nor a Docker root: what can be said of the disk all the same, and where nothing may be."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.engine.decode.objects import decode_engine, greeting
from collectors.engine.endpoint import endpoint
from collectors.inventory import Request, assemble, roots
from collectors.inventory.roots import docker_root, likely_home
from collectors.ledger import account
from collectors.model.filesystem import Mount
from collectors.model.ledger import Category
from collectors.model.plan import Severity
from collectors.model.reading import Exact, Unavailable, Why, charged
from collectors.model.settings import DEFAULTS
from collectors.pipeline.judge import UNKNOWN, Ruling, close_books, judge, report
from collectors.pipeline.memory import blank
from collectors.report.text import render
from collectors.system.deadline import Clock, Host, this_host
from collectors.system.mount_table import Places
from tests.fakes.recordings import body
from tests.ledger.build import HERE

ABSENT = Unavailable(Why.NOT_REACHABLE, "no engine runs here", HERE)


@pytest.fixture
def host() -> Iterator[Host]:
    # A filesystem in memory: its walk is over at once.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="ullage-") as folder:
        (Path(folder) / "srv").mkdir()
        (Path(folder) / "srv" / "film").write_bytes(b"x" * (3 << 20))
        yield replace(this_host(), root=Path(folder))


def request(host: Host) -> Request:
    return Request(endpoint(f"unix://{host.root}/no.sock", {}, host.root), host, deadline_s=15.0, grace_s=3600.0)


def test_the_filesystem_where_a_docker_root_would_be_is_read_and_docker_is_not_called_zero(host: Host) -> None:
    found = assemble(request(host))
    assert isinstance(found.docker_root, Unavailable)
    (study,) = found.studies
    assert study.filesystem.mount.mountpoint == "/dev/shm"
    ledger = account(found, study).ledger
    assert charged(ledger.row(Category.OTHER_FILES).charged) >= 3 << 20
    for category in (Category.IMAGES, Category.LOGS, Category.ORPHANS, Category.DOCKER_OTHER):
        assert isinstance(ledger.row(category).charged, Unavailable), category
        assert isinstance(ledger.row(category).reclaimable, Unavailable), category
    assert isinstance(study.filesystem.space, Exact)
    assert sum(charged(row.charged) for row in ledger.rows) == study.filesystem.space.value.used_bytes
    assert [row.outcome for row in found.reports if row.source == "docker root"] == ["unread"]


def test_a_root_that_was_named_and_is_not_there_is_not_replaced_by_another_disk(host: Host) -> None:
    found = assemble(request(replace(host, docker_root=host.root / "nowhere")))
    assert all(isinstance(study.filesystem.space, Unavailable) for study in found.studies)


@pytest.mark.parametrize(("fstype", "told"), [("ext4", True), ("btrfs", True), ("overlay", False)])
def test_the_layered_root_of_a_container_says_nothing_of_the_host(fstype: str, told: bool) -> None:
    mount = Mount(1, 0, "8:1", "/", "/", ("rw",), fstype, "/dev/sda", ("rw",))
    assert (likely_home(request(this_host()), ABSENT, Places((mount,))) is not None) is told


def test_an_engine_that_answers_knows_where_its_root_is() -> None:
    mount = Mount(1, 0, "8:1", "/", "/", ("rw",), "ext4", "/dev/sda", ("rw",))
    greeted = greeting(body("26.1.5-overlay2", "version"), HERE)
    known = Exact(decode_engine(body("26.1.5-overlay2", "info"), greeted, HERE), HERE)
    assert likely_home(request(this_host()), known, Places((mount,))) is None


def test_disk_and_verdict_say_whose_disk_is_not_known_and_nothing_soothes(host: Host) -> None:
    found = assemble(request(host))
    accounts, memory = close_books(found), blank("no journal")
    told = report(found, judge(found, accounts, memory, Ruling(DEFAULTS, {}, None)), memory.trend, DEFAULTS)
    assert told.verdict.startswith("The Docker root's disk is not known; /dev/shm is shown · not known whether action")
    assert re.search(
        r"^Disk: \d+% used \(.*\): the Docker root's disk is not known; /dev/shm is shown$", render(told), re.M
    )
    assert told.exit_status == UNKNOWN or told.severity >= Severity.P1


def test_a_silent_engines_root_is_where_its_process_was_told(host: Host, tmp_path: Path) -> None:
    root = tmp_path / "docker"
    root.mkdir()
    folder = tmp_path / "proc" / "7"
    folder.mkdir(parents=True)
    (folder / "comm").write_text("dockerd\n")
    words = ("dockerd", "-H", f"unix://{host.root}/no.sock", "--data-root", str(root))
    (folder / "cmdline").write_text("\0".join(words))
    silent = Unavailable(Why.TIMED_OUT, "no answer in 3 s", HERE)
    frozen = replace(host, root=Path("/"), proc=tmp_path / "proc")
    asked = replace(request(host), host=frozen)
    found = docker_root(asked, silent, Exact(True, HERE), Clock(5.0))
    assert isinstance(found, Exact)
    assert found.value == str(root)
    root.rmdir()
    assert isinstance(docker_root(asked, silent, Exact(True, HERE), Clock(5.0)), Unavailable)


@pytest.mark.parametrize("used", [True, False])
def test_a_containerd_that_serves_others_stands_for_an_engine_that_is_not_there(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    """Docker's own containerd runs beside a Docker root that nobody knows: its disk is not the one to be told of."""
    root = host.root / "var/lib/rancher/k3s/agent/containerd"
    root.mkdir(parents=True)
    monkeypatch.setattr(roots, "serves_others", lambda _: used)
    nobody_runs = replace(host, proc=tmp_path)
    asked = Request(endpoint(None, {}, host.root), nobody_runs, deadline_s=15.0, grace_s=3600.0)
    found = docker_root(asked, ABSENT, ABSENT, Clock(5.0))
    assert (found.value if isinstance(found, Exact) else "") == (str(root) if used else "")
    frozen = Unavailable(Why.TIMED_OUT, "no answer in 3 s", HERE)
    assert isinstance(docker_root(asked, frozen, ABSENT, Clock(5.0)), Unavailable)
