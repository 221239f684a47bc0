"""A view in a process of its own: what it says, what it takes, and what it leaves behind there."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

_ASK = """
import gc, json, os, sys, threading, time
from pathlib import Path
from collectors.engine import endpoint, view
from collectors.system.deadline import this_host
import collectors.engine.network  # while its files may be read
import docker  # which an engine over the network is asked by: it may take longer to load than a short deadline
url, deadline_s, runs, uid = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
if uid:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
def look():
    return view(endpoint(url, {}, Path("/nowhere")), this_host(), deadline_s=deadline_s)
def held():
    if not url.startswith("unix://"):
        gc.collect()  # what failed in the SDK holds its connection in a circle
    time.sleep(0.3)  # a thread that has given its answer needs a moment to end
    return threading.active_count(), len(os.listdir("/proc/self/fd"))
seen = look()
before = held()
for _ in range(runs):
    seen = look()
after = held()
# Not ru_maxrss: that starts with the peak of the process that this one was forked from, the tests' own.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:")) * 1024
engine = getattr(seen.engine, "why", "read"), getattr(seen.engine, "detail", "")
print(json.dumps({"engine": engine, "before": before, "after": after, "peak": peak}))
"""


@dataclass(frozen=True)
class Asked:
    """`engine`: why it could not be read, and the sentence. `before` and `after` the runs: threads, descriptors."""

    engine: tuple[str, str]
    before: tuple[int, int]
    after: tuple[int, int]
    peak_bytes: int


def ask(url: str, *, deadline_s: float, runs: int = 0, uid: int = 0) -> Asked:
    """One view and `runs` more, as user `uid` if given (only root can). Nothing may be on its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, url, str(deadline_s), str(runs), str(uid)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    return Asked(tuple(found["engine"]), tuple(found["before"]), tuple(found["after"]), found["peak"])
