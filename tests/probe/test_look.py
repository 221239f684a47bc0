"""Whether a probe is started, what it is asked, and what becomes of an engine or image that does not play along."""

from __future__ import annotations

import re
import signal
import threading
import time
from dataclasses import replace

import pytest

from collectors import probe
from collectors.engine.endpoint import Endpoint
from collectors.inventory import Request
from collectors.model import ContainerId, ImageId
from collectors.model.engine import Container, Engine, Flavour, ImageStore
from collectors.model.plan import Severity
from collectors.model.reading import Exact, Unavailable, Why
from collectors.model.snapshot import Outcome, Snapshot, SourceReport
from collectors.pipeline.judge import exit_status
from collectors.probe import Wish, answer, probed
from collectors.probe.creation import creation, image_of, program
from collectors.system.deadline import Declined, Host, this_host
from tests.fakes.server import Drip, Flood, Mute, Reply, Reset, Verbatim, wait_until
from tests.ledger.build import HERE, NOT_READ
from tests.probe.build import disk
from tests.probe.engine import DESCRIBED, ID, IMAGE, Scripted, frame, ok
from tests.probe.test_merging import ours, theirs

GIB = 1 << 30
ANSWER = answer.written_answer(disk(theirs())).encode()
ENGINE = Engine("", "e", Flavour.DOCKER, "20.10", "1.41", "overlay2", (), ImageStore.GRAPH_DRIVER, "/d", "", ())


def blind(engine: Engine = ENGINE) -> Snapshot:
    mine = ours()
    return replace(mine, engine=replace(mine.engine, engine=Exact(engine, HERE)), store=NOT_READ)


def look(
    script: Scripted, *, left_s: float = 5.0, image: str = "named:1", before: Snapshot | None = None
) -> tuple[Snapshot, SourceReport, list[str]]:
    """The snapshot, its line of coverage, and the requests that reached the engine."""
    with script.server() as server:
        request = Request(Endpoint(server.url, "test", False, None, ""), this_host(), 60.0, 3600.0)
        found = probed(before or blind(), request, Wish(image), left_s=left_s)
    line = found.reports[-1]
    assert line.source == "probe container"
    assert "defect" not in line.reason, line
    return found, line, [f"{one.method} {re.sub(r'^/v[0-9.]+', '', one.path)}" for one in server.requests]


def said(line: bytes, more: bytes = b"") -> Reply:
    return Reply(frame(1, line) + more, then_hang_up=True)


def test_an_answer_is_joined_and_the_container_removed_by_its_id() -> None:
    found, line, asked = look(Scripted(said(ANSWER)))
    assert (line.outcome, line.reason) == (Outcome.READ, "")
    assert isinstance(found.store, Exact)
    assert asked[:3] == ["GET /images/named:1/json", "POST /containers/create", f"POST /containers/{ID}/attach"]
    assert f"DELETE /containers/{ID}" in asked
    assert asked[-1] == f"GET /containers/{ID}/json"


