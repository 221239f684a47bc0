"""The Docker SDK as a connection that can be cut, and what went wrong on the way as a reason.

What went wrong on the way to an engine, as a reason and one sentence. Refuses to know a library by import.

The SDK lets raw `requests` exceptions through, which wrap urllib3's, which wrap the error of the system call. So the
whole chain is searched, for what the system said first, and for a library's class by its name last.

The Docker SDK as a connection that can be cut. The only module that imports the SDK: import it when first asking.

A socket's own timeout starts anew with every byte, so it cannot hold against an engine that sends one a second. Every
connection of the SDK's pools is therefore known here, and `cut` shuts all of them from another thread: whoever reads,
writes or waits on one comes back at once. Sends whatever method it is told: who studies holds a `ReadClient`, and only
that and `WriteClient` may use this. Refuses to decode, to follow redirects, and to send anything twice.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import http.client
import logging
import socket
import ssl
import stat
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from collectors.engine.endpoint import Endpoint
from collectors.engine.reply import OLDEST, EngineBusy, HungUp
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed

_TIMEOUTS = ("Timeout", "ConnectTimeout", "ReadTimeout", "ReadTimeoutError", "ConnectTimeoutError")
_CUT_SHORT = ("IncompleteRead", "ChunkedEncodingError", "InvalidChunkLength", "DecodeError", "ContentDecodingError")
_LIBRARIES = ("docker", "requests", "urllib3", "paramiko")
_LONGEST = 200


def named(error: BaseException, place: str) -> Declined:
    """The reason in an exception of the SDK, of requests or of a socket; `place` is where the engine was looked for.

    What none of them raised is handed back as it is: it is ours.
    """
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, Declined):
            return cause
        if isinstance(cause, TimeoutError) or type(cause).__name__ in _TIMEOUTS:
            return Declined(Why.TIMED_OUT, f"no answer from {place}")
    for cause in chain:
        if (found := _of_system(cause, place)) is not None:
            return found
    for cause in chain:
        if isinstance(cause, http.client.HTTPException) or type(cause).__name__ in _CUT_SHORT:
            if type(cause).__name__ in _CUT_SHORT:
                return Declined(Why.MALFORMED, f"the answer of {place} ended early")
            return Declined(Why.MALFORMED, f"{place} does not answer in HTTP: {_short(cause)}")
    module = type(error).__module__.partition(".")[0]
    if module in _LIBRARIES or isinstance(error, OSError):
        return Declined(Why.FAILED, f"asking {place} failed: {_short(chain[-1])}")
    raise error


def _of_system(cause: BaseException, place: str) -> Declined | None:
    match cause:
        case FileNotFoundError() | NotADirectoryError():
            return Declined(Why.NOT_REACHABLE, f"no socket at {place}: no engine runs there")
        case PermissionError():
            return Declined(Why.NOT_PERMITTED, f"no permission on {place}: {_remedy(place)}")
        case ConnectionRefusedError():
            return Declined(Why.NOT_REACHABLE, f"nobody listens at {place}: the engine is stopped")
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return HungUp(Why.FAILED, f"{place} closed the connection before its answer was complete")
        case socket.gaierror():
            return Declined(Why.NOT_REACHABLE, f"the host name of {place} is unknown: {cause.strerror}")
        case ssl.SSLError():
            return Declined(Why.FAILED, f"TLS with {place} failed: {cause.reason or cause}")
        case BlockingIOError():  # a socket whose queue of waiting connections is full
            return EngineBusy(Why.TIMED_OUT, f"{place} accepts no connection: its engine is stopped or overrun")
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH | errno.EHOSTDOWN):
            return Declined(Why.NOT_REACHABLE, f"no way to {place}: {cause.strerror}")
        case OSError(errno=int() as number) if type(cause).__module__ == "builtins" and number:
            return Declined(Why.FAILED, f"asking {place} failed: {cause.strerror}")
        case _:
            return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and everything it wraps, outermost first: causes, contexts, arguments, urllib3's `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, *cause.args, getattr(cause, "reason", None)]


def _remedy(place: str) -> str:
    """Who may use the socket, by its owner's group where that can be seen."""
    try:
        status = Path(place).stat()
        if not status.st_mode & stat.S_IWGRP or status.st_gid == 0:
            return "be root" if status.st_uid == 0 else f"be user {status.st_uid}"
        return f"be root or in group {grp.getgrgid(status.st_gid).gr_name}"
    except (OSError, KeyError):
        return "be root or in group docker"


def _short(cause: BaseException) -> str:
    return (str(cause) or type(cause).__name__)[:_LONGEST]


with warnings.catch_warnings():
    # What the libraries think of each other's versions is no part of a report.
    warnings.simplefilter("ignore")
    import docker
    import docker.tls
    import urllib3
    import urllib3.exceptions

for _library in ("docker", "requests", "urllib3", "paramiko"):
    # Without a handler, Python prints warnings to stderr.
    logging.getLogger(_library).addHandler(logging.NullHandler())
# Asked for with DOCKER_TLS and without DOCKER_TLS_VERIFY: the user knows.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

# As many as are ever used at once: what a pool cannot take back is closed.
_CONNECTIONS = 20
PIECE_BYTES = 64 * 1024


class Connection:
    """An SDK client whose connections can be shut. Safe to use from several threads."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float) -> None:
        """Raises Declined where the SDK cannot even begin: no paramiko for ssh, TLS files that are not there."""
        self.place = endpoint.socket or endpoint.url
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
            self._api: Any = docker.APIClient(
                base_url=endpoint.url,
                version=str(OLDEST),
                timeout=max(1, round(timeout_s)),
                tls=_tls(endpoint),
                max_pool_size=_CONNECTIONS,
            )
        except Exception as error:
            raise named(error, self.place) from error
        # A socket knows no proxies and no netrc; without this, both are looked up for each request.
        self._api.trust_env = endpoint.socket is None
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
        content: Any = None,
        archive: bytes = b"",
    ) -> Iterator[Any]:
        """The response to one request, whatever its status, its body unread. `timeout_s` bounds each wait.

        What it carries: `content` as JSON, or `archive`, a tar as it is.

        Whatever goes wrong until the end of the block is raised as Declined, Malformed, or TimeoutError once cut.
        """
        try:
            answer = self._api.request(
                method,
                f"{self._api.base_url}{quote(path, safe='/:@')}",
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
                if (packed := answer.headers.get("Content-Encoding", "identity")) != "identity":
                    # A few KiB may unpack to more than there is memory, piece by piece and before they are counted.
                    raise Malformed(
                        f"the answer of {self.place} is packed ({packed[:40]}), which it was asked not to be"
                    )
                yield answer
        except Exception as error:
            if self._is_cut:  # whatever it looks like from inside: we did it
                raise TimeoutError from error
            if isinstance(error, Declined | Malformed):
                raise
            raise named(error, self.place) from error
        if self._is_cut:  # half a status line, and then the end, reads as an answer without a body
            raise TimeoutError

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


def _tls(endpoint: Endpoint) -> Any:
    tls = endpoint.tls
    if tls is None:
        return False
    pair = (str(tls.cert), str(tls.key)) if tls.cert is not None and tls.key is not None else None
    return docker.tls.TLSConfig(
        client_cert=pair, ca_cert=str(tls.ca) if tls.ca is not None else None, verify=tls.verify
    )


def _shut(connection: Any) -> None:
    """End a socket under its readers. An SSL socket's own shutdown would first talk to the other side."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        if not isinstance(connection, socket.socket):
            # A channel of paramiko. To close it would be to write to whoever may not read: end what it runs through.
            connection = connection.get_transport().sock
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
