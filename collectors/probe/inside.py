"""What runs inside a probe container: the disk part of a look, printed as one line. Writes nothing else anywhere.

It ends by itself a little after its deadline, whatever hangs: nobody may be left outside to end it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from collectors.engine.endpoint import Endpoint
from collectors.engine.locality import own_container
from collectors.inventory import Request, assemble
from collectors.inventory.request import Bound
from collectors.model.snapshot import Disk
from collectors.probe import answer
from collectors.system.host import this_host

_GRACE_S = 3.0
_NO_QUESTION, _LATE = 3, 4


@dataclass(frozen=True, slots=True)
class Question:
    """What the probe is to look at: the Docker root and the driver as the engine names them."""

    root: str
    driver: str
    deadline_s: float
    grace_s: float

    def text(self) -> str:
        """As an argument of a command line."""
        return json.dumps(asdict(self))


def run(question: str) -> int:
    """Look, print, exit status 0; 3 for what is no question."""
    try:
        asked = Question(**json.loads(question))
        deadline_s = float(asked.deadline_s)
    except (ValueError, TypeError):
        sys.stderr.write("ullage: --as-probe is what a probe container is started with, by ullage itself\n")
        return _NO_QUESTION
    watchdog = threading.Timer(deadline_s + _GRACE_S, os._exit, (_LATE,))
    watchdog.daemon = True  # SIGALRM would not do: the first process of a namespace ignores it
    watchdog.start()
    host = this_host(docker_root=Path(asked.root))
    nobody = Endpoint("", "a probe", False, None, "a probe asks no engine")
    request = Request(nobody, host, deadline_s, asked.grace_s, Bound(asked.driver, own_container(host)))
    found = assemble(request)
    lines = tuple(line for line in found.reports if not line.source.startswith("engine"))
    sys.stdout.write(answer.written(Disk(found.docker_root, found.store, found.studies, lines)))
    return 0
