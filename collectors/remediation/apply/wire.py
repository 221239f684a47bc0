"""The writing line to an engine: one request, one answer, never repeated. The sources' line only reads.

A request without an answer raises `Lost`: its outcome is unknown, and whoever asked has to read the state again.
Refuses to try twice, and to follow redirects.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote

from collectors.engine import faults
from collectors.engine.dialect import OLDEST, Api, negotiate, parse
from collectors.engine.endpoint import Endpoint
from collectors.model.reading import Why

_PING_S = 2.0
_PAUSE_S = 0.5


class Lost(Exception):
    """No answer: the request may have been carried out or not. After a time-out it may be being carried out still."""

    def __init__(self, detail: str, *, timed_out: bool = False) -> None:
        super().__init__(detail)
        self.timed_out = timed_out


class Away(Exception):
    """The engine did not come back in time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is decoded JSON, None where there was none."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        return self.status // 100 == 2

    @property
    def message(self) -> str:
        """The engine's own words about a refusal."""
        text = self.body.get("message") if isinstance(self.body, dict) else None
        return text if isinstance(text, str) and text else f"status {self.status}"


class Wire:
    """Use in `with`. One connection after the other; not for several threads."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float) -> None:
        self.endpoint = endpoint
        self._timeout_s = timeout_s
        self._client: Any = None
        self._api: Api | None = None

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """GET `path`. Raises Lost."""
        return self._ask("GET", path, query or {})

    def post(self, path: str, query: Mapping[str, str]) -> Reply:
        """POST `path` with a query and no body. Raises Lost."""
        return self._ask("POST", path, query)

    def delete(self, path: str, query: Mapping[str, str]) -> Reply:
        """DELETE `path`. Raises Lost."""
        return self._ask("DELETE", path, query)

    @property
    def api(self) -> Api:
        """The version that both sides know. Raises Lost."""
        if self._api is None:
            told = self._send("GET", "/version", {}, self._timeout_s).body
            newest = parse(str(told.get("ApiVersion", ""))) if isinstance(told, dict) else None
            oldest = parse(str(told.get("MinAPIVersion", ""))) if isinstance(told, dict) else None
            if newest is None:
                raise Lost("the engine does not tell its API version")
            self._api = negotiate(newest, oldest)
        return self._api

    def answers(self) -> bool:
        """Is the engine there right now? Waits two seconds at most for each of connecting and answering."""
        try:
            return self._send("GET", "/_ping", {}, _PING_S).ok
        except Lost:
            return False

    def wait_back(self, timeout_s: float, waiting: Callable[[float], bool]) -> None:
        """Until the engine answers again. `waiting` is told the seconds so far and may give up (False). Raises Away."""
        began = time.monotonic()
        while not self.answers():
            spent = time.monotonic() - began
            if spent >= timeout_s or not waiting(spent):
                raise Away(f"the engine did not answer for {spent:.0f} s")
            time.sleep(_PAUSE_S)

    def _ask(self, method: str, path: str, query: Mapping[str, str]) -> Reply:
        return self._send(method, f"/v{self.api}{path}", query, self._timeout_s)

    def _send(self, method: str, path: str, query: Mapping[str, str], timeout_s: float) -> Reply:
        try:
            client = self._opened()
            url = f"{client.base_url}{quote(path, safe='/:@')}"
            answer = client.request(
                method, url, params=dict(query), timeout=timeout_s, allow_redirects=False, stream=False
            )
            return Reply(answer.status_code, _decoded(answer.content))
        except Lost:
            raise
        except Exception as error:  # requests', urllib3's, docker's and the socket's: all mean no answer
            self._drop()
            raise _lost(error, self.endpoint.socket or self.endpoint.url) from error

    def _opened(self) -> Any:
        if self._client is None:
            if self.endpoint.problem:
                raise Lost(self.endpoint.problem)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import docker  # half of a run's start-up time: only who changes something pays for it
                import docker.tls
            tls = self.endpoint.tls
            pair = (str(tls.cert), str(tls.key)) if tls and tls.cert is not None and tls.key is not None else None
            secure = (
                docker.tls.TLSConfig(client_cert=pair, ca_cert=str(tls.ca) if tls.ca else None, verify=tls.verify)
                if tls is not None
                else False
            )
            self._client = docker.APIClient(
                base_url=self.endpoint.url, version=str(OLDEST), timeout=max(1, round(self._timeout_s)), tls=secure
            )
            self._client.trust_env = self.endpoint.socket is None
        return self._client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else None
    except ValueError:
        return None


def _lost(error: Exception, place: str) -> Lost:
    try:
        named = faults.named(error, place)
    except Exception:  # noqa: BLE001 - a defect on the way: there was no answer all the same
        return Lost(repr(error)[:200])
    return Lost(named.detail, timed_out=named.why is Why.TIMED_OUT)
