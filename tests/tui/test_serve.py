"""In a browser: a recording only, this machine only, no other host asked for anything."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.tui.incident import incident
from tests.tui.source import FakeSource
from tui.app import UllageApp
from tui.feed import ReplayFeed
from tui.feed.live import LiveFeed
from tui.launch import read_only_here
from tui.serve import Refused, command, in_browser, loopback, moment_of, own_origin

TEMPLATE = Path(__file__).parents[2] / "tui" / "templates" / "app_index.html"


@pytest.mark.parametrize("arguments", [[], ["--docker-root", "/x"], ["--replays"], ["--host=tcp://h"]])
def test_a_live_machine_is_never_served(arguments: list[str]) -> None:
    with pytest.raises(Refused, match="only a recording"):
        command(arguments)


def test_a_recording_is_served_read_only_and_quoted_for_the_shell() -> None:
    made = command(["--replay", "/tmp/a b; reboot"])
    assert made.endswith("-m tui --replay '/tmp/a b; reboot' --read-only")
    assert command(["--replay=x"]).endswith("--replay=x --read-only")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_addresses_are_served(host: str) -> None:
    assert loopback(host) == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "127.0.0.1.nip.io"])
def test_every_other_address_is_refused(host: str) -> None:
    with pytest.raises(Refused):
        loopback(host)


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://localhost:8000", "localhost:8000", True),
        (None, "127.0.0.1:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://evil.example", "127.0.0.1:8000", False),
        ("null", "127.0.0.1:8000", False),
        ("http://127.0.0.1:9999", "127.0.0.1:8000", False),
        ("https://127.0.0.1:8000", "127.0.0.1:8000", False),
        ("http://rebound.example:8000", "rebound.example:8000", False),
        (None, "rebound.example:8000", False),
        (None, None, False),
    ],
)
def test_only_our_own_page_may_open_the_socket(origin: str | None, host: str | None, own: bool) -> None:
    assert own_origin(origin, host, 8000) is own


@pytest.mark.parametrize("link", ["", "now", "$(reboot)", "2026-11-28'; reboot '", "1e400", "9" * 400])
def test_a_link_that_names_no_moment_names_none(link: str) -> None:
    assert moment_of(link) is None


def test_a_link_names_a_moment_in_utc() -> None:
    assert moment_of("2026-11-28T11:40Z") == moment_of("2026-11-28 11:40") == moment_of("2026-11-28T12:40+01:00")


def test_the_page_names_no_other_host() -> None:
    page = TEMPLATE.read_text()
    assert re.findall(r"(?:https?:)?//[\w.-]+", page) == []
    assert "default-src 'none'" in page


def test_what_runs_in_a_browser_is_read_only_whatever_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_browser()
    live = LiveFeed(FakeSource.showing(incident()))
    assert not read_only_here(live, asked=False)
    monkeypatch.setenv("TEXTUAL_DRIVER", "textual.drivers.web_driver:WebDriver")
    assert in_browser()
    assert read_only_here(live, asked=False)
    assert UllageApp(live, read_only=read_only_here(live, asked=False)).state.read_only
    assert read_only_here(ReplayFeed.of_reports([incident()]), asked=False)


@pytest.mark.skipif(find_spec("textual_serve") is None, reason="textual-serve is not installed")
async def test_the_server_answers_its_own_page_and_nobody_elses() -> None:
    from aiohttp.test_utils import TestClient, TestServer

    from tui.serve import server

    made = server(["--demo"], port=8123)
    async with TestClient(TestServer(await made._make_app())) as client:
        index = await client.get("/", headers={"Host": "127.0.0.1:8123"})
        assert index.status == 200
        page = await index.text()
        assert set(re.findall(r"//([\w.:-]+)", page)) == {"127.0.0.1:8123"}
        assert (await client.get("/", headers={"Host": "evil.example:8123"})).status == 403
        evil = {"Host": "127.0.0.1:8123", "Origin": "http://evil.example"}
        assert (await client.get("/ws", headers=evil)).status == 403
