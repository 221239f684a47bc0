"""The engine during a run: one request, one answer, never repeated, on a client that is opened again after a failure.

A request without an answer raises `NoAnswer`: its outcome is unknown, and whoever asked has to read the state again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from collectors.engine.endpoint import Endpoint
from collectors.engine.reply import Api, Reply, negotiate, parse
from collectors.model.reading import Why
from collectors.system.deadline import Declined

if TYPE_CHECKING:
    from collectors.engine.write_client import WriteClient

__all__ = ["EngineSession", "NoAnswer", "Reply", "StillDown"]

_PING_S = 2.0
_PAUSE_S = 0.5


class NoAnswer(Exception):
    """No answer: the request may have been carried out or not. After a time-out it may be being carried out still."""

    def __init__(self, detail: str, *, timed_out: bool = False) -> None:
        super().__init__(detail)
        self.timed_out = timed_out


class StillDown(Exception):
    """The engine did not come back in time."""


class EngineSession:
    """Use in `with`. One connection after the other; not for several threads."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float) -> None:
        self.endpoint = endpoint
        self._timeout_s = timeout_s
        self._client: WriteClient | None = None
        self._api: Api | None = None

    def __enter__(self) -> EngineSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    def get(self, path: str, query: Mapping[str, str] | None = None, *, timeout_s: float | None = None) -> Reply:
        """GET `path`; `timeout_s` None: as patient as with any request. Raises NoAnswer."""
        return self._ask("GET", path, query or {}, timeout_s)

    def post(self, path: str, query: Mapping[str, str]) -> Reply:
        """POST `path` with a query and no body. Raises NoAnswer."""
        return self._ask("POST", path, query)

    def load(self, archive: bytes) -> Reply:
        """POST an image as `docker save` writes it. Raises NoAnswer."""
        return self._send("POST", f"/v{self.api}/images/load", {"quiet": "1"}, self._timeout_s, archive)

    def delete(self, path: str, query: Mapping[str, str]) -> Reply:
        """DELETE `path`. Raises NoAnswer."""
        return self._ask("DELETE", path, query)

    @property
    def api(self) -> Api:
        """The version that both sides know. Raises NoAnswer."""
        if self._api is None:
            told = self._send("GET", "/version", {}, self._timeout_s).body
            newest = parse(str(told.get("ApiVersion", ""))) if isinstance(told, dict) else None
            oldest = parse(str(told.get("MinAPIVersion", ""))) if isinstance(told, dict) else None
            if newest is None:
                raise NoAnswer("the engine does not tell its API version")
            self._api = negotiate(newest, oldest)
        return self._api

    def answers(self) -> bool:
        """Is the engine there right now? Waits two seconds at most for each of connecting and answering."""
        try:
            return self._send("GET", "/_ping", {}, _PING_S).ok
        except NoAnswer:
            return False

    def wait_back(self, timeout_s: float, waiting: Callable[[float], bool]) -> None:
        """Until the engine answers again. `waiting` is told the seconds so far, and may give up (False).

        Raises StillDown.
        """
        began = time.monotonic()
        while not self.answers():
            spent = time.monotonic() - began
            if spent >= timeout_s or not waiting(spent):
                raise StillDown(f"the engine did not answer for {spent:.0f} s")
            time.sleep(_PAUSE_S)

    def _ask(self, method: str, path: str, query: Mapping[str, str], timeout_s: float | None = None) -> Reply:
        return self._send(method, f"/v{self.api}{path}", query, timeout_s or self._timeout_s)

    def _send(self, method: str, path: str, query: Mapping[str, str], timeout_s: float, archive: bytes = b"") -> Reply:
        pairs = tuple(query.items())
        try:
            client = self._opened()
            match method:
                case "POST" if archive:
                    return client.upload(path, pairs, archive, timeout_s=timeout_s)
                case "POST":
                    return client.post(path, pairs, timeout_s=timeout_s)
                case "DELETE":
                    return client.delete(path, pairs, timeout_s=timeout_s)
                case _:
                    return client.get(path, pairs, timeout_s=timeout_s)
        except Declined as error:
            self._drop()
            raise NoAnswer(error.detail, timed_out=error.why is Why.TIMED_OUT) from error
        except Exception as error:  # a defect on the way: there was no answer all the same
            self._drop()
            raise NoAnswer(str(error)[:200] or repr(error)) from error

    def _opened(self) -> WriteClient:
        if self._client is None:
            if self.endpoint.problem:
                raise Declined(Why.NOT_REACHABLE, self.endpoint.problem)
            # Loads the SDK, half of a run's start-up time: only who changes something pays for it.
            from collectors.engine.write_client import WriteClient

            self._client = WriteClient(self.endpoint, timeout_s=self._timeout_s)
        return self._client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
