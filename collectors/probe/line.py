"""The sources' line to an engine, with the four requests that a probe needs beside GET. Whoever holds one can write."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from collectors.engine.client import Line
from collectors.system.deadline import Malformed

_ANSWER_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16
Query = tuple[tuple[str, str], ...]


class WritingLine(Line):
    """Every wait is bounded by `timeout_s`, the whole by `cut`. All raise Declined, Malformed, TimeoutError."""

    def read(self, path: str, *, timeout_s: float) -> Any:
        """GET, decoded."""
        return _decoded(self.get(path, (), timeout_s=timeout_s, limit_bytes=_ANSWER_BYTES))

    def post(self, path: str, query: Query, content: object, *, timeout_s: float) -> Any:
        """POST, its answer decoded; None where there is none."""
        with self._answered("POST", path, query, timeout_s=timeout_s, content=content) as answer:
            return _decoded(_all(answer))

    def delete(self, path: str, query: Query, *, timeout_s: float) -> None:
        """DELETE."""
        with self._answered("DELETE", path, query, timeout_s=timeout_s) as answer:
            _all(answer)

    @contextlib.contextmanager
    def stream(self, path: str, query: Query, *, timeout_s: float) -> Iterator[Iterator[bytes]]:
        """POST whose answer comes bit by bit. Entered as soon as the engine has agreed."""
        with self._answered("POST", path, query, timeout_s=timeout_s) as answer:
            yield answer.iter_content(_PIECE_BYTES)


def _all(answer: Any) -> bytes:
    body = bytearray()
    for piece in answer.iter_content(_PIECE_BYTES):
        body += piece
        if len(body) > _ANSWER_BYTES:
            raise Malformed(f"the engine's answer is more than the {_ANSWER_BYTES} bytes that are read")
    return bytes(body)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        raise Malformed(f"the engine's answer is not JSON; it begins {body[:40]!r}") from None
