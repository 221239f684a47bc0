"""A server that answers as it is told, well or badly. Knows nothing of engines."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import parse_qsl, urlsplit

_PIECE = bytes(64 * 1024)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True)
class Reply:
    """A reply in good order."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    delay_s: float = 0.0
    then_hang_up: bool = False  # without having said so


@dataclass(frozen=True)
class Mute:
    """Never answers."""


@dataclass(frozen=True)
class Drip:
    """One byte at a time, from the first byte of the status line on, or from that of the body on."""

    body: bytes = b"[" + b" " * 100_000
    every_s: float = 1.0
    headers_at_once: bool = False


@dataclass(frozen=True)
class Flood:
    """A body of `size_bytes`, never held as a whole. Without a declared length it ends with the connection."""

    size_bytes: int
    first: bytes = b""
    declared: bool = False


@dataclass(frozen=True)
class Verbatim:
    """These bytes, then the end of the connection, or the next request."""

    data: bytes
    then_hang_up: bool = True


@dataclass(frozen=True)
class Reset:
    """The connection ends without an answer."""


Action = Reply | Mute | Drip | Flood | Verbatim | Reset


@dataclass
class Server:
    """Use in `with`; `url` is its address. `answer` is called for each request, in a thread of the connection.

    On a unix socket, or with `tcp` on a port of localhost, there under TLS with `tls`.
    """

    answer: Callable[[Request], Action]
    tcp: bool = False
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections_count: int = 0
    sent_bytes: int = 0

    def __enter__(self) -> Server:
        # A path under pytest's own folders is longer than a socket address may be.
        self._folder = tempfile.TemporaryDirectory(prefix="ullage-")
        self.path = Path(self._folder.name) / "engine.sock"
        if self.tcp:
            self._listener = socket.create_server(("127.0.0.1", 0))
        else:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(str(self.path))
            self._listener.listen(128)
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for line in (self._listener, *tuple(self._open)):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in tuple(self._threads):
            thread.join(5)
        self._folder.cleanup()

    @property
    def url(self) -> str:
        if self.tcp:
            return f"tcp://localhost:{self._listener.getsockname()[1]}"
        return f"unix://{self.path}"

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="fake engine", daemon=True)
        self._threads = [*(old for old in self._threads if old.is_alive()), thread]
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.connections_count += 1
            self._open.add(line)
            self._start(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError), self._secured(line) as secured, secured.makefile("rb") as lines:
            while request := _request(lines):
                self.requests.append(request)
                if not self._act(secured, self.answer(request)):
                    break
        self._open.discard(line)

    def _secured(self, line: socket.socket) -> socket.socket:
        return line if self.tls is None else self.tls.wrap_socket(line, server_side=True)

    def _act(self, line: socket.socket, action: Action) -> bool:
        """Answer; True if the connection may be used again."""
        match action:
            case Reply():
                self._ended.wait(action.delay_s)
                line.sendall(_head(action.status, action.content_type, len(action.body)) + action.body)
                return not action.then_hang_up
            case Mute():
                self._ended.wait()
            case Drip():
                head = _head(200, "application/json", len(action.body))
                rest = head + action.body
                if action.headers_at_once:
                    line.sendall(head)
                    rest = action.body
                for byte in rest:
                    line.sendall(bytes([byte]))
                    if self._ended.wait(action.every_s):
                        break
            case Flood():
                line.sendall(
                    _head(200, "application/json", action.size_bytes if action.declared else None) + action.first
                )
                while self.sent_bytes < action.size_bytes and not self._ended.is_set():
                    line.sendall(_PIECE)
                    self.sent_bytes += len(_PIECE)
            case Verbatim():
                line.sendall(action.data)
                return not action.then_hang_up
            case Reset():
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


def _head(status: int, content_type: str, length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {content_type}"]
    lines.append("Connection: close" if length is None else f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _request(lines: IO[bytes]) -> Request | None:
    line = lines.readline()
    if not line:
        return None
    try:
        method, target, _ = line.decode("ascii").split(" ", 2)
    except ValueError:  # not HTTP
        return None
    body_bytes = 0
    while header := lines.readline().strip().lower():
        if header.startswith(b"content-length:"):
            body_bytes = int(header.partition(b":")[2])
    body = lines.read(body_bytes)
    parts = urlsplit(target)
    return Request(method, parts.path, tuple(parse_qsl(parts.query)), body)


def wait_until(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Poll: does it become true in time?"""
    ends_at = time.monotonic() + within_s
    while time.monotonic() < ends_at:
        if true():
            return True
        time.sleep(0.01)
    return true()
