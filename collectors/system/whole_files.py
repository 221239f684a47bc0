"""Files that are there whole or not at all, and files that only this program reads, which carry a checksum.

Written beside and renamed: who reads sees the old or the new one. Torn or altered, a sealed file counts as not there.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path


def replace_whole(path: Path, content: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Put `content` in the place of `path`, whose folder is there. Raises OSError, having left the old file as it was.

    `durable`: on disk when this returns, which what can be measured again need not be.
    """
    try:
        fd, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:  # names a file that nobody asked for
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(fd)
            os.fchmod(fd, mode)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


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
