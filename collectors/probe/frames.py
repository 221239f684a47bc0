"""What an attached container says, taken apart: an engine sends both of its streams as one, in frames. Pure.

Refuses to hold more than it was told to.
"""

from __future__ import annotations

import struct

from collectors.system.deadline import Malformed

_HEAD = struct.Struct(">BxxxI")
_STDOUT, _STDERR = 1, 2
_LAST_WORDS_BYTES = 2048


class Streams:
    """Feed it the raw stream. `stdout` is kept whole, up to the limit; of stderr the last words."""

    def __init__(self, limit_bytes: int) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._limit_bytes = limit_bytes
        self._head = b""
        self._stream, self._left = 0, 0

    def feed(self, data: bytes) -> None:
        """Raises Malformed for what are no frames, and for more than is read."""
        view = memoryview(data)
        while len(view):
            if not self._left:
                missing = _HEAD.size - len(self._head)
                self._head += bytes(view[:missing])
                view = view[missing:]
                if len(self._head) == _HEAD.size:
                    self._stream, self._left = _HEAD.unpack(self._head)
                    self._begin(self._head)
                    self._head = b""
                continue
            piece = bytes(view[: self._left])
            view = view[len(piece) :]
            self._left -= len(piece)
            self._take(piece)

    def _begin(self, head: bytes) -> None:
        if self._stream not in (_STDOUT, _STDERR) or head[1:4] != b"\0\0\0":
            raise Malformed(f"what the engine sends for the container is no stream of frames; it begins {head!r}")

    def _take(self, piece: bytes) -> None:
        if self._stream == _STDERR:
            self.stderr += piece
            del self.stderr[:-_LAST_WORDS_BYTES]
            return
        self.stdout += piece
        if len(self.stdout) > self._limit_bytes:
            raise Malformed(f"its answer is more than the {self._limit_bytes} bytes that are read")