BAD: dict[str, tuple[Scripted, str]] = {
    "the image lacks the program": (
        Scripted(said(b""), {"POST start": ok({"message": 'exec: "ullage": executable file not found'}, 400)}),
        "executable file not found",
    ),
    "no such image": (
        Scripted(said(b""), {"GET images/named:1/json": ok({"message": "No such image"}, 404)}),
        "No such image",
    ),
    "the engine refuses": (
        Scripted(said(b""), {"POST create": ok({"message": "authorization denied by plugin"}, 403)}),
        "not permitted: POST /v1.41/containers/create was refused with status 403: authorization denied",
    ),
    "garbage": (Scripted(said(b"hello, world\n")), "malformed: its answer is not JSON; it begins b'hello, world"),
    "another document": (Scripted(said(b'{"a": 1}\n')), "malformed: its answer is not that of a probe"),
    "no frames": (Scripted(Reply(b"plain text, no frames", then_hang_up=True)), "no stream of frames"),
    "half an answer": (Scripted(said(ANSWER[:500])), "ended with status 0 without an answer"),
    "killed": (Scripted(said(b""), status=137), "was killed, or took more memory"),
    "its last words": (
        Scripted(said(b"", frame(2, b"Traceback\nNo module named collectors\n")), status=1),
        "No module named",
    ),
    "2 GB": (Scripted(Flood(2 * GIB, first=frame(1, b"x")[:4] + b"\x7f\xff\xff\xff")), "more than the 67108864 bytes"),
    "2 GB in the engine's own words": (
        Scripted(said(b""), {"POST create": Flood(2 * GIB, first=b"{")}),
        "more than the 1048576 bytes",
    ),
    "the line breaks": (Scripted(Reset()), "closed the connection"),
    "no HTTP": (Scripted(Verbatim(b"ssh-2.0\r\n\r\n")), "does not answer in HTTP"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_goes_wrong_is_the_reason_and_nothing_is_left(what: str) -> None:
    script, reason = BAD[what]
    found, line, _ = look(script)
    assert line.outcome is Outcome.UNREAD
    assert reason in line.reason
    assert found.studies == blind().studies
    created = "images/named" not in repr(script.faults)
    assert script.removed == created


def test_two_gigabytes_are_not_read() -> None:
    script = BAD["2 GB"][0]
    with script.server() as server:
        request = Request(Endpoint(server.url, "test", False, None, ""), this_host(), 60.0, 3600.0)
        probed(blind(), request, Wish("named:1"), left_s=5.0)
        assert server.sent_bytes < GIB // 4


@pytest.mark.parametrize("hang", [Mute(), Drip(headers_at_once=True)], ids=["silent", "a byte a second"])
@pytest.mark.parametrize("where", ["POST create", "POST attach", "POST start", "GET images/named:1/json"])
def test_an_engine_that_hangs_costs_no_more_than_what_was_left(hang: Mute | Drip, where: str) -> None:
    began = time.monotonic()
    script = Scripted(said(ANSWER), {where: hang})
    _, line, _ = look(script, left_s=3.0)
    assert time.monotonic() - began < 4.5
    assert line.reason.startswith("timed out: ")
    assert script.removed == ("images" not in where)


def test_a_container_that_the_engine_keeps_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.probe.container.REMOVE_S", 1.0)
    stays = {"DELETE " + ID: ok({"message": "device busy"}, 500), "GET " + ID + "/json": ok({"Id": ID})}
    found, line, _ = look(Scripted(said(ANSWER), stays), left_s=30.0)
    assert isinstance(found.store, Exact)
    assert line.outcome is Outcome.PARTIAL
    assert re.search(r"container ullage-probe-[0-9a-f]{8} may be left: .*device busy", line.reason)


def test_an_answer_of_another_version_is_a_reason() -> None:
    other = ANSWER.replace(b'{"ullage_probe":"', b'{"ullage_probe":"x')
    _, line, _ = look(Scripted(said(other)))
    assert line.reason.startswith("inconsistent: the image holds ullage ")


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (replace(blind(), store=Exact(disk().store, HERE).value), "not asked: the Docker root can be read from here"),
        (replace(blind(), engine=replace(blind().engine, engine=NOT_READ)), "not permitted: no privilege"),
        (replace(blind(), engine=replace(blind().engine, local=Exact(False, HERE))), "runs on another machine"),
        (
            replace(blind(), engine=replace(blind().engine, local=Unavailable(Why.NOT_REACHABLE, "unproven", HERE))),
            "unproven",
        ),
        (blind(replace(ENGINE, api_version="1.29")), "not reported: the engine speaks API 1.29"),
        (blind(replace(ENGINE, driver="vfs")), "not applicable: vfs copies the whole image"),
        (blind(replace(ENGINE, api_version="?")), "not reported: the engine speaks API ?"),
    ],
)
def test_where_none_is_called_for_or_possible_the_engine_is_not_even_asked(before: Snapshot, reason: str) -> None:
    found, line, asked = look(Scripted(said(ANSWER)), before=before)
    assert asked == []
    assert line.outcome is Outcome.UNREAD
    assert reason in line.reason
    assert found.studies == before.studies


def test_without_time_none_is_started() -> None:
    _, line, asked = look(Scripted(said(ANSWER)), left_s=1.0)
    assert asked == []
    assert line.reason.startswith("timed out: 1.0 s were left")


