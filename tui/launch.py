"""From the command line's arguments to a dashboard on screen: the feed, what the terminal can show, the exit status."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

from collectors.model.settings import Settings
from tui.app import UllageApp
from tui.drawing.palette import ANSI, DARK, PALETTES
from tui.drawing.terminal import Charset, charset_of
from tui.feed import Feed
from tui.feed.host import HostSource
from tui.feed.live import LiveFeed
from tui.feed.replay import ReplayError, ReplayFeed, of_folder, of_recording
from tui.serve import in_browser, leave_with_server
from tui.view_models.categories import Units

# A real incident on a real engine, recorded by tests/lab/demo.py.
DEMO = Path(__file__).with_name("demo.jsonl.gz")


def feed_of(arguments: argparse.Namespace) -> Feed:
    """Raises Unplayable, naming the path."""
    if arguments.demo:
        return of_recording(DEMO)
    if arguments.replay is None:
        return LiveFeed(HostSource(arguments))
    path = Path(arguments.replay)
    return of_folder(path, _settings(arguments)) if path.is_dir() else of_recording(path)


def _settings(arguments: argparse.Namespace) -> Settings:
    """A journal does not keep what it was judged by: it is what is configured here. Raises ReplayError."""
    from collectors.cli import config

    try:
        return config.load(arguments.config).settings
    except config.BadConfig as error:
        raise ReplayError(str(error)) from None


def read_only_here(feed: Feed, *, asked: bool) -> bool:
    """May this screen change nothing? Asked for, a recording, or in a browser, where nobody knows who presses keys."""
    return asked or in_browser() or isinstance(feed, ReplayFeed)


# Not 1 or 2: those are a warning and a critical to whoever calls this; also where it did not end by a key.
_DEFECT = 3


# A terminal that is gone takes no farewell, and a scan may be waiting for the kernel.
_GRACE_S = 2.0


def _leave(app: UllageApp) -> None:
    """End the dashboard, in good order if that can be had in time.

    Whom the kernel hangs up on it also wakes: a toolkit that begins to draw anew when it wakes would never end.
    """
    signal.signal(signal.SIGCONT, signal.SIG_IGN)
    last = threading.Timer(_GRACE_S, os._exit, (_DEFECT,))
    last.daemon = True
    last.start()
    app.exit(_DEFECT)


async def _shown(app: UllageApp) -> int | None:
    """The dashboard, left in good order also where the terminal hangs up or somebody ends the process."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, _leave, app)
    if in_browser():
        leave_with_server(lambda: loop.call_soon_threadsafe(app.exit))
    return await app.run_async()


def run(
    feed: Feed,
    *,
    read_only: bool = False,
    theme: str | None = None,
    units: Units = Units.IEC,
    export_to: Path | None = None,
) -> int:
    """Show the dashboard until it is left; the exit status.

    `theme` "dark", "light", "ansi" or None: what the terminal can do.
    """
    web = in_browser()
    charset = Charset.FULL if web else charset_of(getattr(sys.__stderr__, "encoding", None), os.environ.get("TERM", ""))
    name = f"ullage-{theme}" if theme is not None else _theme()
    if name not in PALETTES:
        raise ValueError(f"no theme {theme!r}; there are dark, light, ansi")
    app = UllageApp(
        feed,
        read_only=read_only_here(feed, asked=read_only),
        theme=name,
        charset=charset,
        units=units,
        export_to=export_to,
    )
    status = asyncio.run(_shown(app))
    if status is not None:
        return status
    return _DEFECT if app.return_code else 0


def _theme() -> str:
    """Dark where the terminal has colours to spare, its own sixteen where not, or none at all."""
    from rich.console import Console

    if os.environ.get("NO_COLOR"):
        return ANSI.name
    if in_browser():
        return DARK.name
    return DARK.name if Console(file=sys.__stderr__).color_system in ("256", "truecolor") else ANSI.name
