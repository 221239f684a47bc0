"""The command line `ullage`: the dashboard on a terminal, else what `python -m collectors` does."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import os
import re
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.cli import headless
from collectors.cli.command_line import UNKNOWN, parser
from collectors.cli.signals import guarded

if TYPE_CHECKING:
    from tui.feed.live import LiveFeed

# Terminals that place no cursor, or have no second screen to give back the first one from. Any other name is a terminal
# emulator's of today, whether this machine's terminfo knows it or not; Linux' own console does what is needed too.
_TEXT_ONLY = re.compile(
    r"|dumb.*|unknown|network|dialup|emacs.*|vt\d.*|ansi.*|pcansi.*|sun|sun-.*|cons25.*|wsvt25.*|mach.*|hurd|teletype|tty\d+|glasstty"
)


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point of the `ullage` command. Textual is imported only for the dashboard."""
    return guarded(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    p = parser("ullage")
    arguments = p.parse_args(argv)
    status = headless(arguments)
    if status is not None:
        return status
    from tui.serve import in_browser

    if arguments.serve:
        return _serve(arguments)
    if not (in_browser() or (sys.stdin.isatty() and sys.stdout.isatty())):
        print("ullage: the dashboard needs a terminal; use --preflight for a report", file=sys.stderr)
        return UNKNOWN
    term = os.environ.get("TERM", "")
    if not in_browser() and not full_screen(term):
        return _text(arguments, f"TERM={term}" if term else "a terminal without a name (TERM)")
    return _dashboard(arguments)


def full_screen(term: str) -> bool:
    """Can a terminal of this name show the dashboard, and what was there before once it is left?"""
    return _TEXT_ONLY.fullmatch(term) is None


def _text(arguments: argparse.Namespace, terminal: str) -> int:
    """What the dashboard would show first, as the report is printed; live, its status is that of --preflight."""
    print(f"ullage: {terminal} has no full screen; this is the report as text (--preflight)", file=sys.stderr)
    if not (arguments.demo or arguments.replay):
        arguments.preflight = True
        status = headless(arguments)
        return UNKNOWN if status is None else status
    from collectors.report import text
    from tui.feed import ReplayError, ReplayFeed
    from tui.launch import feed_of

    try:
        feed = feed_of(arguments)
    except ReplayError as error:
        print(f"ullage: {error}", file=sys.stderr)
        return UNKNOWN
    assert isinstance(feed, ReplayFeed)
    sys.stdout.write(text.render(feed.report_at(feed.opens_at), si=arguments.si))
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from tui.serve import Refused, serve

    shown = ["--demo"] if arguments.demo else ["--replay", arguments.replay] if arguments.replay else []
    try:
        at = ["--at", arguments.at] if arguments.at else []
        theme = ["--theme", arguments.theme] if arguments.theme else []
        return serve([*shown, *at, *theme], port=arguments.port)
    except Refused as error:
        print(f"ullage: {error}", file=sys.stderr)
    except ImportError:
        print("ullage: --serve needs textual-serve: pip install 'ullage[serve]'", file=sys.stderr)
    return UNKNOWN


def _dashboard(arguments: argparse.Namespace) -> int:
    from tui.feed import ReplayError
    from tui.launch import feed_of, run

    try:
        hosts = _hosts_of(arguments)
        feed = hosts[0][1] if hosts else feed_of(arguments)
    except ReplayError as error:
        print(f"ullage: {error}", file=sys.stderr)
        return UNKNOWN
    with _probes_ended(arguments):
        choices = _choices_file(arguments)
        status = run(
            feed,
            read_only=arguments.read_only,
            theme=arguments.theme,
            si=arguments.si,
            choices=choices,
            hosts=hosts,
            rings=arguments.bell,
        )
    return leave(status)


def _hosts_of(arguments: argparse.Namespace) -> list[tuple[str, LiveFeed]]:
    """One feed for each host, where several were named; else none.

    One journal tells of one machine: over several, nothing is remembered.
    """
    from tui.feed.live import LiveFeed
    from tui.launch import HostSource

    named = arguments.host or []
    if len(named) < 2 or arguments.demo or arguments.replay is not None:
        return []
    each = (argparse.Namespace(**{**vars(arguments), "host": [host], "no_journal": True}) for host in named)
    return [(host, LiveFeed(HostSource(one))) for host, one in zip(named, each, strict=True)]


def _choices_file(arguments: argparse.Namespace) -> Path | None:
    """Where choices are kept: in --state, else in the user's state folder; None with --no-state and without a home.

    A visitor of --serve neither finds nor leaves anything where the server runs.
    """
    import platformdirs

    from tui.serve import in_browser

    if arguments.no_state or in_browser():
        return None
    try:
        folder = Path(arguments.state) if arguments.state else platformdirs.user_state_path("ullage")
    except RuntimeError:
        return None
    return folder / "dashboard.json"


def leave(status: int) -> int:
    """The exit status; where a scan still waits for the kernel or an engine, the process ends here and now with it.

    Python waits for the threads of pools when it exits, however long these sit in a call.
    """
    if any(thread.name.startswith("ullage ") for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        atexit._run_exitfuncs()
        os._exit(status)
    return status


def _probes_ended(arguments: argparse.Namespace) -> AbstractContextManager[None]:
    """A dashboard that may start probes ends them with itself."""
    if arguments.probe_container is None:
        return nullcontext()
    from collectors.probe import watched

    return watched()


if __name__ == "__main__":
    sys.exit(main())
