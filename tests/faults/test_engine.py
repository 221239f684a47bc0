"""Faults of the engine: what it does costs its own figures, within the deadline, and never the report."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.fakes.recordings import recording
from tests.fakes.server import Drip, Flood, Mute, Reply
from tests.faults.conftest import Told
from tests.faults.room import Room
from tests.faults.running import NOBODY, START_S, Ended, nobody_can_run, preflight

HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
ENGINE_ROWS = ("images", "containers", "volumes", "build_cache")


def disk_is_known(ended: Ended) -> bool:
    """What the engine cannot spoil: how full the disk is."""
    filesystem = ended.document["filesystem"]
    return filesystem["used_bytes"] is not None and filesystem["used_percent"] is not None


@pytest.mark.fault(1)
def test_without_an_engine_the_disk_is_told_all_the_same(room: Room, told: Told) -> None:
    ended = preflight("--host", room.absent, "--docker-root", room.root)
    told(ended.document["engine"]["reason"], ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert ended.document["engine"]["reachable"] is False
    assert "no socket at" in ended.document["engine"]["reason"]
    assert disk_is_known(ended)


@pytest.mark.fault(1)
def test_without_an_engine_the_text_keeps_the_line_that_supervisors_match(room: Room, told: Told) -> None:
    ended = preflight("--host", room.absent, "--docker-root", room.root, text=True)
    told(ended.stdout.splitlines()[5], ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert ended.stdout.startswith("## Docker Storage\nDisk: ")
    assert "\nEngine: not reachable: no socket at" in ended.stdout


@pytest.mark.skipif(not nobody_can_run(), reason="nobody may not enter the folder of the checkout or venv")
@pytest.mark.fault(2)
def test_a_socket_that_may_not_be_opened_is_said_with_who_may(room: Room, told: Told) -> None:
    with room.engine() as server:
        server.path.parent.chmod(0o755)
        server.path.chmod(0o000)
        user = NOBODY if os.geteuid() == 0 else None
        ended = preflight("--host", server.url, "--docker-root", room.root, user=user)
    told(ended.document["engine"]["reason"], ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert "no permission on" in ended.document["engine"]["reason"]
    assert disk_is_known(ended)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Mute(), marks=pytest.mark.fault(3), id="never replies"),
        pytest.param(Drip(), marks=pytest.mark.fault(5), id="a byte a second"),
        pytest.param(Drip(headers_at_once=True), marks=pytest.mark.fault(5), id="a byte a second of the body"),
    ],
)
def test_an_engine_that_is_too_slow_costs_the_deadline_and_no_more(fault: Mute | Drip, room: Room, told: Told) -> None:
    deadline_s = 6.0  # of which the engine may hold up the disk for a part
    with room.engine({"*": fault}) as server:
        ended = preflight("--host", server.url, "--docker-root", room.root, deadline_s=deadline_s)
    told(ended.document["engine"]["reason"], ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert ended.took_s < deadline_s + START_S
    assert "timed out: no answer" in ended.document["engine"]["reason"]
    assert disk_is_known(ended)
    assert ended.coverage("bytes by holder")["outcome"] == "read"


BAD: dict[str, tuple[Reply | Flood, str]] = {
    "truncated JSON": (Reply(b'[{"Id": "sha256:12'), "not JSON"),
    "a page with status 500": (Reply(HTML, status=500, content_type="text/html"), "status 500"),
    "a page with status 200": (Reply(HTML, content_type="text/html"), "not JSON"),
    "a body of 2 GB": (Flood(2 * 10**9, first=b"["), ""),
    "a body of 2 GB, as declared": (Flood(2 * 10**9, first=b"[", declared=True), ""),
}


@pytest.mark.fault(6)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_costs_its_own_part_and_the_status_is_unknown(name: str, room: Room, told: Told) -> None:
    fault, words = BAD[name]
    with room.engine({"/images/json": fault}) as server:
        ended = preflight("--host", server.url)
        assert server.sent_bytes < 1 << 30
    line = ended.coverage("engine: images")
    told(line["reason"], ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert line["outcome"] == "unread"
    assert words in line["reason"]
    assert ended.coverage("engine: containers")["outcome"] == "read"
    assert ended.peak_bytes < 400 << 20


@pytest.mark.fault(6)
@pytest.mark.parametrize("name", ["truncated JSON", "a page with status 500"])
def test_an_engine_that_answers_nothing_well_is_not_reachable(name: str, room: Room, told: Told) -> None:
    with room.engine({"*": BAD[name][0]}) as server:
        ended = preflight("--host", server.url, "--docker-root", room.root)
    told(ended.document["engine"]["reason"], ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert ended.document["engine"]["reachable"] is False
    assert disk_is_known(ended)


def odd(replies: Any) -> Any:
    """The same replies as some engines gave them: sizes of -1 and below, null lists, fields nobody knows."""
    if isinstance(replies, dict):
        changed = {key: odd(value) for key, value in replies.items()}
        for key in ("Size", "SharedSize", "SizeRw", "SizeRootFs", "RefCount", "VirtualSize"):
            if key in changed:
                changed[key] = -1 if key != "SizeRootFs" else -(1 << 62)
        for key in ("RepoTags", "RepoDigests", "Labels", "Mounts", "Ports", "Parents"):
            if key in changed:
                changed[key] = None
        return {**changed, "NobodyKnows": {"deep": [None, {"Size": -7}]}}
    return [odd(one) for one in replies] if isinstance(replies, list) else replies


def negative(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [found for key, one in value.items() if key != "unattributed" for found in negative(one)]
    if isinstance(value, list):
        return [found for one in value for found in negative(one)]
    return [value] if isinstance(value, int | float) and value < 0 else []


@pytest.mark.fault(7)
@pytest.mark.parametrize("name", ["20.10.24-overlay2", "29.8-overlay2"])
def test_sentinels_and_unknown_fields_are_no_figures(name: str, room: Room, told: Told) -> None:
    keys = ("df", "df_verbose", "images", "containers", "volumes")
    typed = [key for key in recording(name) if key.startswith("df_type_")]
    changes = {key: odd(recording(name)[key]) for key in (*keys, *typed)}
    with room.engine(name=name, **changes) as server:
        ended = preflight("--host", server.url, "--docker-root", room.root)
    unread = [line["source"] for line in ended.document["coverage"] if line["outcome"] == "unread"]
    told(f"no figure below zero; unread: {', '.join(unread) or 'nothing'}", ended)
    assert (ended.status, ended.stderr) == (0, "")
    assert negative({key: value for key, value in ended.document.items() if key != "ledger"}) == []
    assert [row["bytes"] for row in ended.document["ledger"] if (row["bytes"] or 0) < 0] in ([], [
        ended.rows()["unattributed"]["bytes"]
    ])  # fmt: skip


@pytest.mark.fault(7)
def test_null_lists_are_empty_lists(room: Room, told: Told) -> None:
    with room.engine(
        {"/images/json": Reply(b"null"), "/containers/json": Reply(b"null"), "/volumes": Reply(b'{"Volumes": null}')}
    ) as server:
        ended = preflight("--host", server.url)
    told(f"images: {ended.coverage('engine: images')['outcome']}", ended)
    assert (ended.status, ended.stderr) == (0, "")
    for part in ("images", "containers", "volumes"):
        assert ended.coverage(f"engine: {part}")["outcome"] == "read"


@pytest.mark.fault(8)
@pytest.mark.parametrize("name", ["28.5.2-vfs", "29.8-overlay2"])
def test_api_1_5x_is_read_whole(name: str, room: Room, told: Told) -> None:
    with room.engine(name=name, info={"Driver": "overlay2"}) as server:
        ended = preflight("--host", server.url, "--docker-root", room.root)
    told(f"API {ended.document['engine']['api_version']}", ended)
    assert ended.document["engine"]["api_version"].startswith("1.5")
    assert ended.stderr == ""
    assert ended.status == 0
    for part in ("images", "containers", "volumes", "build cache"):
        assert ended.coverage(f"engine: {part}")["outcome"] == "read", part


@pytest.mark.fault(8)
def test_api_1_24_is_asked_only_what_it_knows(room: Room, told: Told) -> None:
    old = {**recording("20.10.24-overlay2")["version"], "ApiVersion": "1.24", "MinAPIVersion": "", "Version": "1.12.6"}
    gone = Reply(b'{"message": "page not found"}', status=404)
    with room.engine({"/system/df": gone}, name="20.10.24-overlay2", version=old) as server:
        ended = preflight("--host", server.url)
        asked = {request.path for request in server.requests}
    told(f"API {ended.document['engine']['api_version']}; {ended.coverage('engine: build cache')['reason']}", ended)
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.document["engine"]["api_version"] == "1.24"
    assert {path for path in asked if not path.startswith("/v1.24/")} == {"/version"}
    assert ended.coverage("engine: images")["outcome"] == "read"
    assert ended.rows()["images"]["bytes"] is not None


@pytest.mark.fault(27)
@pytest.mark.parametrize("by", ["DOCKER_HOST", "--host", "DOCKER_HOST before DOCKER_CONTEXT"])
def test_of_an_engine_elsewhere_nothing_local_is_claimed(by: str, room: Room, told: Told) -> None:
    with room.engine(tcp=True) as server:
        # Leads here, though nothing but the kernel says so: to the program it is the address of some other machine.
        url = server.url.replace("localhost", "0.0.0.0")
        environ = {"DOCKER_HOST": url} if by != "--host" else {}
        if "CONTEXT" in by:
            environ["DOCKER_CONTEXT"] = "elsewhere"
        ended = preflight(*(("--host", url) if by == "--host" else ()), environ=environ)
    told(f"engine reachable; filesystem: {ended.coverage('filesystem')['reason']}", ended)
    nothing_local(ended)


@pytest.mark.fault(27)
def test_a_tunnel_on_localhost_whose_root_is_another_engines_is_elsewhere(room: Room, told: Told) -> None:
    with room.engine(tcp=True) as server:
        (room.root / "engine-id").write_text("11111111-2222-3333-4444-555555555555")
        ended = preflight("--host", server.url)
    told(f"engine reachable; filesystem: {ended.coverage('filesystem')['reason']}", ended)
    nothing_local(ended)


def nothing_local(ended: Ended) -> None:
    document = ended.document
    assert (ended.status, ended.stderr) == (3, "")
    assert document["engine"]["reachable"] is True
    assert ended.coverage("engine: images")["outcome"] == "read"
    assert [document["filesystem"][key] for key in ("used_bytes", "total_bytes", "used_percent")] == [None] * 3
    assert document["items"]["orphans"] == []
    assert document["btrfs"] is None
    assert {row["method"] for row in document["ledger"]}.isdisjoint({"walk", "exact"})
