"""The dashboard in a browser: a recording, read-only, on this machine alone, through textual-serve.

textual-serve has no accounts, so what is served must need none: no live machine, loopback addresses only, and no page
of another origin may open the socket. The page asks no other host for anything.
"""

from __future__ import annotations

import ipaddress
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from textual_serve.server import Server

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
    return shlex.join([sys.executable, "-m", "tui", *arguments, "--read-only"])


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


def server(arguments: Sequence[str], *, host: str = "127.0.0.1", port: int = 8000) -> Server:
    """A server that is ready to run; Refused, or ImportError where textual-serve is not installed."""
    from aiohttp import web
    from textual_serve.server import Server

    class Loopback(Server):
        """Answers our own page and nobody else's."""

        async def handle_index(self, request: web.Request) -> Any:  # the decorator of the base turns a dict into it
            self._check(request)
            return await super().handle_index(request)

        async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
            self._check(request)
            return await super().handle_websocket(request)

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
