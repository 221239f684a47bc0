"""The demo in a real browser: it is drawn, keys work, nothing can be applied, and no request leaves the machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from tests.tui.browser import Browser

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(find_spec("textual_serve") is None, reason="textual-serve is not installed"),
    pytest.mark.skipif(not any(map(shutil.which, CHROMIUM)), reason="no Chromium is here"),
]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def answering(port: int) -> None:
    for _ in range(400):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise TimeoutError("the server did not start")


async def test_the_demo_in_a_browser_asks_no_other_host_for_anything(tmp_path: Path) -> None:
    from tests.tui.browser import open_page

    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "tui", "--serve", "--demo", "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        await answering(port)
        async with open_page(f"http://127.0.0.1:{port}/", tmp_path / "profile") as browser:
            await browser.until("REPLAY")
            await browser.click(700, 400)
            await browser.press("p")
            await browser.until("to be freed")
            await browser.press("d")
            await browser.until("nothing has run")
            await browser.press("a")
            await asyncio.sleep(0.5)
            assert b"Apply the plan" not in browser.terminal
            await browser.press("Escape")  # the dry run
            await asyncio.sleep(0.5)
            await walk(browser)
            await asyncio.sleep(0.5)
            await browser.picture(Path(os.environ.get("ULLAGE_BROWSER_PICTURE", str(tmp_path / "browser.png"))))
            assert browser.requests
            hosts = {urlsplit(url).hostname for url in browser.requests if not url.startswith("data:")}
            assert hosts == {"127.0.0.1"}
            assert [text for text in browser.refused if "Content Security Policy" in text] == []
    finally:
        server.terminate()
        server.wait(20)


# Key, and what is drawn once it has done its work: every view, and all that lies over one.
VIEWS = (("2", "by exclusive"), ("3", "Space plays"), ("4", "to be freed"), ("5", "rebuilding"), ("6", "compared with"))
OVER = (("?", "keys and signs"), ("c", "Sources"), ("/", "any part of a name"))


async def _left(browser: Browser) -> None:
    await browser.press("Escape")
    await browser.until("Where is it?")
    await asyncio.sleep(0.3)  # a key right behind Esc would be one with it


async def walk(browser: Browser) -> None:
    """Every view by its key and back with Esc; what lies over the first view; into a category and one of its things."""
    await browser.press("1")
    await browser.until("Where is it?")
    for key, seen in VIEWS:
        await browser.press(key)
        await browser.until(seen)
        await _left(browser)
    for key, seen in OVER:
        await browser.press(key)
        await browser.until(seen)
        await _left(browser)
    for key, seen in (("Enter", "by exclusive"), ("Enter", "reclaimable"), ("Escape", ""), ("1", "Where is it?")):
        await browser.press(key)
        await browser.until(seen)
        await asyncio.sleep(0.2)  # a key right behind Esc would be one with it


async def test_a_link_opens_at_its_moment_and_the_address_follows_what_is_shown(tmp_path: Path) -> None:
    from tests.tui.browser import open_page
    from tui.feed import of_recording
    from tui.launch import DEMO

    times = [f"{run.at:%Y-%m-%dT%H:%M:%SZ}" for run in of_recording(DEMO).runs]
    port = free_port()
    words = [sys.executable, "-m", "tui", "--serve", "--demo", "--port", str(port)]
    server = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        await answering(port)
        link = f"http://127.0.0.1:{port}/#t={times[4]}"
        async with open_page(link, tmp_path / "profile") as browser:
            await browser.until(f"5/{len(times)}")
            assert await browser.address() == link
            await browser.click(700, 400)
            await browser.press("]")
            for _ in range(100):
                if await browser.address() != link:
                    break
                await asyncio.sleep(0.1)
            assert (await browser.address()).partition("#t=")[2] in times[5:]
            assert [text for text in browser.refused if "Content Security Policy" in text] == []
    finally:
        server.terminate()
        server.wait(20)
