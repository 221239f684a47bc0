"""One engine that may be changed: for the probe container and for what reclaims, and for nobody else.

One request, one answer, never sent twice: a request without an answer may have been carried out. Import it when first
asking.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from collectors.engine.connection import PIECE_BYTES, Answered
from collectors.engine.endpoint import Endpoint
from collectors.engine.network import connect
from collectors.engine.reply import Reply, refused
from collectors.engine.session import BODY_LIMIT_BYTES
from collectors.system.deadline import Malformed

Query = tuple[tuple[str, str], ...]


class WriteClient:
    """`timeout_s` bounds each wait, the whole is bounded by `cut`. All raise Declined, Malformed, TimeoutError."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float, limit_bytes: int = BODY_LIMIT_BYTES) -> None:
        """No body beyond `limit_bytes` is read. Raises Declined as `connect` does."""
        self._limit_bytes = limit_bytes
        self._connection = connect(endpoint, timeout_s=timeout_s)

    def get(self, path: str, query: Query = (), *, timeout_s: float) -> Reply:
        """What stands there now."""
        return self._sent("GET", path, query, None, timeout_s)

    def post(self, path: str, query: Query = (), content: object = None, *, timeout_s: float) -> Reply:
        """`content` None: without a body."""
        return self._sent("POST", path, query, content, timeout_s)

    def upload(self, path: str, query: Query, archive: bytes, *, timeout_s: float) -> Reply:
        """POST of a tar archive."""
        return self._sent("POST", path, query, None, timeout_s, archive)

    def delete(self, path: str, query: Query = (), *, timeout_s: float) -> Reply:
        """One object."""
        return self._sent("DELETE", path, query, None, timeout_s)

    @contextlib.contextmanager
    def stream(self, path: str, query: Query, *, timeout_s: float) -> Iterator[Iterator[bytes]]:
        """POST whose answer comes bit by bit. Entered as soon as the engine has agreed."""
        with self._connection.answered("POST", path, query, timeout_s=timeout_s) as answer:
            if answer.status // 100 != 2:
                raise refused(answer.status, _all(answer, self._limit_bytes), f"POST {path[:100]}")
            yield answer.pieces(PIECE_BYTES)

    def cut(self) -> None:
        """End every request, now and later. Returns at once."""
        self._connection.cut()

    def close(self) -> None:
        """Give every connection back to the system. Never raises."""
        self._connection.close()

    def _sent(
        self, method: str, path: str, query: Query, content: object, timeout_s: float, archive: bytes = b""
    ) -> Reply:
        with self._connection.answered(
            method, path, query, timeout_s=timeout_s, content=content, archive=archive
        ) as answer:
            raw = _all(answer, self._limit_bytes)
            return Reply.of(answer.status, raw, f"{method} {path[:100]}")


def _all(answer: Answered, limit_bytes: int) -> bytes:
    body = bytearray()
    for piece in answer.pieces(PIECE_BYTES):
        body += piece
        if len(body) > limit_bytes:
            raise Malformed(f"the engine's answer is more than the {limit_bytes} bytes that are read")
    return bytes(body)
