"""How a run ends: statuses, a closed pipe, a defect of our own (uncaught, it would exit with 1: a warning)."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

UNKNOWN = 3


def guarded(run: Callable[[], int]) -> int:
    """The exit status of `run`; whatever it raises becomes 3 and one line on stderr."""
    try:
        status = run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNKNOWN
    except KeyboardInterrupt:
        print("ullage: interrupted", file=sys.stderr)
        return UNKNOWN
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else UNKNOWN
    except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is loud and never a warning
        print(f"ullage: a defect of ours: {error!r}", file=sys.stderr)
        if os.environ.get("ULLAGE_DEBUG"):
            traceback.print_exc()
        return UNKNOWN
    return status
