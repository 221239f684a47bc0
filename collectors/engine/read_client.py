"""One engine, to be asked and not to be changed: nothing here can send anything but GET. Import it when first asking.

Refuses to decode, and to take a body that is no JSON by its first byte or larger than was agreed.
"""

from __future__ import annotations

from collectors.engine.connection import PIECE_BYTES, Answered
from collectors.engine.endpoint import Endpoint
from collectors.engine.network import connect
from collectors.engine.reply import refused
from collectors.system.deadline import Malformed

_REFUSAL_BYTES = 8 * 1024
_JSON_STARTS = b'{["ntf-0123456789'


class ReadClient:
    """Safe to use from several threads; `cut` ends all that they wait for."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float) -> None:
        """Raises Declined as `connect` does."""
        self._connection = connect(endpoint, timeout_s=timeout_s)

    def get(self, path: str, query: tuple[tuple[str, str], ...], *, timeout_s: float, limit_bytes: int) -> bytes:
        """The body of one GET. `timeout_s` bounds each wait; the whole is bounded by `cut` only.

        Raises Declined with the reason, Malformed for a body that is no JSON by its first byte or is too large.
        """
        what = f"GET {path[:100]}"
        with self._connection.answered("GET", path, query, timeout_s=timeout_s) as answer:
            if answer.status // 100 != 2:
                raise refused(answer.status, _beginning(answer), what)
            return _body(answer, what, limit_bytes)

    def cut(self) -> None:
        """End every request, now and later. Returns at once."""
        self._connection.cut()

    def close(self) -> None:
        """Give every connection back to the system. Never raises."""
        self._connection.close()


def _body(answer: Answered, what: str, limit_bytes: int) -> bytes:
    declared = answer.declared_bytes
    if declared.isdigit() and int(declared) > limit_bytes:
        raise Malformed(f"the answer to {what} is {declared} bytes, more than the {limit_bytes} that are read")
    body = bytearray()
    looked = False
    for piece in answer.pieces(PIECE_BYTES):
        body += piece
        if len(body) > limit_bytes:
            raise Malformed(f"the answer to {what} is more than the {limit_bytes} bytes that are read")
        if not looked and (start := body.lstrip()[:1]):
            looked = True
            if start not in _JSON_STARTS:
                raise Malformed(f"the answer to {what} is not JSON; it begins {bytes(body[:40])!r}")
    return bytes(body)


def _beginning(answer: Answered) -> bytes:
    for piece in answer.pieces(_REFUSAL_BYTES):
        return bytes(piece[:_REFUSAL_BYTES])
    return b""
