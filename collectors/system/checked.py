"""Files that only this program reads, with a checksum before them: torn or altered, they count as not there. Pure."""

from __future__ import annotations

import zlib


def sealed(body: bytes) -> bytes:
    """What to write."""
    return _checksum(body) + b"\n" + body


def opened(content: bytes) -> bytes:
    """The body of what was read. ValueError where it is not what was written."""
    checksum, _, body = content.partition(b"\n")
    if checksum != _checksum(body):
        raise ValueError("the checksum does not fit")
    return body


def _checksum(body: bytes) -> bytes:
    return b"%08x" % zlib.crc32(body)
