"""What runs inside a probe container, and its answer as one line, written inside and read outside.

A probe's answer as one line: the study of a disk, written inside and read outside. Pure.

It comes out of an image that somebody named, so it is read as anything foreign is: bounded, of the same model, with
the types and signs that the model means.

What runs inside a probe container: the disk part of a look, printed as one line. Writes nothing else anywhere.

It ends by itself a little after its deadline, whatever hangs: nobody may be left outside to end it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from collectors import tool_version
from collectors.engine.endpoint import Endpoint
from collectors.engine.locality import own_container
from collectors.inventory import Request, assemble
from collectors.inventory.request import Bound
from collectors.model.encoding import FOREIGN, conforms, decode, encode, fingerprint
from collectors.model.reading import Exact, Why
from collectors.model.snapshot import Disk
from collectors.system.deadline import Declined, Malformed
from collectors.system.host import this_host

_MARK = "ullage_probe"


def written_answer(disk: Disk) -> str:
    """One line of ASCII, with its newline."""
    document = {_MARK: fingerprint(), "version": tool_version(), "disk": encode(disk)}
    return json.dumps(document, separators=(",", ":")) + "\n"


def read(line: bytes) -> Disk:
    """Raises Malformed for anything else, Declined for the answer of another version."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed(f"its answer is not JSON; it begins {line[:40]!r}") from None
    if not isinstance(document, dict) or _MARK not in document:
        raise Malformed("its answer is not that of a probe")
    if document[_MARK] != fingerprint():
        told = f"the image holds ullage {str(document.get('version'))[:40]}, this is {tool_version()}"
        raise Declined(Why.INCONSISTENT, f"{told}: what they write differs")
    try:
        disk = decode(document["disk"])
        fits = conforms(disk, Disk)
    except FOREIGN as error:
        raise Malformed(f"its answer cannot be decoded: {error}") from None
    if not isinstance(disk, Disk) or not fits or not _plausible(disk):
        raise Malformed("its answer holds what cannot be")
    return disk


def _plausible(disk: Disk) -> bool:
    for study in disk.studies:
        space = study.filesystem.space
        if isinstance(space, Exact) and not 0 <= space.value.free_bytes <= space.value.total_bytes:
            return False
        if isinstance(study.occupancy, Exact) and any(share.bytes < 0 for share in study.occupancy.value.shares):
            return False
    return True


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
    sys.stdout.write(written_answer(Disk(found.docker_root, found.store, found.studies, lines)))
    return 0
