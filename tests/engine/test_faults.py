"""Engines that do not answer, answer badly, or may not be asked: a reason within the deadline and a second."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from collectors.engine import endpoint, view
from collectors.engine.session import BODY_LIMIT_BYTES
from collectors.model.engine import EngineView
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import this_host
from tests.fakes.asking import ask
from tests.fakes.engine import Fault, engine
from tests.fakes.server import Drip, Flood, Mute, Reply, Reset, Server, Verbatim

DEADLINE_S = 0.6
HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
TWO_GB = 2 * 10**9


def look(url: str, deadline_s: float = DEADLINE_S) -> EngineView:
    """A view that is there in time."""
    began = time.monotonic()
    seen = view(endpoint(url, {}, Path("/nowhere")), this_host(), deadline_s=deadline_s)
    assert time.monotonic() - began < deadline_s + 1
    return seen


def everything(seen: EngineView) -> list[Any]:
    return [
        seen.engine,
        seen.local,
        seen.images,
        seen.containers,
        seen.volumes,
        seen.build_cache,
        seen.layers_size,
    ]


BAD_ENGINES: dict[str, tuple[Fault, Why, str]] = {
    "accepts and keeps silent": (Mute(), Why.TIMED_OUT, "no answer in 0.6 s"),
    "sends a byte a second": (Drip(), Why.TIMED_OUT, "no answer in 0.6 s"),
    "sends a byte now and then": (Drip(every_s=0.05), Why.TIMED_OUT, "no answer in 0.6 s"),
    "sends a byte of the body a second": (Drip(headers_at_once=True), Why.TIMED_OUT, "no answer in 0.6 s"),
    "takes too long": (Reply(b"{}", delay_s=30), Why.TIMED_OUT, "no answer in 0.6 s"),
    "hangs up": (Reset(), Why.FAILED, "closed the connection"),
    "hangs up in the middle": (
        Verbatim(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"),
        Why.MALFORMED,
        "ended early",
    ),
    "hangs up in the middle of a chunk": (
        Verbatim(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"),
        Why.MALFORMED,
        "ended early",
    ),
    "truncates its JSON": (Reply(b'{"ApiVersion": "1.4'), Why.MALFORMED, "not JSON"),
    "sends a page": (Reply(HTML, content_type="text/html"), Why.MALFORMED, "not JSON"),
    "sends a page as an error": (Reply(HTML, status=500, content_type="text/html"), Why.FAILED, "status 500"),
    "sends an empty body": (Reply(b""), Why.MALFORMED, "not JSON"),
    "sends a list where an object belongs": (Reply(b"[]"), Why.MALFORMED, "not a JSON object"),
    "speaks something else": (Verbatim(b"SSH-2.0-OpenSSH_9.6\r\n"), Why.MALFORMED, "does not answer in HTTP"),
    "sends endless headers": (Verbatim(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000), Why.MALFORMED, "HTTP"),
    "is not allowed to answer": (
        Reply(b'{"message": "denied by policy"}', status=403),
        Why.NOT_PERMITTED,
        "denied by policy",
    ),
    "sends us elsewhere": (Verbatim(b"HTTP/1.1 301 X\r\nLocation: http://example.com/\r\n\r\n"), Why.FAILED, "301"),
    "speaks an unknown version": (Reply(b'{"ApiVersion": "next"}'), Why.MALFORMED, "next"),
}


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("fault", BAD_ENGINES)
def test_an_engine_that_does_not_say_who_it_is_gives_one_reason_for_all(fault: str, tcp: bool) -> None:
    action, why, words = BAD_ENGINES[fault]
    with engine("26.1.5-overlay2", {"*": action}, tcp=tcp) as server:
        readings = everything(look(server.url))

    for reading in readings:
        assert isinstance(reading, Unavailable)
        assert (reading.why, words in reading.detail) == (why, True), reading.detail


@pytest.mark.parametrize("fault", BAD_ENGINES)
@pytest.mark.parametrize(
    ("path", "lost"),
    [
        ("/images/json", ("images",)),
        ("/containers/json", ("containers",)),
        ("/volumes", ("volumes",)),
        ("/system/df?type=build-cache", ("build_cache",)),
        ("/system/df?type=image", ("layers_size",)),
        ("/info", ("engine", "local")),
    ],
)
def test_a_bad_answer_costs_only_its_own_part(path: str, lost: tuple[str, ...], fault: str) -> None:
    action, _, _ = BAD_ENGINES[fault]
    with engine("26.1.5-overlay2", {path: action}) as server:
        seen = look(server.url, 0.4)

    for part in ("engine", "images", "containers", "volumes", "build_cache", "layers_size"):
        reading = getattr(seen, part)
        if part in lost and not (fault == "sends a list where an object belongs" and "json" in path):
            assert isinstance(reading, Unavailable), part
            assert reading.why is not Why.DEFECT
        else:
            assert isinstance(reading, Exact), part


@pytest.mark.parametrize("first", [b"", b"[", b'{"Version": "'])
@pytest.mark.parametrize("declared", [True, False])
def test_two_gigabytes_are_neither_read_nor_held(first: bytes, declared: bool) -> None:
    flood = Flood(TWO_GB, first, declared)
    with engine("26.1.5-overlay2", {"/version": flood, "/images/json": flood}) as server:
        found = ask(server.url, deadline_s=10)
        assert server.sent_bytes < 2 * BODY_LIMIT_BYTES

    assert found.engine[0] == Why.MALFORMED
    assert found.peak_bytes < BODY_LIMIT_BYTES * 4


def test_a_socket_that_is_not_there() -> None:
    seen = look("unix:///nowhere/docker.sock")
    for reading in everything(seen):
        assert isinstance(reading, Unavailable)
        assert reading.why is Why.NOT_REACHABLE
        assert reading.detail == "no socket at /nowhere/docker.sock: no engine runs there"


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="ullage-") as name:
        yield Path(name)


def test_a_socket_that_nobody_listens_at(folder: Path) -> None:
    path = folder / "engine.sock"
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(path))
    reading = look(f"unix://{path}").engine
    assert isinstance(reading, Unavailable)
    assert (reading.why, reading.detail) == (Why.NOT_REACHABLE, f"nobody listens at {path}: the engine is stopped")


def test_a_socket_whose_queue_is_full_is_a_time_out(folder: Path) -> None:
    """A stopped daemon: connections wait in the kernel's queue until that is full, then connecting fails at once."""
    path = folder / "engine.sock"
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(path))
        line.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(str(path))
        reading = look(f"unix://{path}").engine
        for client in waiting:
            client.close()
    assert isinstance(reading, Unavailable)
    assert reading.why is Why.TIMED_OUT
    assert "accepts no connection" in reading.detail


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("mode", "group", "remedy"), [(0o660, 1, "be root or in group daemon"), (0o600, 0, "be root")])
def test_a_socket_without_permission_says_who_has_it(mode: int, group: int, remedy: str) -> None:
    with engine("26.1.5-overlay2") as server:
        server.path.parent.chmod(0o755)
        server.path.chmod(mode)
        os.chown(server.path, 0, group)
        found = ask(server.url, deadline_s=5, uid=65534)
    assert found.engine == (Why.NOT_PERMITTED, f"no permission on {server.path}: {remedy}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_socket_in_a_closed_folder_is_no_permission_either() -> None:
    with engine("26.1.5-overlay2") as server:
        found = ask(server.url, deadline_s=5, uid=65534)
    assert found.engine == (Why.NOT_PERMITTED, f"no permission on {server.path}: be root or in group docker")


@pytest.mark.parametrize(
    ("url", "why", "words"),
    [
        ("tcp://127.0.0.1:1", Why.NOT_REACHABLE, "nobody listens at tcp://127.0.0.1:1"),
        ("tcp://no-such-host.invalid:2375", Why.NOT_REACHABLE, "no-such-host.invalid"),
        (f"unix:///{'x' * 200}", Why.FAILED, "path too long"),
        ("unix:///etc/passwd", Why.NOT_REACHABLE, "nobody listens"),
        ("unix:///etc/passwd/x", Why.NOT_REACHABLE, "no socket"),
        ("unix:///a?b#c", Why.NOT_REACHABLE, "no socket at /a?b#c"),
    ],
)
def test_addresses_that_lead_nowhere(url: str, why: Why, words: str) -> None:
    reading = look(url, 5).engine
    assert isinstance(reading, Unavailable)
    assert (reading.why, words in reading.detail) == (why, True), reading


MIXED: dict[str, Fault] = {
    "/system/df?type=volume": Mute(),
    "/system/df?type=image": Drip(every_s=0.01),
    "/volumes": Flood(TWO_GB, b"["),
    "/images/json": BAD_ENGINES["hangs up in the middle"][0],
    "/system/df?type=build-cache": BAD_ENGINES["sends a page as an error"][0],
}


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("faults", [{"*": Mute()}, {"*": Drip(every_s=0.01)}, {"*": Reset()}, MIXED])
def test_twenty_runs_leave_no_thread_and_no_descriptor(faults: dict[str, Fault], tcp: bool) -> None:
    with engine("26.1.5-overlay2", faults, tcp=tcp) as server:
        found = ask(server.url, deadline_s=0.15, runs=20)
    assert found.after == found.before


def test_a_mute_engine_that_wakes_up_is_asked_again_at_once() -> None:
    """No memory of a hang outlives it: the cut line let the thread go."""
    actions: list[Any] = [Mute(), Mute(), None]
    with engine("26.1.5-overlay2") as healthy:
        server = Server(lambda request: actions[0] or healthy.answer(request))
        with server:
            for expected in (Unavailable, Unavailable, Exact):
                assert isinstance(look(server.url, 0.3).engine, expected)
                if len(actions) > 1:
                    actions.pop(0)
