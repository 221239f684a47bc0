"""Engines over the network, with TLS or ssh: the Docker SDK as a connection that can be cut; and who asks one engine.

The SDK is loaded when used. `ReadClient` asks any engine and changes none: it can send nothing but GET, and takes no
body that is no JSON by its first byte or larger than was agreed. Refuses to decode.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from collectors.engine.connection import PIECE_BYTES, Answered, SocketConnection, named, refuse_packed, target, told
from collectors.engine.endpoint import Endpoint
from collectors.engine.reply import OLDEST, refused
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed

# As many as are ever used at once: what a pool cannot take back is closed.
_CONNECTIONS = 20


def connect(endpoint: Endpoint, *, timeout_s: float) -> SocketConnection | NetworkConnection:
    """The way to an engine. Raises Declined where it cannot even begin: no paramiko for ssh, no TLS files there."""
    return SocketConnection(endpoint.socket) if endpoint.socket else NetworkConnection(endpoint, timeout_s=timeout_s)


def _sdk() -> ModuleType:
    with warnings.catch_warnings():
        # What the libraries think of each other's versions is no part of a report.
        warnings.simplefilter("ignore")
        import docker
        import docker.tls
        import urllib3
        import urllib3.exceptions
    for library in ("docker", "requests", "urllib3", "paramiko"):
        if not logging.getLogger(library).handlers:
            # Without a handler, Python prints warnings to stderr.
            logging.getLogger(library).addHandler(logging.NullHandler())
    # Asked for with DOCKER_TLS and without DOCKER_TLS_VERIFY: the user knows.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    sdk: ModuleType = docker
    return sdk


class NetworkConnection:
    """An SDK client whose connections can be shut. Safe to use from several threads."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float) -> None:
        """Raises Declined where the SDK cannot even begin: no paramiko for ssh, TLS files that are not there."""
        self.place = endpoint.url
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[Any] = weakref.WeakSet()
        self._hooked: weakref.WeakSet[Any] = weakref.WeakSet()
        self._is_cut = False
        if endpoint.url.startswith("ssh://"):
            try:
                import paramiko  # type: ignore[import-untyped,unused-ignore]  # noqa: F401 - the SDK wants it for ssh://
            except ImportError:
                raise Declined(Why.NOT_REACHABLE, "ssh:// needs the extra: pip install 'ullage[ssh]'") from None
        try:
            sdk = _sdk()
            self._api: Any = sdk.APIClient(
                base_url=endpoint.url,
                version=str(OLDEST),
                timeout=max(1, round(timeout_s)),
                tls=_tls(sdk, endpoint),
                max_pool_size=_CONNECTIONS,
            )
        except Exception as error:
            raise named(error, self.place) from error
        for adapter in self._api.adapters.values():
            self._hook(adapter)

    @contextlib.contextmanager
    def answered(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...],
        *,
        timeout_s: float,
        content: object = None,
        archive: bytes = b"",
    ) -> Iterator[Answered]:
        """As SocketConnection.answered."""
        with told(self.place, lambda: self._is_cut):
            answer = self._api.request(
                method,
                f"{self._api.base_url}{target(path)}",
                params=list(query),
                json=content,
                data=archive or None,
                stream=True,
                timeout=timeout_s,
                allow_redirects=False,
                headers={"Accept-Encoding": "identity", **({"Content-Type": "application/x-tar"} if archive else {})},
                # Said again, because REQUESTS_CA_BUNDLE beats what a session says.
                verify=self._api.verify,
            )
            with contextlib.closing(answer):
                refuse_packed(answer.headers.get("Content-Encoding", "identity"), self.place)
                yield Answered(answer.status_code, answer.headers.get("Content-Length", ""), answer.iter_content)

    def cut(self) -> None:
        """Shut every connection, now and later. Returns at once."""
        with self._lock:
            self._is_cut = True
            sockets = list(self._sockets)
        for connection in sockets:
            _shut(connection)

    def close(self) -> None:
        """Give every connection back to the system. Never raises: there is nothing left to lose."""
        with contextlib.suppress(Exception):
            for adapter in self._api.adapters.values():
                # First what the channels run through: to close a channel is to write to it.
                if (ssh := getattr(adapter, "ssh_client", None)) is not None:
                    ssh.close()
        with contextlib.suppress(Exception):
            self._api.close()

    def _hook(self, adapter: Any) -> None:
        """Have each connection that the adapter's pools make reported here.

        `requests` asks an adapter for a pool by the first name since 2.32, by the second before; docker's own adapters
        define the second. Pools make connections with `_new_conn`, which docker's adapters override as well.
        """
        docker_own = hasattr(adapter, "pools")
        for name in ("get_connection_with_tls_context", "get_connection"):
            pool_for = getattr(adapter, name, None)
            if pool_for is not None:
                setattr(adapter, name, self._watching(pool_for, one_pool=docker_own))

    def _watching(self, pool_for: Callable[..., Any], *, one_pool: bool) -> Callable[..., Any]:
        """`one_pool`: docker's adapters keep a pool, and so a connection, for each URL, all to the same engine."""

        def watched(target: Any, *args: Any, **kwargs: Any) -> Any:
            if one_pool and isinstance(target, str):
                target = self._api.base_url
            pool = pool_for(target, *args, **kwargs)
            with self._lock:
                if pool not in self._hooked:
                    self._hooked.add(pool)
                    pool._new_conn = self._reporting(pool._new_conn)
            return pool

        return watched

    def _reporting(self, new: Callable[[], Any]) -> Callable[[], Any]:
        def make() -> Any:
            connection = new()
            connect = connection.connect

            def reported() -> None:
                if self._is_cut:
                    raise TimeoutError
                connect()
                with self._lock:
                    self._sockets.add(connection.sock)
                    too_late = self._is_cut
                if too_late:
                    _shut(connection.sock)

            connection.connect = reported
            return connection

        return make


def _tls(sdk: ModuleType, endpoint: Endpoint) -> Any:
    tls = endpoint.tls
    if tls is None:
        return False
    pair = (str(tls.cert), str(tls.key)) if tls.cert is not None and tls.key is not None else None
    return sdk.tls.TLSConfig(client_cert=pair, ca_cert=str(tls.ca) if tls.ca is not None else None, verify=tls.verify)


def _shut(connection: Any) -> None:
    """End a socket under its readers. An SSL socket's own shutdown would first talk to the other side."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        if not isinstance(connection, socket.socket):
            # A channel of paramiko. To close it would be to write to whoever may not read: end what it runs through.
            connection = connection.get_transport().sock
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


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
