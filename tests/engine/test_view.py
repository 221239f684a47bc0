"""What an engine is asked, in which dialect, and how its answers arrive."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.engine import Part, endpoint, questions, view
from collectors.model.engine import EngineView
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import this_host
from tests.fakes.engine import engine
from tests.fakes.recordings import recording
from tests.fakes.server import Action, Mute, Reply, Request, Server, wait_until

BUSY = Reply(b'{"message": "Error response from daemon: a disk usage operation is already running"}', status=500)


def look(server: Server, deadline_s: float = 5, **options: Any) -> EngineView:
    return view(endpoint(server.url, {}, Path("/nowhere")), this_host(), deadline_s=deadline_s, **options)


def asked(server: Server) -> set[str]:
    return {
        f"{request.path}?{'&'.join(f'{name}={value}' for name, value in request.query)}".rstrip("?")
        for request in server.requests
    }


def value(reading: Any) -> Any:
    assert isinstance(reading, Exact), reading
    return reading.value


def why(reading: Any) -> Why:
    assert isinstance(reading, Unavailable), reading
    return reading.why


# What is asked


def test_an_engine_that_measures_by_kind_is_asked_kind_by_kind() -> None:
    with engine("26.1.5-overlay2") as server:
        look(server, inspect=False)
        assert asked(server) == {
            "/version",
            "/v1.45/info",
            "/v1.45/images/json",
            "/v1.45/containers/json?all=1",
            "/v1.45/volumes",
            "/v1.45/system/df?type=image",
            "/v1.45/system/df?type=container",
            "/v1.45/system/df?type=volume",
            "/v1.45/system/df?type=build-cache",
        }
        assert len(server.requests) == len(asked(server))


@pytest.mark.parametrize("name", ["20.10.24-overlay2", "podman-4.3.1"])
def test_an_engine_that_knows_no_kinds_measures_everything_once(name: str) -> None:
    with engine(name) as server:
        look(server, inspect=False)
        assert asked(server) == {
            "/version",
            "/v1.41/info",
            "/v1.41/images/json",
            "/v1.41/containers/json?all=1",
            "/v1.41/containers/json?all=1&size=1",
            "/v1.41/volumes",
            "/v1.41/system/df",
        }
        assert len(server.requests) == len(asked(server))


def test_the_new_shape_is_asked_for_where_the_old_one_is_on_its_way_out() -> None:
    with engine("29.8-overlay2") as server:
        look(server, inspect=False)
        assert "/v1.56/system/df?type=volume&verbose=1" in asked(server)


def test_each_container_and_image_is_inspected_once() -> None:
    with engine("26.1.5-overlay2") as server:
        seen = look(server)
        inspected = [path for path in asked(server) if path.count("/") == 4]
        assert len(inspected) == len(value(seen.containers)) + len(value(seen.images))


def test_what_was_switched_off_is_not_asked_and_says_so() -> None:
    with engine("26.1.5-overlay2") as server:
        seen = look(server, inspect=False, volume_sizes=lambda *_: False)
        assert "/v1.45/system/df?type=volume" not in asked(server)
    assert {why(item.size) for item in value(seen.volumes)} == {Why.NOT_ASKED}
    assert {why(item.pid) for item in value(seen.containers)} == {Why.NOT_ASKED}
    assert {why(item.diff_ids) for item in value(seen.images)} == {Why.NOT_ASKED}
    assert all(isinstance(item.writable, Exact) for item in value(seen.containers))


def test_api_1_24_works_as_far_as_it_goes() -> None:
    old = {**recording("20.10.24-overlay2")["version"], "ApiVersion": "1.24"}
    with engine("20.10.24-overlay2", version=old) as server:
        seen = look(server)
        assert not any("/system/df" in path for path in asked(server))
    assert value(seen.engine).api_version == "1.24"
    assert why(seen.build_cache) is why(seen.layers_size) is Why.NOT_REPORTED
    assert {why(item.size) for item in value(seen.volumes)} == {Why.NOT_REPORTED}
    assert {why(item.shared) for item in value(seen.images)} == {Why.NOT_REPORTED}
    assert sum(value(item.writable) for item in value(seen.containers)) == 17825792
    assert sum(value(item.size) for item in value(seen.images)) > 0


def test_an_engine_from_the_future_is_asked_in_the_newest_version_that_we_know() -> None:
    new = {**recording("29.8-overlay2")["version"], "ApiVersion": "1.99"}
    with engine("29.8-overlay2", version=new) as server:
        seen = look(server)
        assert all(path == "/version" or path.startswith("/v1.56/") for path in asked(server))
    assert len(value(seen.images)) == 6


def test_the_sdks_own_idea_of_a_version_is_not_asked_for() -> None:
    with engine("26.1.5-overlay2") as server:
        look(server)
        assert [request.path for request in server.requests].count("/version") == 1


def test_many_questions_need_few_connections() -> None:
    template = recording("26.1.5-overlay2")
    many = [{**template["containers"][0], "Id": f"{n:064x}"} for n in range(200)]
    with engine("26.1.5-overlay2", containers=many) as server:
        look(server)
        assert len(server.requests) > 200
        assert server.connections_count <= 20


def test_an_engine_that_ends_connections_without_notice_is_asked_once_more() -> None:
    """A connection that was kept for the next request may be gone by then."""
    template = recording("26.1.5-overlay2")
    many = [{**template["containers"][0], "Id": f"{n:064x}"} for n in range(100)]
    brusque = Reply(json.dumps(template["inspect"]["/web"]).encode(), then_hang_up=True)
    faults = {f"/containers/{item['Id']}/json": brusque for item in many}
    with engine("26.1.5-overlay2", faults, containers=many) as server:
        found = value(look(server).containers)
    assert all(isinstance(item.pid, Exact) for item in found)


# How it arrives


def test_a_part_comes_with_its_list_first_and_last_as_it_stands_in_the_view() -> None:
    came: list[tuple[Part, Any]] = []
    threads = set()

    def on_part(part: Part, reading: Any) -> None:
        came.append((part, reading))
        threads.add(threading.current_thread())

    with engine("26.1.5-overlay2") as server:
        seen = look(server, on_part=on_part)

    assert threads == {threading.current_thread()}
    assert {part for part, _ in came} == set(Part)
    for part in Part:
        assert [reading for which, reading in came if which is part][-1] is getattr(seen, part.value)
    first = next(reading for part, reading in came if part is Part.VOLUMES)
    assert {why(volume.size) for volume in value(first)} == {Why.NOT_ASKED}


def test_slow_volume_sizes_cost_only_themselves_and_the_rest_is_there_before() -> None:
    came: list[tuple[float, Part]] = []
    began = time.monotonic()
    with engine("26.1.5-overlay2", {"/system/df?type=volume": Mute()}) as server:
        seen = look(server, 1.5, on_part=lambda part, _: came.append((time.monotonic() - began, part)))
    took_s = time.monotonic() - began

    assert 1.5 <= took_s < 2.5
    assert [part for at, part in came if at > 1.4] == [Part.VOLUMES]
    assert {why(volume.size) for volume in value(seen.volumes)} == {Why.TIMED_OUT}
    assert all(isinstance(item.shared, Exact) and isinstance(item.containers, Exact) for item in value(seen.images))
    assert all(isinstance(item.writable, Exact) for item in value(seen.containers))
    assert isinstance(seen.build_cache, Exact)


@pytest.mark.parametrize("name", ["20.10.24-overlay2", "podman-4.3.1"])
def test_where_all_is_measured_at_once_container_sizes_do_not_wait_for_volumes(name: str) -> None:
    with engine(name, {"/system/df": Mute()}) as server:
        seen = look(server, 0.6)
    assert all(isinstance(item.writable, Exact) for item in value(seen.containers))
    assert all(isinstance(item.size, Exact) for item in value(seen.images))
    assert {why(volume.size) for volume in value(seen.volumes)} == {Why.TIMED_OUT}
    assert why(seen.build_cache) is why(seen.layers_size) is Why.TIMED_OUT


def after(count: int, action: Action, path: str) -> tuple[Callable[[Request], Action], list[Request]]:
    """`action` for the first `count` requests, then what the healthy engine says."""
    seen: list[Request] = []
    healthy = engine("20.10.24-overlay2")

    def answer(request: Request) -> Action:
        seen.append(request)
        return action if len(seen) <= count else healthy.answer(request)

    return answer, seen


def test_an_engine_that_measures_for_another_client_is_asked_again_in_a_moment() -> None:
    answer, seen = after(3, BUSY, "/system/df")
    with engine("20.10.24-overlay2", {"/system/df": answer}) as server:
        found = look(server, 10)
    assert len(seen) == 4
    assert value(found.layers_size) == 22953945
    assert len(value(found.build_cache)) == 13


def test_an_engine_that_measures_for_others_all_the_time_runs_into_the_deadline() -> None:
    with engine("20.10.24-overlay2", {"/system/df": BUSY}) as server:
        began = time.monotonic()
        found = look(server, 1)
        assert time.monotonic() - began < 1.5
        tries = sum(request.path.endswith("/system/df") for request in server.requests)
    assert 3 <= tries < 10
    assert why(found.build_cache) is Why.TIMED_OUT
    assert "already running" in found.build_cache.detail  # type: ignore[union-attr]


def test_a_filter_in_front_of_the_engine_costs_what_it_forbids() -> None:
    """Socket proxies answer 403 to what they are not told to let through."""
    denied = Reply(b"<html><body><h1>403 Forbidden</h1></body></html>", status=403, content_type="text/html")
    with engine("26.1.5-overlay2", {"/system/df": denied, "/info": denied}) as server:
        seen = look(server)
    assert why(seen.engine) is why(seen.local) is why(seen.build_cache) is Why.NOT_PERMITTED
    assert {why(item.writable) for item in value(seen.containers)} == {Why.NOT_PERMITTED}
    assert all(isinstance(item.pid, Exact | Unavailable) for item in value(seen.containers))


def test_a_container_that_is_gone_by_now_stays_in_the_list_without_its_details() -> None:
    first, *others = recording("26.1.5-overlay2")["containers"]
    gone = Reply(json.dumps({"message": f"No such container: {first['Id']}"}).encode(), status=404)
    with engine("26.1.5-overlay2", {f"/containers/{first['Id']}/json": gone}) as server:
        found = {item.id: item for item in value(look(server).containers)}
    assert why(found[first["Id"]].log_path) is Why.NOT_REPORTED
    assert all(isinstance(found[other["Id"]].log_driver, Exact) for other in others)


def test_a_container_that_the_engine_cannot_speak_of_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """dockerd keeps silent about a container whose lock is held, on a hung mount for example."""
    monkeypatch.setattr(questions, "PATIENCE_S", 0.2)
    stuck, *others = recording("26.1.5-overlay2")["containers"]
    with engine("26.1.5-overlay2", {f"/containers/{stuck['Id']}/json": Mute()}) as server:
        began = time.monotonic()
        found = {item.id: item for item in value(look(server, 10).containers)}
        assert time.monotonic() - began < 2
    assert why(found[stuck["Id"]].pid) is Why.TIMED_OUT
    assert all(isinstance(found[other["Id"]].log_driver, Exact) for other in others)


def test_inspections_stop_with_the_time_and_keep_what_they_have() -> None:
    template = recording("26.1.5-overlay2")
    many = [{**template["containers"][0], "Id": f"{n:064x}"} for n in range(400)]
    slow = Reply(json.dumps(template["inspect"]["/web"]).encode(), delay_s=0.03)
    faults = {f"/containers/{item['Id']}/json": slow for item in many}
    with engine("26.1.5-overlay2", faults, containers=many) as server:
        began = time.monotonic()
        found = value(look(server, 1).containers)
        assert time.monotonic() - began < 2
    assert len(found) == 400
    done = [isinstance(item.pid, Exact) for item in found]
    assert 20 < sum(done) < 400
    assert {why(item.pid) for item in found if not isinstance(item.pid, Exact)} <= {Why.NOT_ASKED, Why.TIMED_OUT}


def test_a_listener_that_fails_ends_the_view_and_leaves_nothing_behind() -> None:
    def fail(part: Part, reading: Any) -> None:
        raise RuntimeError("the screen is gone")

    def ours() -> int:
        return sum(thread.name.startswith(("engine", "read engine")) for thread in threading.enumerate())

    with engine("26.1.5-overlay2", {"/system/df": Mute()}) as server:
        with pytest.raises(RuntimeError):
            look(server, 30, on_part=fail)
        assert wait_until(lambda: ours() == 0)


def test_a_defect_of_ours_is_loud_and_takes_no_other_part_along(monkeypatch: pytest.MonkeyPatch) -> None:
    from collectors.engine.decode import usage

    monkeypatch.setattr(usage, "with_usage", lambda *_: 1 / 0)
    with engine("26.1.5-overlay2") as server:
        seen = look(server)
    assert why(seen.volumes) is Why.DEFECT
    assert isinstance(seen.images, Exact)


# What it costs others


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)


def test_importing_the_source_imports_no_sdk() -> None:
    found = run("import sys, collectors.engine; print(*{name.partition('.')[0] for name in sys.modules})")
    unwanted = {"docker", "requests", "urllib3", "paramiko", "http", "ssl", "textual", "rich", "numpy"}
    assert not unwanted & set(found.stdout.split())


def test_no_library_writes_to_the_terminal() -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom collectors.engine import *\n"
        "from collectors.system.deadline import this_host\n"
        "view(endpoint(sys.argv[1], {}, Path('/nowhere')), this_host(), deadline_s=0.5)"
    )
    with engine("26.1.5-overlay2", {"/images/json": Mute(), "/volumes": Reply(b"{")}) as server:
        found = run(code, server.url)
    assert (found.stdout, found.stderr) == ("", "")
