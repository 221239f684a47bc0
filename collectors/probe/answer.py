"""A probe's answer as one line: the study of a disk, written inside and read outside. Pure.

It comes out of an image that somebody named, so it is read as anything foreign is: bounded, of the same model, with
the types and signs that the model means.
"""

from __future__ import annotations

import json

from collectors.model.conforms import conforms
from collectors.model.encoding import FOREIGN, decode, encode, fingerprint
from collectors.model.reading import Exact, Why
from collectors.model.snapshot import Disk
from collectors.system.deadline import Declined, Malformed
from collectors.version import tool_version

_MARK = "ullage_probe"


def written(disk: Disk) -> str:
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
