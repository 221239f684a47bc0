"""The dashboard in a browser: a recording, read-only, on this machine alone, through textual-serve.

textual-serve has no accounts, so what is served must need none: no live machine, loopback addresses only, and no page
of another origin may open the socket. The page asks no other host for anything.

The address of the page says which moment is on screen (`#t=`). No server is ever told what stands after a `#`, so the
page's own script puts it into the query of its socket, and takes up what the dashboard says of the moment shown.

Each visitor has a process of its own, which ends with the visit, however that ends, and with the server, however that
ends: the server ends it when the socket closes, and it ends itself when nobody holds the other end of its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import select
import shlex
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from textual_serve.server import Server

_GRACE_S = 1.0  # for a dashboard to leave, after being asked and after being told
# What a served dashboard may be told; everything that reads or changes a machine is absent.
_RECORDED = ("--replay", "--demo")
_WEB_DRIVER = "textual.drivers.web_driver:WebDriver"


class Refused(ValueError):
    """What was asked for would show a machine to strangers."""


def in_browser() -> bool:
    """Was this process started by textual-serve, its screen being a browser's?"""
    return os.environ.get("TEXTUAL_DRIVER") == _WEB_DRIVER


def command(arguments: Sequence[str]) -> str:
    """The shell command that textual-serve runs for each visitor; Refused unless it shows a recording.

    `arguments` are those of the command line: `--replay FILE` or `--demo`, and how to show it.
    """
    if not any(argument.partition("=")[0] in _RECORDED for argument in arguments):
        raise Refused("only a recording is served: give --replay or --demo")
    return "exec " + shlex.join([sys.executable, "-m", "tui", *arguments, "--read-only"])


def moment_of(text: str) -> datetime | None:
    """The moment that a link names, in UTC where it names no zone; None where it names none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def loopback(host: str) -> str:
    """`host`, if nothing but this machine can reach it; Refused for every other."""
    if host == "localhost":
        return host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise Refused(f"{host}: not an address of this machine alone") from None
    if not address.is_loopback:
        raise Refused(f"{host}: reachable from elsewhere, and the dashboard has no accounts")
    return host


def own_origin(origin: str | None, host: str | None, port: int) -> bool:
    """Does a request come from our own page? A name that resolves to us is not enough: any site can own such a name."""
    names = {"localhost", "127.0.0.1", "::1"}
    asked = urlsplit(f"//{host or ''}")
    if asked.hostname not in names or (asked.port or 80) != port:
        return False
    if origin is None:
        return True
    made = urlsplit(origin)
    return made.scheme == "http" and made.hostname in names and (made.port or 80) == port


def leave_with_server(leave: Callable[[], object]) -> None:
    """Call `leave` once nobody holds the other end of this process's input, and end soon after, even if that hangs.

    Whoever writes to a server that is gone, or that reads no more, may never get to see any message or signal.
    """

    def wait() -> None:
        hung_up = select.poll()
        hung_up.register(0, 0)  # that it hung up is told unasked
        while not hung_up.poll():
            pass
        leave()
        time.sleep(_GRACE_S)
        os._exit(0)

    threading.Thread(target=wait, name="server watch", daemon=True).start()


def server(arguments: Sequence[str], *, host: str = "127.0.0.1", port: int = 8000) -> Server:
    """A server that is ready to run; Refused, or ImportError where textual-serve is not installed."""
    from aiohttp import web
    from textual_serve.app_service import AppService
    from textual_serve.server import Server, to_int

    class Visit(AppService):
        """One visitor's dashboard."""

        async def stop(self) -> None:
            """Ask it to leave, tell it to, end it; as soon as it has left, that is all."""
            process, self._process = self._process, None
            if process is None:
                return
            with contextlib.suppress(Exception):  # its input may be gone with it
                await asyncio.wait_for(self.send_meta({"type": "quit"}), _GRACE_S)
            for end in (self.stdin.close, process.terminate, process.kill):
                with contextlib.suppress(ProcessLookupError):
                    end()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _GRACE_S)
                    break
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    class Loopback(Server):
        """Answers our own page and nobody else's."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._visits: set[Visit] = set()

        async def handle_index(self, request: web.Request) -> Any:  # the decorator of the base turns a dict into it
            self._check(request)
            return await super().handle_index(request)

        async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
            self._check(request)
            socket = web.WebSocketResponse(heartbeat=15)
            await socket.prepare(request)
            close: Any = socket.close  # it says whether there was something to close
            at = moment_of(request.query.get("t", ""))
            visit = Visit(
                self.command if at is None else f"{self.command} --at {shlex.quote(at.isoformat())}",
                write_bytes=socket.send_bytes,
                write_str=socket.send_str,
                close=close,
                download_manager=self.download_manager,
                debug=self.debug,
            )
            self._visits.add(visit)
            try:
                size = [to_int(request.query.get(name, ""), usual) for name, usual in (("width", 80), ("height", 24))]
                await visit.start(*size)
                await self._process_messages(socket, visit)
            finally:
                # A handler that is cancelled, since its visitor is gone, has this done all the same.
                await asyncio.shield(asyncio.ensure_future(self._end(visit)))
            return socket

        async def _end(self, visit: Visit) -> None:
            await visit.stop()
            self._visits.discard(visit)

        async def on_shutdown(self, app: web.Application) -> None:
            await asyncio.gather(*(self._end(visit) for visit in tuple(self._visits)))

        def _check(self, request: web.Request) -> None:
            if not own_origin(request.headers.get("Origin"), request.headers.get("Host"), port):
                raise web.HTTPForbidden(text="This dashboard answers its own page on this machine only.")

    return Loopback(
        command(arguments),
        host=loopback(host),
        port=port,
        title="ullage",
        templates_path=Path(__file__).with_name("templates"),
    )


def serve(arguments: Sequence[str], *, host: str = "127.0.0.1", port: int = 8000) -> int:
    """Serve until interrupted; the exit status."""
    os.environ["PYTHONUTF8"] = "1"  # of the children: a pipe has no locale of its own
    os.environ.pop("NO_COLOR", None)
    server(arguments, host=host, port=port).serve()
    return 0
