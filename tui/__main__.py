"""The command line `ullage`: the dashboard on a terminal, else what `python -m collectors` does."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys

from collectors.cli import headless, start_helper
from collectors.cli.command_line import UNKNOWN, parser
from collectors.cli.signals import end, guarded
from tui import BEFORE_A_REPORT, READING, TO_SECOND_SCREEN, VIEWS, give_back

TYPE_CHECKING = False
if TYPE_CHECKING:  # this is loaded for --version too
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import NoReturn

    from tui.feed.live import LiveFeed

# Terminals that place no cursor, or have no second screen to give back the first one from. Any other name is a terminal
# emulator's of today, whether this machine's terminfo knows it or not; Linux' own console does what is needed too.
_TEXT_ONLY = re.compile(
    r"|dumb.*|unknown|network|dialup|emacs.*|vt\d.*|ansi.*|pcansi.*|sun|sun-.*|cons25.*|wsvt25.*|mach.*|hurd|teletype|tty\d+|glasstty"
)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status. Textual is imported only for the dashboard."""
    return guarded(lambda: _run(argv))


def program() -> NoReturn:
    """The entry point of the `ullage` command."""
    end(main())


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


def first_frame(columns: int, theme: str, environ: Mapping[str, str]) -> str:
    """What the dashboard shows before anything is known, as it will draw it itself, without Textual.

    On the ground of its theme where the terminal can show that.
    """
    from tui.drawing.palette import DARK, PALETTES

    palette = PALETTES.get(theme, DARK)
    coloured = environ.get("COLORTERM") in ("truecolor", "24bit") and not (palette.ansi or environ.get("NO_COLOR"))
    ground, bar = (_colour(palette.ground, 48), _colour(palette.panel, 48)) if coloured else ("", "")
    ink = _colour(palette.roles["muted"], 38) if coloured else ""
    names = " ullage  " + "".join(f" {number} {title} " for number, (_, title) in enumerate(VIEWS, 1))
    room = max(0, columns - len(READING))
    top = (names[:room].ljust(room) + READING)[:columns]
    return f"{TO_SECOND_SCREEN}\x1b[H{ink}{ground}\x1b[2J{bar}{top}\r\n{ground}{BEFORE_A_REPORT[:columns]}\x1b[m"


def _colour(hexadecimal: str, kind: int) -> str:
    red, green, blue = bytes.fromhex(hexadecimal[1:])
    return f"\x1b[{kind};2;{red};{green};{blue}m"


@contextlib.contextmanager
def _first_frame_shown(arguments: argparse.Namespace) -> Iterator[bool]:
    """The first frame, while what draws the others is still being loaded. Is it on screen?

    Where nothing comes of the others, the terminal is as it was.
    """
    import signal

    screen = sys.__stderr__  # where Textual draws
    utf8 = screen is not None and (screen.encoding or "").lower().replace("-", "") == "utf8"
    if screen is None or not utf8 or os.environ.get("TERM") == "linux" or not screen.isatty():
        yield False
        return

    def ended(number: int, frame: object) -> None:
        give_back()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    columns = os.get_terminal_size(screen.fileno()).columns
    theme = f"ullage-{arguments.theme}" if arguments.theme else _kept_theme(_choices_file(arguments))
    before = signal.signal(signal.SIGTERM, ended)
    try:
        screen.write(first_frame(columns, theme, os.environ))
        screen.flush()
        yield True
    except BaseException:
        give_back()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _kept_theme(choices: Path | None) -> str:
    """The one that was chosen the last time, "" for none; the rest of the choices is read by `tui.export`."""
    import json

    try:
        return str(json.loads(choices.read_bytes())["theme"]) if choices is not None else ""
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def _dashboard(arguments: argparse.Namespace) -> int:
    from tui.serve import in_browser

    if in_browser() or arguments.replay or arguments.demo:
        return _shown(arguments)
    start_helper()
    with _first_frame_shown(arguments) as drawn:
        return _shown(arguments, drawn=drawn)


def _shown(arguments: argparse.Namespace, *, drawn: bool = False) -> int:
    """`drawn`: the first frame stands already."""
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
        return run(
            feed,
            read_only=arguments.read_only,
            theme=arguments.theme,
            si=arguments.si,
            choices=choices,
            hosts=hosts,
            rings=arguments.bell,
            drawn=drawn,
        )


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
    from pathlib import Path

    import platformdirs

    from tui.serve import in_browser

    if arguments.no_state or in_browser():
        return None
    try:
        folder = Path(arguments.state) if arguments.state else platformdirs.user_state_path("ullage")
    except RuntimeError:
        return None
    return folder / "dashboard.json"


def _probes_ended(arguments: argparse.Namespace) -> AbstractContextManager[None]:
    """A dashboard that may start probes ends them with itself."""
    if arguments.probe_container is None:
        return contextlib.nullcontext()
    from collectors.probe import watched

    return watched()


if __name__ == "__main__":
    program()