def test_a_broken_probe_makes_no_zero_and_a_refused_one_is_no_fault() -> None:
    well = replace(
        blind(),
        engine=replace(
            blind().engine,
            images=Exact((), HERE),
            containers=Exact((), HERE),
            volumes=Exact((), HERE),
            build_cache=Exact((), HERE),
        ),
    )
    assert exit_status(well, Severity.OK) == 0
    for reason, status in (("timed out: late", 3), ("failed: broke", 3), ("not reachable: this is no container", 0)):
        line = SourceReport("probe container", Outcome.UNREAD, reason, 1.0)
        assert exit_status(replace(well, reports=(line,)), Severity.OK) == status


# What is created.


def test_the_body_holds_these_restrictions_and_nothing_more() -> None:
    asked = program(DESCRIBED, "{}", ours=False)
    body = creation(asked, ["/var/lib/docker"])
    assert body["Image"] == IMAGE
    assert "Entrypoint" not in body
    assert body["Labels"] == {"ullage.probe": "true"}
    assert body["HostConfig"] == {
        "AutoRemove": True,
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "Privileged": False,
        "CapDrop": ["ALL"],
        "CapAdd": ["DAC_READ_SEARCH"],
        "SecurityOpt": ["no-new-privileges"],
        "UsernsMode": "host",
        "Memory": GIB,
        "MemorySwap": GIB,
        "PidsLimit": 64,
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
        "Mounts": [
            {"Type": "bind", "Source": "/var/lib/docker", "Target": "/var/lib/docker", "ReadOnly": True},
            {"Type": "tmpfs", "Target": "/data", "ReadOnly": True, "TmpfsOptions": {"SizeBytes": 65536}},
        ],
    }


def test_an_image_without_an_entry_point_is_asked_for_the_command() -> None:
    assert program({"Id": IMAGE, "Config": None}, "{}", ours=False).entrypoint == ("ullage",)


def test_our_own_image_is_started_as_we_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/more")
    monkeypatch.setenv("SECRET", "of the operator")
    found = program(DESCRIBED, "{}", ours=True)
    assert found.entrypoint is not None
    assert found.arguments[:2] == ("-m", "collectors")
    assert found.environment["PYTHONPATH"].endswith(":/more")
    assert "SECRET" not in found.environment


def inside(tmp: Host, container: str) -> Host:
    folder = tmp.proc / "self"
    folder.mkdir(parents=True)
    line = f"9 1 8:1 /docker/containers/{container}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
    (folder / "mountinfo").write_text(line)
    return tmp


def container(identity: str) -> Container:
    return Container(
        ContainerId(identity), "me", ImageId(IMAGE), "me:1", "running", NOT_READ, NOT_READ, NOT_READ, NOT_READ, {}, "",
        NOT_READ, NOT_READ, NOT_READ, {}, (), NOT_READ,
    )  # fmt: skip


def test_the_image_is_the_named_one_else_that_of_this_container(tmp_path: object) -> None:
    host = replace(this_host(), proc=tmp_path)  # type: ignore[arg-type]
    assert image_of("named:1", host, NOT_READ) == "named:1"
    with pytest.raises(Declined, match="this is no container: name an image"):
        image_of("", host, NOT_READ)
    inside(host, ID)
    assert image_of("", host, Exact((container("e" * 64), container(ID)), HERE)) == IMAGE
    with pytest.raises(Declined, match="does not tell the image of this container"):
        image_of("", host, Exact((container("e" * 64),), HERE))


# How it ends.


def test_ending_all_removes_one_that_is_being_listened_to_at_once() -> None:
    script = Scripted(Drip(headers_at_once=True))
    lines: list[SourceReport] = []
    thread = threading.Thread(target=lambda: lines.append(look(script, left_s=30.0)[1]))
    thread.start()
    assert wait_until(lambda: any(one._id for one in probe._running))
    time.sleep(0.2)
    began = time.monotonic()
    probe.end_all()
    assert script.removed
    thread.join(5)
    assert time.monotonic() - began < 5
    assert lines[0].outcome is Outcome.UNREAD


def test_signals_are_taken_only_while_watched_and_only_where_nobody_else_has_them() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    term = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with probe.watched():
            assert signal.getsignal(signal.SIGTERM) is probe._ended
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGTERM, term)
