"""How a run ends: statuses, a closed pipe, a defect of our own (uncaught, it would exit with 1: a warning)."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Callable

from collectors.cli.command_line import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:  # this is loaded for --version too
    from typing import NoReturn


_TOLD = 500  # characters of an error that nobody foresaw: some carry a whole report


def discard_stdout() -> None:
    """The reader has seen enough, or is gone. Python would complain again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(line: str) -> None:
    """One line on stderr, if that takes it: a log on a full disk must not change how the run ends."""
    with contextlib.suppress(OSError):
        print(f"ullage: {line}", file=sys.stderr)


def guarded(run: Callable[[], int]) -> int:
    """The exit status of `run`; whatever it raises becomes 3 and one line on stderr."""
    _open_closed_streams()
    _write_any_character()
    try:
        status = run()
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
        return UNKNOWN
    except KeyboardInterrupt:
        complain("interrupted")
        return UNKNOWN
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else UNKNOWN
    except OSError as error:
        discard_stdout()
        complain(str(error))
        return UNKNOWN
    except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is loud and never a warning
        complain(f"a defect of ours: {repr(error)[:_TOLD]}")
        if os.environ.get("ULLAGE_DEBUG"):
            import traceback

            traceback.print_exc()
        return UNKNOWN
    finally:
        _settle_stderr()
    return status


def end(status: int) -> NoReturn:
    """End the process. What Python would first take apart, piece by piece, goes with it: an eighth of a short run.

    Nor are threads waited for that sit in a call: what they would still find, nobody reads any more.
    """
    import atexit

    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    atexit._run_exitfuncs()
    os._exit(status)


def _settle_stderr() -> None:
    # A terminal that died refuses also what Python flushes at exit, and the status would be 120.
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


# Our own characters that another character set may lack.
_PLAIN = {"—": "-", "–": "-", "·": "-", "≥": ">=", "≤": "<=", "…": "...", "×": "x", "→": "->", "±": "+-"}


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """In ASCII, for a stream that cannot take the character: a near one of ours, else its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or ascii(one)[1:-1] for one in lacking), error.end


def _write_any_character() -> None:
    """A report is whole whatever the locale: where stdout is no UTF-8, what it lacks is said in ASCII."""
    codecs.register_error("ullage.plain", _plainly)
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    is_ascii = codecs.lookup(sys.stdout.encoding).name == "ascii"  # of the C locale, where Python is lenient otherwise
    if sys.stdout.errors == "strict" or (is_ascii and sys.stdout.errors == "surrogateescape"):
        sys.stdout.reconfigure(errors="ullage.plain")


def _open_closed_streams() -> None:
    """Give a closed stream (`>&-`) its number back before a file or socket of ours gets it, and `print` a place.

    stdout becomes one that refuses what is written, as it did; Python's own stand-in would be None, and what is said
    to a stderr of None ends up on stdout, in the middle of the report.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the life of the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
