"""One process that runs the command line again and again: `python -m tests.faults.again RUNS ARGUMENTS…`.

Prints, as JSON, the exit statuses and what the process held before and after: threads, descriptors, children.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
import time
from pathlib import Path


def held() -> dict[str, int]:
    """What must not grow. A thread that has given its answer, and a child that was killed, need a moment to end."""
    time.sleep(0.5)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "children": len(children),
    }


def main(runs: str, *arguments: str) -> int:
    from collectors.cli import main as ullage

    statuses = []
    before = held()
    for number in range(int(runs)):
        with contextlib.redirect_stdout(io.StringIO()):
            statuses.append(ullage(arguments))
        if number == 0:
            before = held()
    print(json.dumps({"statuses": statuses, "before": before, "after": held()}))
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
