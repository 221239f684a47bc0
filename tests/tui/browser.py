"""A headless Chromium driven over its own protocol: opens a page, presses keys, notes every request it makes."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")


_NAMED = {"Enter": ("\r", 13), "Escape": ("", 27)}  # what each types, and its code


def chromium() -> str:
    """The path of a Chromium; "" where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), "")


class Browser:
    """`requests` are the URLs asked for, `terminal` what arrived over sockets, `refused` what a policy stopped."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.terminal = b""

    async def listen(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told.get("result"))
                continue
            about = told.get("params", {})
            match told["method"]:
                case "Network.requestWillBeSent":
                    self.requests.append(about["request"]["url"])
                case "Network.webSocketCreated":
                    self.requests.append(about["url"])
                case "Network.webSocketFrameReceived":
                    frame = about["response"]
                    data = frame["payloadData"]
                    self.terminal += base64.b64decode(data) if frame["opcode"] == 2 else data.encode()
                case "Log.entryAdded":
                    self.refused.append(about["entry"]["text"])

    async def do(self, method: str, **parameters: object) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await asyncio.wait_for(self._answers[number], 30)

    async def until(self, text: str, timeout_s: float = 30.0) -> None:
        """Wait until the terminal has been sent `text`."""
        end = asyncio.get_running_loop().time() + timeout_s
        while text.encode() not in self.terminal:
            if asyncio.get_running_loop().time() > end:
                raise TimeoutError(f"{text!r} was not drawn in {timeout_s:g} s")
            await asyncio.sleep(0.05)

    async def address(self) -> str:
        """What stands in the line of the address now."""
        found = await self.do("Runtime.evaluate", expression="location.href")
        return str(found["result"]["value"])

    async def press(self, key: str) -> None:
        """One printable key, `Enter` or `Escape`; what was drawn before it is forgotten."""
        self.terminal = b""
        text, code = _NAMED.get(key, (key, 0))
        about: dict[str, object] = {"key": key, "windowsVirtualKeyCode": code} if code else {"key": key}
        down: dict[str, object] = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        await self.do("Input.dispatchKeyEvent", **down, **about)
        await self.do("Input.dispatchKeyEvent", type="keyUp", **about)

    async def click(self, x: int, y: int) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            await self.do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def picture(self, path: Path) -> None:
        shot = await self.do("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def open_page(url: str, profile: Path, size: tuple[int, int] = (1400, 860)) -> AsyncIterator[Browser]:
    """A page of `url` in a browser of its own, which is gone afterwards."""
    flags = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--remote-debugging-port=0",
    )
    command = [chromium(), *flags, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = await _port(profile)
        async with aiohttp.ClientSession() as session:
            pages = await (await session.get(f"http://127.0.0.1:{port}/json")).json()
            target = next(page for page in pages if page["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                browser = Browser(socket)
                listening = asyncio.create_task(browser.listen())
                for domain in ("Network", "Page", "Log"):
                    await browser.do(f"{domain}.enable")
                await browser.do("Page.navigate", url=url)
                yield browser
                listening.cancel()
    finally:
        process.terminate()
        process.wait(20)


async def _port(profile: Path) -> int:
    """The port that the browser chose, from the file that it writes when it listens."""
    chosen = profile / "DevToolsActivePort"
    for _ in range(600):
        if chosen.exists() and chosen.read_text():
            return int(chosen.read_text().splitlines()[0])
        await asyncio.sleep(0.05)
    raise TimeoutError("the browser did not start")
