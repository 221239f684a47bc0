"""What a fresh process takes, as the kernel counts it when it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds, user and system, of the process and of those that it waited for; the largest of them."""

    cpu_s: float
    peak_bytes: int


def cheapest(costs: Iterable[Cost]) -> Cost:
    """The one that took least time: whatever else the machine did made the others dearer."""
    return min(costs, key=lambda cost: cost.cpu_s)


# The kernel counts the memory of the process that starts one as its own until it has begun. This one is small.
_STARTS = """
import json, os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
with open(int(sys.argv[1]), "w") as out:
    json.dump([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024], out)
"""


def measured(*words: str, statuses: Sequence[int] = (0,)) -> tuple[Cost, str]:
    """`python -m WORDS`: its cost and its stdout. Raises RuntimeError for another exit status."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "OPS_", "ULLAGE_"))}
    with tempfile.TemporaryFile("w+") as told:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _STARTS, str(told.fileno()), sys.executable, "-m", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            pass_fds=[told.fileno()],
            env=clean,
            check=True,
        )
        told.seek(0)
        status, cpu_s, peak_bytes = json.load(told)
    if status not in statuses:
        raise RuntimeError(f"{' '.join(words)}: {status}\n{ended.stderr[-2000:]}")
    return Cost(cpu_s, peak_bytes), ended.stdout
